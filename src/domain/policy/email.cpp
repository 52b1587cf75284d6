#include <algorithm>
#include <array>

#include "domain/policy/detectors.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::domain::policy {
namespace {

/// Zero-width characters pasted next to the at sign hide an address from naive patterns:
/// U+200B..U+200D, U+2060, U+FEFF. @return their bytes, 0 when `three` is none.
std::size_t zero_width_bytes(char a, char b, char c) noexcept {
  if (a == '\xE2' && b == '\x80' && c >= '\x8B' && c <= '\x8D') return 3;
  if (a == '\xE2' && b == '\x81' && c == '\xA0') return 3;
  if (a == '\xEF' && b == '\xBB' && c == '\xBF') return 3;
  return 0;
}
std::size_t zero_width_before(std::string_view text, std::size_t end) noexcept {
  return end >= 3 ? zero_width_bytes(text[end - 3], text[end - 2], text[end - 1]) : 0;
}

/// File names such as icon@2x.png look like addresses; none of these is a delegated top-level
/// domain (IANA root zone).
bool is_file_extension(std::string_view label) noexcept {
  static constexpr std::array<std::string_view, 16> kExtensions = {
      "png", "jpg", "jpeg", "gif",  "svg", "webp", "css", "js",
      "jsx", "tsx", "json", "html", "xml", "yaml", "txt", "pdf"};
  return std::any_of(kExtensions.begin(), kExtensions.end(),
                     [label](std::string_view e) { return base::iequals(e, label); });
}

bool is_top_level(std::string_view label) noexcept {
  if (label.size() >= 6 && base::iequals(label.substr(0, 4), "xn--")) return true;
  if (label.size() < 2 || label.size() > 24) return false;
  for (const char c : label) {
    if (!is(c, kAlpha)) return false;
  }
  return !is_file_extension(label);
}

/// The local part's first byte, given where its run of characters begins: not the letter of an
/// escape sequence before it (JSON inside a JSON string), which belongs to the backslash.
std::size_t after_escape(std::string_view text, std::size_t begin, std::size_t end) noexcept {
  if (begin == 0 || begin >= end || text[begin - 1] != '\\') return begin;
  constexpr std::string_view kEscapes = "nrtbf";
  if (text[begin] == 'u') {
    std::size_t digits = 0;
    while (digits < 4 && begin + 1 + digits < end &&
           is(base::ascii_lower(text[begin + 1 + digits]), kHexLower))
      ++digits;
    return digits == 4 ? begin + 5 : begin;
  }
  return kEscapes.find(text[begin]) != std::string_view::npos ? begin + 1 : begin;
}

}  // namespace

Finding find_email(Window& w, std::size_t at, std::size_t at_bytes) noexcept {
  const std::string_view text = w.text;
  const std::size_t local_end = at - zero_width_before(text, at);
  const std::size_t lowest = local_end > kEmailLocalBytes ? local_end - kEmailLocalBytes : 0;
  std::size_t begin = local_end;
  while (begin > lowest && is(text[begin - 1], kEmailLocal)) --begin;
  begin = after_escape(text, begin, local_end);
  while (begin < local_end && !is(text[begin], kAlnum) && text[begin] != '_') ++begin;
  Finding found{begin, 0, false};
  if (begin == local_end) return found;

  std::size_t i = at + at_bytes;
  // Byte by byte: at() past the end must be asked only for what could still be a zero-width one.
  if (w.at(i) == '\xE2' || w.at(i) == '\xEF')
    i += zero_width_bytes(w.at(i), w.at(i + 1), w.at(i + 2));
  const std::size_t limit = i + kEmailDomainBytes;
  for (int labels = 1;; ++labels) {
    const std::size_t label = i;
    while (i < limit && (is(w.at(i), kAlnum) || w.at(i) == '-')) ++i;
    std::size_t label_end = i;
    while (label_end > label && text[label_end - 1] == '-') --label_end;
    if (label_end == label) break;
    if (labels >= 2 && is_top_level(text.substr(label, label_end - label))) found.end = label_end;
    if (label_end != i || i >= limit || w.at(i) != '.') break;
    ++i;
  }
  return found;
}

namespace {
/// Where a local part that ends at `end` (a zero-width character may follow it) begins.
std::size_t local_begin(std::string_view text, std::size_t end) noexcept {
  const std::size_t local_end = end - zero_width_before(text, end);
  const std::size_t lowest = local_end > kEmailLocalBytes ? local_end - kEmailLocalBytes : 0;
  std::size_t begin = local_end;
  while (begin > lowest && is(text[begin - 1], kEmailLocal)) --begin;
  return begin == local_end ? end : begin;
}
}  // namespace

std::size_t email_hold(std::string_view text) noexcept {
  std::size_t begin = local_begin(text, text.size());
  // The begun spelling of an at sign may be part of a local part as well as its end.
  for (const std::string_view spelling : {"%40", "\\u0040"}) {
    for (std::size_t bytes = spelling.size() - 1; bytes > 0; --bytes) {
      if (!text.ends_with(spelling.substr(0, bytes))) continue;
      begin = std::min(begin, local_begin(text, text.size() - bytes));
      break;
    }
  }
  return begin;
}

}  // namespace tollgate::domain::policy
