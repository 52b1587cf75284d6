#include "protocol/llm/field_reader.hpp"

#include <cmath>
#include <limits>

namespace tollgate::protocol::llm {

base::Error field_error(std::string_view param, std::string_view expected) {
  std::string message = "`";
  message.append(param).append("` must be ").append(expected);
  return base::Error(base::ErrorCode::invalid_request, std::move(message))
      .with_param(std::string(param));
}

base::Error other_case_error(json::NodeRef member, std::string_view name) {
  std::string message = "`";
  message.append(member.key()).append("` differs from `").append(name);
  message += "` only in letter case, and some providers read either: use the name as it is";
  return base::Error(base::ErrorCode::invalid_request, std::move(message))
      .with_param(std::string(member.key()));
}

base::Result<std::string_view> read_string(json::NodeRef node, std::string_view param) {
  if (!node || node.is_null()) return std::string_view();
  if (!node.is_string()) return field_error(param, "a string");
  return node.text();
}

base::Result<bool> read_bool(json::NodeRef node, std::string_view param, bool absent) {
  if (!node || node.is_null()) return absent;
  const auto value = node.as_bool();
  if (!value) return field_error(param, "true or false");
  return *value;
}

base::Result<std::optional<std::int64_t>> read_integer(json::NodeRef node, std::string_view param,
                                                       std::int64_t least, std::int64_t most) {
  if (!node || node.is_null()) return std::optional<std::int64_t>();
  const auto value = node.as_int64();
  if (!value || *value < least || *value > most) {
    return field_error(
        param, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return value;
}

base::Result<void> check_kind(json::NodeRef node, std::string_view param, json::Kind kind) {
  if (!node || node.is_null() || node.is(kind)) return {};
  return field_error(param, kind == json::Kind::array ? "an array" : "an object");
}

TokenCount read_count(json::NodeRef node) noexcept {
  if (!node || node.is_null()) return {};
  std::optional<std::int64_t> whole = node.as_int64();
  if (!whole && node.is_number()) {
    // Whole numbers of a writer that knows only doubles, and ones that int64 has no room for. What
    // a double has no room for either is huge, or all but 0.
    const bool is_tiny_or_negative = node.raw().find('-') != std::string_view::npos;
    const double number =
        node.as_double().value_or(is_tiny_or_negative ? -1 : std::numeric_limits<double>::max());
    if (number > static_cast<double>(kMaxTokens)) return {TokenCount::Kind::absurd};
    if (number >= 0 && number == std::floor(number)) whole = static_cast<std::int64_t>(number);
  }
  if (!whole || *whole < 0) return {TokenCount::Kind::no_count};
  if (*whole > kMaxTokens) return {TokenCount::Kind::absurd};
  return {TokenCount::Kind::told, *whole};
}

}  // namespace tollgate::protocol::llm
