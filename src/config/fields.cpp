#include "config/fields.hpp"

#include <algorithm>

namespace tollgate::config {
namespace {

constexpr std::string_view kDurationForm =
    "a duration such as \"500ms\", \"30s\", \"5m\", \"1h\" or \"30d\"";
constexpr std::string_view kSizeForm = "a size such as \"512B\", \"64KiB\", \"16MiB\" or \"10GB\"";
constexpr std::string_view kUsdForm =
    "US dollars as a plain number such as 5 or 0.25, at most nine decimals";
constexpr std::string_view kMtokForm =
    "US dollars per million tokens as a plain number such as 2.5, at most six decimals";

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void unknown_key(Reader& reader, const Node::Entry& entry, const std::string& path,
                 const SectionInfo& section) {
  std::vector<std::string> keys;
  for (const auto& field : section.fields) keys.push_back(field.key);
  // A list of thirty keys helps nobody; the reference is generated from the same table.
  const std::string expected =
      keys.size() <= 12 ? one_of(keys)
                        : fmt::format("a key of \"{}\" in docs/configuration.md", section.title);
  reader.problem(entry.key_at, path, "unknown key", expected, nearest(entry.key, keys));
}

void check_exactly_one(Reader& reader, const Node& node, const std::string& path,
                       const SectionInfo& section) {
  const auto& keys = section.exactly_one;
  const Node::Entry* first = nullptr;
  for (const auto& entry : node.entries) {
    if (std::find(keys.begin(), keys.end(), entry.key) == keys.end()) continue;
    if (first != nullptr)
      reader.problem(entry.key_at, join_path(path, entry.key), "stands beside " + first->key,
                     fmt::format("one of {}; the other in an entry of its own", one_of(keys)));
    else
      first = &entry;
  }
  if (first == nullptr)
    reader.problem(node.at, path, "has no limit", fmt::format("one of {}", one_of(keys)));
}

std::optional<bool> read_bool(Reader& reader, const Node& node, const std::string& path) {
  const auto* text = reader.scalar(node, path, "true or false");
  if (text == nullptr) return std::nullopt;
  if (*text == "true" && !node.quoted) return true;
  if (*text == "false" && !node.quoted) return false;
  const std::string lower = base::to_lower(*text);
  const bool yes = lower == "yes" || lower == "on" || lower == "true" || lower == "1";
  const bool no = lower == "no" || lower == "off" || lower == "false" || lower == "0";
  reader.bad_value(node, path, "is not a boolean", "true or false",
                   yes  ? "true"
                   : no ? "false"
                        : "");
  return std::nullopt;
}

namespace {

/// `digits` is the scalar of `node` without what only groups its digits.
std::optional<std::int64_t> to_integer(Reader& reader, const Node& node, const std::string& path,
                                       const std::string& digits, std::int64_t min,
                                       std::int64_t max, const std::string& expected) {
  const auto value = base::parse_u64(digits);
  if (!value && !all_digits(digits)) {
    reader.bad_value(node, path, "is not a whole number", expected);
    return std::nullopt;
  }
  if (!value || *value > static_cast<std::uint64_t>(max) ||
      static_cast<std::int64_t>(*value) < min) {
    reader.bad_value(node, path, "is out of range", expected);
    return std::nullopt;
  }
  return static_cast<std::int64_t>(*value);
}

std::string integer_form(std::int64_t min, std::int64_t max) {
  return min == max ? std::to_string(min) : fmt::format("a whole number from {} to {}", min, max);
}

}  // namespace

std::optional<std::int64_t> read_integer(Reader& reader, const Node& node, const std::string& path,
                                         std::int64_t min, std::int64_t max) {
  const std::string expected = integer_form(min, max);
  const auto* text = reader.scalar(node, path, expected);
  if (text == nullptr) return std::nullopt;
  return to_integer(reader, node, path, *text, min, max, expected);
}

std::optional<std::int64_t> read_count(Reader& reader, const Node& node, const std::string& path,
                                       std::int64_t min, std::int64_t max) {
  const std::string expected = integer_form(min, max) + " such as 1_000_000";
  const auto* text = reader.scalar(node, path, expected);
  if (text == nullptr) return std::nullopt;
  std::string digits;
  for (std::size_t i = 0; i < text->size(); ++i) {
    const bool groups = (*text)[i] == '_' && i != 0 && i + 1 < text->size() &&
                        (*text)[i - 1] != '_' && (*text)[i + 1] != '_';
    if (!groups) digits += (*text)[i];
  }
  return to_integer(reader, node, path, digits, min, max, expected);
}

std::optional<std::chrono::milliseconds> read_duration(Reader& reader, const Node& node,
                                                       const std::string& path,
                                                       std::chrono::milliseconds min,
                                                       std::chrono::milliseconds max,
                                                       std::chrono::milliseconds step) {
  const auto* text = reader.scalar(node, path, kDurationForm);
  if (text == nullptr) return std::nullopt;
  const auto value = parse_duration(*text);
  if (!value) {
    const bool bare = all_digits(*text);
    reader.bad_value(node, path, bare ? "has no unit" : "is not a duration", kDurationForm,
                     bare ? *text + "s" : "");
    return std::nullopt;
  }
  if (*value < min || *value > max) {
    reader.bad_value(node, path, "is out of range",
                     fmt::format("{} to {}", format_duration(min), format_duration(max)));
    return std::nullopt;
  }
  if (value->count() % step.count() != 0) {
    reader.bad_value(node, path, "is too fine",
                     fmt::format("a multiple of {}", format_duration(step)));
    return std::nullopt;
  }
  return value;
}

std::optional<std::uint64_t> read_size(Reader& reader, const Node& node, const std::string& path,
                                       std::uint64_t min, std::uint64_t max) {
  const auto* text = reader.scalar(node, path, kSizeForm);
  if (text == nullptr) return std::nullopt;
  const auto value = parse_size(*text);
  if (!value) {
    const bool bare = all_digits(*text);
    reader.bad_value(node, path, bare ? "has no unit" : "is not a size", kSizeForm,
                     bare ? *text + "B" : "");
    return std::nullopt;
  }
  if (*value < min || *value > max) {
    reader.bad_value(node, path, "is out of range",
                     fmt::format("{} to {}", format_size(min), format_size(max)));
    return std::nullopt;
  }
  return value;
}

std::optional<base::NanoUsd> read_usd(Reader& reader, const Node& node, const std::string& path) {
  const auto* text = reader.scalar(node, path, kUsdForm);
  if (text == nullptr) return std::nullopt;
  const auto value = base::parse_usd(*text);
  if (!value)
    reader.bad_value(
        node, path, "is not an amount", kUsdForm,
        text->starts_with("$") && base::parse_usd(text->substr(1)) ? text->substr(1) : "");
  return value;
}

std::optional<base::PicoUsdPerToken> read_usd_per_mtok(Reader& reader, const Node& node,
                                                       const std::string& path) {
  const auto* text = reader.scalar(node, path, kMtokForm);
  if (text == nullptr) return std::nullopt;
  const auto value = base::parse_usd_per_mtok(*text);
  if (!value) reader.bad_value(node, path, "is not a price", kMtokForm);
  return value;
}

std::optional<std::string> read_name(Reader& reader, const Node& node, const std::string& path) {
  const auto* text = reader.scalar(node, path, "a name");
  if (text == nullptr) return std::nullopt;
  if (is_model_name(*text)) return *text;
  reader.bad_value(node, path, "is not a good name",
                   "letters, digits and any of \"._-/:@+\", at most 128");
  return std::nullopt;
}

std::optional<std::string> read_text(Reader& reader, const Node& node, const std::string& path) {
  return reader.expanded(node, path, "a text");
}

std::optional<std::string> read_path(Reader& reader, const Node& node, const std::string& path) {
  const auto text = reader.expanded(node, path, "a file name");
  if (!text) return std::nullopt;
  if (text->empty()) return std::string();
  return reader.resolve_file(*text);
}

std::optional<std::string> read_file_name(Reader& reader, const Node& node,
                                          const std::string& path) {
  auto name = read_path(reader, node, path);
  if (!name) return std::nullopt;
  if (name->empty()) {
    reader.problem(node.at, path, "is empty", "the name of a readable file");
    return std::nullopt;
  }
  if (reader.leaves_out(path)) return name;
  if (const std::string why = reader.env().unreadable(*name); !why.empty()) {
    reader.bad_value(node, path, "cannot be read: " + why, "a readable file");
    return std::nullopt;
  }
  reader.note_source(path, *name);
  return name;
}

std::optional<Url> read_url(Reader& reader, const Node& node, const std::string& path,
                            UrlParts allowed, std::string_view expected) {
  const auto text = reader.expanded(node, path, expected);
  if (!text) return std::nullopt;
  std::string why;
  auto url = parse_url(*text, allowed, why);
  // Not quoted: a URL with a password or a token in it is a common mistake.
  if (!url) reader.problem(node.at, path, "the URL " + why, std::string(expected));
  return url;
}

std::optional<Address> read_address(Reader& reader, const Node& node, const std::string& path) {
  constexpr std::string_view kForm =
      "an IP address and a port such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
  const auto* text = reader.scalar(node, path, kForm);
  if (text == nullptr) return std::nullopt;
  auto address = parse_address(*text);
  if (!address)
    reader.bad_value(node, path, "is not a listen address", kForm,
                     all_digits(*text) ? "127.0.0.1:" + *text : "");
  return address;
}

std::optional<base::WallTime> read_timestamp(Reader& reader, const Node& node,
                                             const std::string& path) {
  constexpr std::string_view kForm = "an RFC 3339 time such as \"2030-01-31T12:00:00Z\"";
  const auto* text = reader.scalar(node, path, kForm);
  if (text == nullptr) return std::nullopt;
  const auto time = base::parse_rfc3339(*text);
  if (!time) reader.bad_value(node, path, "is not a time", kForm);
  return time;
}

std::optional<base::Sha256Digest> read_digest(Reader& reader, const Node& node,
                                              const std::string& path) {
  constexpr std::string_view kForm =
      "\"sha256:\" and 64 hex digits, as printed by tollgate keys new";
  const auto* text = reader.scalar(node, path, kForm);
  if (text == nullptr) return std::nullopt;
  if (text->starts_with("sha256:"))
    if (const auto digest = base::digest_from_hex(std::string_view(*text).substr(7))) return digest;
  // Not quoted: the key itself pasted here is the likely mistake.
  reader.problem(node.at, path, "is not a digest", std::string(kForm));
  return std::nullopt;
}

std::optional<std::vector<std::uint32_t>> read_percents(Reader& reader, const Node& node,
                                                        const std::string& path) {
  std::vector<std::uint32_t> list;
  bool good = true;
  each_item(reader, node, path, "a list of percents such as [50, 80]",
            [&](const Node& item, const std::string& at) {
              const auto value = read_integer(reader, item, at, 1, 100);
              good = good && value.has_value();
              if (value) list.push_back(static_cast<std::uint32_t>(*value));
            });
  if (!good || (!node.is_sequence() && !node.is_null())) return std::nullopt;
  std::sort(list.begin(), list.end());
  if (std::adjacent_find(list.begin(), list.end()) != list.end()) {
    reader.problem(node.at, path, "names a percent twice", "each percent once");
    return std::nullopt;
  }
  return list;
}

std::optional<std::vector<std::string>> read_texts(Reader& reader, const Node& node,
                                                   const std::string& path,
                                                   bool (*valid)(std::string_view),
                                                   std::string_view expected) {
  std::vector<std::string> list;
  bool good = true;
  const auto take = [&](const Node& item, const std::string& at) {
    const auto* text = reader.scalar(item, at, expected);
    if (text == nullptr) {
      good = false;
    } else if (text->empty() || (valid != nullptr && !valid(*text))) {
      reader.bad_value(item, at, "is not allowed here", expected);
      good = false;
    } else {
      list.push_back(*text);
    }
  };
  if (node.is_scalar()) {
    take(node, path);
  } else {
    each_item(reader, node, path, fmt::format("a list, each item {}", expected), take);
    good = good && !node.is_map();
  }
  if (!good) return std::nullopt;
  return list;
}

std::optional<std::size_t> read_choice(Reader& reader, const Node& node, const std::string& path,
                                       const std::vector<std::string>& choices) {
  const auto* text = reader.scalar(node, path, one_of(choices));
  if (text == nullptr) return std::nullopt;
  const auto found = std::find(choices.begin(), choices.end(), *text);
  if (found != choices.end()) return static_cast<std::size_t>(found - choices.begin());
  reader.bad_value(node, path, "is not a known value", one_of(choices), nearest(*text, choices));
  return std::nullopt;
}

}  // namespace tollgate::config
