#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tollgate::domain::policy {

/// Length of `text` without a code point that is cut off at its end (0..3 bytes less). Bytes that
/// are no UTF-8 at all are left in.
[[nodiscard]] std::size_t whole_code_points(std::string_view text) noexcept;

/// The nearest code point boundary at or before `i`; `i` itself when the bytes are no UTF-8.
[[nodiscard]] std::size_t code_point_start(std::string_view text, std::size_t i) noexcept;

[[nodiscard]] bool is_ascii(std::string_view text) noexcept;

/// `text` when it is valid UTF-8, else a copy in `buffer` with every bad byte replaced by '?', so
/// that offsets stay. Vectorscan's UTF-8 mode is undefined on anything else.
[[nodiscard]] std::string_view valid_utf8(std::string_view text, std::string& buffer);

}  // namespace tollgate::domain::policy
