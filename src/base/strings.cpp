#include "tollgate/base/strings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>

namespace tollgate::base {

namespace {

/// Eight characters with their capital letters lowered, no other byte changed.
std::uint64_t lower8(std::uint64_t word) noexcept {
  constexpr std::uint64_t ones = 0x0101010101010101ull;
  constexpr std::uint64_t high = ones * 0x80;
  const std::uint64_t seven = word & ~high;
  // The high bit of a byte: it is at least 'A'; it is beyond 'Z'. No carry leaves a byte.
  const std::uint64_t from_a = seven + ones * (0x80 - 'A');
  const std::uint64_t after_z = seven + ones * (0x80 - 'Z' - 1);
  return word | ((from_a & ~after_z & ~word & high) >> 2);
}

bool same8(const char* a, const char* b) noexcept {
  std::uint64_t x, y;
  std::memcpy(&x, a, 8);
  std::memcpy(&y, b, 8);
  return x == y || lower8(x) == lower8(y);
}

}  // namespace

bool iequals(std::string_view a, std::string_view b) noexcept {
  const std::size_t n = a.size();
  if (n != b.size()) return false;
  if (n >= 8) {
    for (std::size_t i = 0; i + 8 < n; i += 8)
      if (!same8(a.data() + i, b.data() + i)) return false;
    return same8(a.data() + n - 8, b.data() + n - 8);  // the last eight, some of them once more
  }
  for (std::size_t i = 0; i < n; ++i)
    if (ascii_lower(a[i]) != ascii_lower(b[i])) return false;
  return true;
}

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), ascii_lower);
  return out;
}

std::string_view trim_ows(std::string_view text) noexcept {
  const auto is_space = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::optional<std::uint64_t> parse_u64(std::string_view digits) noexcept {
  if (digits.empty()) return std::nullopt;
  std::uint64_t value = 0;
  constexpr std::size_t kNeverOverflows = 19;
  if (digits.size() <= kNeverOverflows) {
    for (const char c : digits) {
      const unsigned digit = static_cast<unsigned char>(c) - unsigned{'0'};
      if (digit > 9) return std::nullopt;
      value = value * 10 + digit;
    }
    return value;
  }
  for (const char c : digits) {
    if (c < '0' || c > '9') return std::nullopt;
    if (__builtin_mul_overflow(value, 10u, &value) ||
        __builtin_add_overflow(value, static_cast<std::uint64_t>(c - '0'), &value))
      return std::nullopt;
  }
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({row[j - 1] + 1, above + 1, diagonal + (a[i - 1] == b[j - 1] ? 0u : 1u)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

bool glob_match(std::string_view pattern, std::string_view text) noexcept {
  // Linear in practice: only the last star is ever revisited.
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (p < pattern.size() && pattern[p] == text[t]) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

std::string printable(std::string_view text, std::size_t max_bytes) {
  std::string out;
  out.reserve(std::min(text.size(), max_bytes));
  for (std::size_t i = 0; i < text.size();) {
    if (out.size() >= max_bytes) {
      out += "...";
      break;
    }
    const auto byte = [&](std::size_t at) {
      return at < text.size() ? static_cast<unsigned char>(text[at]) : 0u;
    };
    const unsigned b0 = byte(i);
    if (b0 < 0x20 || b0 == 0x7f || b0 == '\\') {
      out += fmt::format("\\x{:02x}", b0);
      ++i;
    } else if (b0 == 0xc2 && byte(i + 1) >= 0x80 && byte(i + 1) < 0xa0) {  // C1 controls
      out += fmt::format("\\u{:04x}", byte(i + 1));
      i += 2;
    } else if (b0 == 0xe2 &&
               ((byte(i + 1) == 0x80 && (byte(i + 2) >= 0x8b && byte(i + 2) <= 0xae)) ||
                (byte(i + 1) == 0x81 && byte(i + 2) >= 0xa0 && byte(i + 2) <= 0xaf))) {
      // Zero-width, line and paragraph separators, bidi controls and isolates.
      out += fmt::format("\\u{:04x}",
                         ((b0 & 15u) << 12) | ((byte(i + 1) & 63u) << 6) | (byte(i + 2) & 63u));
      i += 3;
    } else {
      out.push_back(text[i++]);
    }
  }
  return out;
}

}  // namespace tollgate::base
