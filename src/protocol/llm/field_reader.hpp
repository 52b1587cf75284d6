#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/json/document.hpp"

/// Reading governed fields: the right type or a clear refusal, never a guess.
namespace tollgate::protocol::llm {

[[nodiscard]] base::Error field_error(std::string_view param, std::string_view expected);

/// Of a member whose key is `name` in other letter case.
[[nodiscard]] base::Error other_case_error(json::NodeRef member, std::string_view name);

/// The value, `absent` when there is none or null; invalid_request for other types.
[[nodiscard]] base::Result<std::string_view> read_string(json::NodeRef node,
                                                         std::string_view param);
[[nodiscard]] base::Result<bool> read_bool(json::NodeRef node, std::string_view param, bool absent);
/// An integer in [least, most].
[[nodiscard]] base::Result<std::optional<std::int64_t>> read_integer(json::NodeRef node,
                                                                     std::string_view param,
                                                                     std::int64_t least,
                                                                     std::int64_t most);
/// Nothing, null, or a value of `kind`.
[[nodiscard]] base::Result<void> check_kind(json::NodeRef node, std::string_view param,
                                            json::Kind kind);

/// What a provider put where a token count belongs.
struct TokenCount {
  enum class Kind : std::uint8_t {
    absent,    ///< nothing, or null
    no_count,  ///< not a number, not a whole one, or below 0
    absurd,    ///< more than kMaxTokens
    told,      ///< 12, also as 12.0 or 1.2e1
  };
  Kind kind = Kind::absent;
  std::int64_t value = 0;  ///< of what is told; else 0

  [[nodiscard]] bool is_told() const noexcept { return kind == Kind::told; }
  [[nodiscard]] bool is_absurd() const noexcept { return kind == Kind::absurd; }
  /// Nothing that has to be guessed: a number, or none where there need be none.
  [[nodiscard]] bool is_told_or_absent() const noexcept {
    return kind == Kind::told || kind == Kind::absent;
  }
};
[[nodiscard]] TokenCount read_count(json::NodeRef node) noexcept;
/// The same of a member of `details`, which are mostly not there.
[[nodiscard]] inline TokenCount read_count_in(json::NodeRef details,
                                              std::string_view name) noexcept {
  return details ? read_count(details.find(name)) : TokenCount();
}

/// Tokens are at most this many wherever they are counted, so that sums cannot overflow.
inline constexpr std::int64_t kMaxTokens = 1'000'000'000'000;

}  // namespace tollgate::protocol::llm
