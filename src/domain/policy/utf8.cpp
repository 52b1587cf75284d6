#include "domain/policy/utf8.hpp"

#include <cstdint>
#include <cstring>

namespace tollgate::domain::policy {
namespace {

constexpr bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}
/// Bytes a lead byte announces; 1 for ASCII, 0 for a byte that is no lead.
constexpr std::size_t announced(char c) noexcept {
  const auto u = static_cast<unsigned char>(c);
  if (u < 0x80) return 1;
  if (u >= 0xC2 && u <= 0xDF) return 2;
  if (u >= 0xE0 && u <= 0xEF) return 3;
  return u >= 0xF0 && u <= 0xF4 ? 4 : 0;
}

/// Bytes of the valid code point at `i`; 0 when there is none.
std::size_t valid_at(std::string_view text, std::size_t i) noexcept {
  const std::size_t n = announced(text[i]);
  if (n == 0 || i + n > text.size()) return 0;
  for (std::size_t k = 1; k < n; ++k) {
    if (!is_continuation(text[i + k])) return 0;
  }
  if (n >= 3) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const auto next = static_cast<unsigned char>(text[i + 1]);
    if ((lead == 0xE0 && next < 0xA0) || (lead == 0xED && next > 0x9F)) return 0;
    if ((lead == 0xF0 && next < 0x90) || (lead == 0xF4 && next > 0x8F)) return 0;
  }
  return n;
}

}  // namespace

std::size_t whole_code_points(std::string_view text) noexcept {
  const std::size_t n = text.size();
  for (std::size_t back = 1; back <= 3 && back <= n; ++back) {
    const char c = text[n - back];
    if (is_continuation(c)) continue;
    return announced(c) > back ? n - back : n;
  }
  return n;
}

std::size_t code_point_start(std::string_view text, std::size_t i) noexcept {
  for (std::size_t back = 0; back <= 3 && back <= i && i < text.size(); ++back) {
    if (!is_continuation(text[i - back])) return announced(text[i - back]) > back ? i - back : i;
  }
  return i;
}

bool is_ascii(std::string_view text) noexcept {
  std::size_t i = 0;
  for (; i + 32 <= text.size(); i += 32) {
    std::uint64_t w[4];
    std::memcpy(w, text.data() + i, 32);
    if (((w[0] | w[1] | w[2] | w[3]) & 0x8080808080808080ull) != 0) return false;
  }
  for (; i < text.size(); ++i) {
    if (static_cast<unsigned char>(text[i]) >= 0x80) return false;
  }
  return true;
}

std::string_view valid_utf8(std::string_view text, std::string& buffer) {
  if (is_ascii(text)) return text;
  bool copied = false;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t n = valid_at(text, i);
    if (n == 0) {
      if (!copied) buffer.assign(text);
      copied = true;
      buffer[i++] = '?';
    } else {
      i += n;
    }
  }
  return copied ? std::string_view(buffer) : text;
}

}  // namespace tollgate::domain::policy
