#include "domain/demo/model_name.hpp"

#include "tollgate/base/strings.hpp"

namespace tollgate::domain::demo {
namespace {

struct Row {
  std::string_view prefix;
  std::string_view suffix;
  Behaviour behaviour;
  std::uint64_t least, most;  ///< of the number; both 0: the name has none
};

constexpr Row kRows[] = {
    {"echo", "", Behaviour::echo, 0, 0},
    {"slow-", "ms", Behaviour::slow, 0, 600'000},
    {"drip-", "ms", Behaviour::drip, 0, 600'000},
    {"long-", "", Behaviour::words, 1, 1'000'000},
    {"fail-", "", Behaviour::fail, 400, 599},
    {"drop", "", Behaviour::drop, 0, 0},
    {"drop-mid-stream", "", Behaviour::drop_mid_stream, 0, 0},
    {"stall-mid-stream", "", Behaviour::stall_mid_stream, 0, 0},
    {"silent", "", Behaviour::silent, 0, 0},
    {"tool-call", "", Behaviour::tool_calls, 0, 0},
    {"tool-calls-", "", Behaviour::tool_calls, 1, 16},
    {"secret", "", Behaviour::secret, 0, 0},
    {"refuse", "", Behaviour::refuse, 0, 0},
    {"no-usage", "", Behaviour::no_usage, 0, 0},
    {"cost-", "", Behaviour::cost, 0, 1'000'000'000},
    {"bad-json", "", Behaviour::bad_json, 0, 0},
};

}  // namespace

std::optional<ModelName> parse_model_name(std::string_view name) noexcept {
  if (name.starts_with("demo/")) name.remove_prefix(5);
  for (const Row& row : kRows) {
    if (row.most == 0) {
      if (name == row.prefix)
        return ModelName{row.behaviour, row.behaviour == Behaviour::tool_calls ? 1 : 0};
      continue;
    }
    if (!name.starts_with(row.prefix) || !name.ends_with(row.suffix) ||
        name.size() < row.prefix.size() + row.suffix.size())
      continue;
    const auto number = base::parse_u64(
        name.substr(row.prefix.size(), name.size() - row.prefix.size() - row.suffix.size()));
    if (number && *number >= row.least && *number <= row.most)
      return ModelName{row.behaviour, static_cast<std::int64_t>(*number)};
  }
  return std::nullopt;
}

}  // namespace tollgate::domain::demo
