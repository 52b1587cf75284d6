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

/// A token count from a provider: never negative, never absurd; 0 for anything that is no count.
[[nodiscard]] inline std::int64_t read_count(json::NodeRef node) noexcept;
/// The same of a member of `details`, which are mostly not there.
[[nodiscard]] inline std::int64_t read_count_in(json::NodeRef details,
                                                std::string_view name) noexcept {
  return details ? read_count(details.find(name)) : 0;
}

/// Tokens are at most this many wherever they are counted, so that sums cannot overflow.
inline constexpr std::int64_t kMaxTokens = 1'000'000'000'000;

[[nodiscard]] std::int64_t clamped_count(json::NodeRef number) noexcept;

inline std::int64_t read_count(json::NodeRef node) noexcept {
  return node.is_number() ? clamped_count(node) : 0;
}

}  // namespace tollgate::protocol::llm
