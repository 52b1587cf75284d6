#include "config/values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

struct Unit {
  std::string_view name;
  std::uint64_t factor;
};
// Longer names first where one ends in another ("ms" before "s", "KiB" before "B").
constexpr std::array<Unit, 5> kDurations{
    {{"ms", 1}, {"s", 1'000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}}};
constexpr std::array<Unit, 7> kSizes{{{"KiB", 1ull << 10},
                                      {"MiB", 1ull << 20},
                                      {"GiB", 1ull << 30},
                                      {"KB", 1'000},
                                      {"MB", 1'000'000},
                                      {"GB", 1'000'000'000},
                                      {"B", 1}}};

template <std::size_t N>
std::optional<std::uint64_t> parse_units(std::string_view text, const std::array<Unit, N>& units) {
  if (text == "0") return 0;
  for (const Unit& unit : units) {
    if (!text.ends_with(unit.name)) continue;
    const auto number = base::parse_u64(text.substr(0, text.size() - unit.name.size()));
    std::uint64_t value = 0;
    if (!number || __builtin_mul_overflow(*number, unit.factor, &value)) continue;
    return value;
  }
  return std::nullopt;
}

template <std::size_t N>
std::string format_units(std::uint64_t value, const std::array<Unit, N>& units) {
  const Unit* best = nullptr;
  for (const Unit& unit : units)
    if (value % unit.factor == 0 && (best == nullptr || unit.factor > best->factor)) best = &unit;
  return fmt::format("{}{}", value / best->factor, best->name);
}

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool made_of(std::string_view text, std::string_view others) {
  return !text.empty() && text.size() <= 128 && is_alnum(text.front()) &&
         std::all_of(text.begin(), text.end(), [&](char c) {
           return is_alnum(c) || others.find(c) != std::string_view::npos;
         });
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  const auto ms = parse_units(text, kDurations);
  // A century is more than any setting means, and keeps sums of durations far from overflow.
  if (!ms || *ms > 36'525ull * 86'400'000) return std::nullopt;
  return std::chrono::milliseconds(static_cast<std::int64_t>(*ms));
}

std::string format_duration(std::chrono::milliseconds value) {
  if (value.count() == 0) return "0s";
  return format_units(static_cast<std::uint64_t>(value.count()), kDurations);
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  return parse_units(text, kSizes);
}

std::string format_size(std::uint64_t bytes) {
  return bytes == 0 ? "0B" : format_units(bytes, kSizes);
}

bool is_name(std::string_view text) {
  return made_of(text, "._-");
}
bool is_model_name(std::string_view text) {
  return made_of(text, "._-/:@+");
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return is_alnum(c) || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
  });
}

bool is_field_value(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  });
}

std::string nearest(std::string_view text, std::span<const std::string> candidates) {
  std::string best;
  const std::string wanted = base::to_lower(text);
  // A third of the letters wrong is still a typo; more is another word.
  std::size_t limit = std::max<std::size_t>(1, (text.size() + 1) / 3) + 1;
  for (const std::string& candidate : candidates) {
    const std::string known = base::to_lower(candidate);
    std::size_t distance = base::edit_distance(wanted, known);
    // "warning" for "warn", "mask" for "masked".
    const bool prefix = std::min(wanted.size(), known.size()) >= 4 &&
                        (wanted.starts_with(known) || known.starts_with(wanted));
    if (prefix) distance = std::min<std::size_t>(distance, 1);
    if (distance < limit) {
      limit = distance;
      best = candidate;
    }
  }
  return best;
}

std::string base64(std::string_view bytes) {
  static constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (j < count ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j)
      out.push_back(j <= count ? kAlphabet[group >> (18 - 6 * j) & 63] : '=');
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  const auto hex = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    const char lower = base::ascii_lower(c);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
      out.push_back(static_cast<char>(hex(text[i + 1]) * 16 + hex(text[i + 2])));
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out;
}

}  // namespace tollgate::config
