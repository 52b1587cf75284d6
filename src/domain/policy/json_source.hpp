#pragma once

#include <cstddef>
#include <string_view>

/// JSON source as text (TextForm::json_source): where a mask may cut it.
namespace tollgate::domain::policy {

/// Where a match may begin: not on the letter of an escape sequence.
[[nodiscard]] std::size_t after_escape(std::string_view text, std::size_t begin) noexcept;
/// Where a match may end: not inside an escape sequence.
[[nodiscard]] std::size_t before_escape(std::string_view text, std::size_t end) noexcept;

}  // namespace tollgate::domain::policy
