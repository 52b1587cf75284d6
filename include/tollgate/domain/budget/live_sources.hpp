#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// Session and end-user ids that are part of a scope's id; longer ones stand as their digest.
inline constexpr std::size_t kLiveIdBytes = 40;

/// Writes an id as scopes and rows of the ledger have it: itself, or "sha256:" and the first 32 hex
/// digits of its SHA-256 when it is longer than kLiveIdBytes, has anything but visible ASCII in it,
/// or looks like such a digest.
void set_live_id(std::string_view id, std::string& out);
/// The digest in any case.
void set_live_digest(std::string_view id, std::string& out);

/// Whose key it is; absent owners are empty.
struct KeyOwners {
  std::string_view key, agent, team, org;
};

/// Owners that give each session, or each end user, limits of its own, as they apply to one key.
/// Made by Ledger::live_sources.
class LiveSources {
 public:
  static constexpr std::size_t kCapacity = 2 * 5;  ///< key, agent, team, org, gateway
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  /// Whether some source is of sessions (of end users).
  [[nodiscard]] bool wants_session() const noexcept { return wants_session_; }
  [[nodiscard]] bool wants_end_user() const noexcept { return wants_end_user_; }

  /// One owner's sessions or end users.
  struct Source {
    config::ScopeKind kind = config::ScopeKind::session;
    /// What stands before the id in the id of the scope: "agent:coder/". Lives as long as the
    /// ledger.
    std::string_view prefix;
    std::uint32_t number = 0;  ///< of the scope that the prefix names, which stands for the source
  };
  [[nodiscard]] std::span<const Source> list() const noexcept { return {sources_.data(), size_}; }

 private:
  friend class Ledger;
  std::array<Source, kCapacity> sources_{};
  std::uint8_t size_ = 0;
  bool wants_session_ = false;
  bool wants_end_user_ = false;
};

}  // namespace tollgate::domain::budget
