#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// Names one scope: `{ScopeKind::agent, "researcher"}`. An empty id means "no such scope".
struct ScopeName {
  config::ScopeKind kind = config::ScopeKind::key;
  std::string_view id;
};

/// Some scopes of a call's path, resolved once so that a call costs no look-up.
///
/// Made by Ledger::resolve, once per key (key, agent, team, org, tags) and once per deployment
/// (model, provider); plain numbers inside, valid as long as that ledger, across every reload.
/// Which budgets the scopes have is looked up at each hold, so an old path obeys new limits.
/// Ledger::add_live adds what a call brings: its session and its end user. With those a path is
/// good for one call.
class ScopePath {
 public:
  /// key, agent, team, org; tags; a session and an end user of each of those owners and of the
  /// gateway.
  static constexpr std::size_t kCapacity = 4 + config::kMaxTagScopes + 2 * 5;
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  bool operator==(const ScopePath&) const = default;

 private:
  friend class Ledger;
  friend struct Books;
  std::array<std::uint32_t, kCapacity> scopes_{};
  std::uint8_t size_ = 0;
};

}  // namespace tollgate::domain::budget
