#include "protocol/llm/error_status.hpp"

#include <algorithm>
#include <string_view>

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::llm {
namespace {

struct TypeRow {
  std::string_view type;
  int status;
};
// The types of Anthropic and OpenAI, which the hosts that imitate them use as well.
constexpr TypeRow kTypes[] = {
    {"invalid_request_error", 400}, {"authentication_error", 401},
    {"insufficient_quota", 429},    {"billing_error", 402},
    {"permission_error", 403},      {"not_found_error", 404},
    {"request_too_large", 413},     {"rate_limit_error", 429},
    {"rate_limit_exceeded", 429},   {"api_error", 500},
    {"server_error", 500},          {"timeout_error", 504},
    {"overloaded_error", 529},
};

int number_in(json::NodeRef node) {
  std::int64_t number = node.as_int64().value_or(0);
  if (node.is_string())
    number = static_cast<std::int64_t>(
        std::min<std::uint64_t>(base::parse_u64(node.text()).value_or(0), 1'000));
  return number >= 400 && number <= 599 ? static_cast<int>(number) : 0;
}

}  // namespace

int status_of_error(json::NodeRef error) {
  for (const std::string_view member : {"code", "status", "status_code"})
    if (const int number = number_in(error.find(member)); number != 0) return number;
  for (const std::string_view member : {"type", "code"}) {
    const json::NodeRef word = error.find(member);
    if (!word.is_string()) continue;
    for (const TypeRow& row : kTypes)
      if (word.text_is(row.type)) return row.status;
  }
  return 0;
}

}  // namespace tollgate::protocol::llm
