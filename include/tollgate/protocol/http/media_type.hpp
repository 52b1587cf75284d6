#pragma once

#include <string_view>

namespace tollgate::protocol::http {

/// The type a Content-Type value names, "application/json" of " application/json; charset=utf-8":
/// without parameters and white space, letter case as it is. Empty when it names none. Also the
/// disposition of a Content-Disposition value, which has the same form.
[[nodiscard]] std::string_view media_type(std::string_view content_type) noexcept;
/// Whether it names `type`, which is in lower case and without parameters.
[[nodiscard]] bool is_media_type(std::string_view content_type, std::string_view type) noexcept;
/// application/json, or any type that says it is JSON (`+json`, RFC 6839).
[[nodiscard]] bool is_json(std::string_view content_type) noexcept;
/// Types that are known to hold no text a guardrail could read. Whatever else an upstream calls its
/// answer, or does not, is read.
[[nodiscard]] bool is_binary(std::string_view content_type) noexcept;

}  // namespace tollgate::protocol::http
