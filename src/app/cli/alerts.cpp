#include <fmt/format.h>

#include <algorithm>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/alerts/alert.hpp"

namespace tollgate::app::cli {
namespace {
namespace alerts_command {

using nlohmann::json;
using store::AuditEvent;

struct Options {
  std::string config = "config/tollgate.yaml";
  std::string since;
  std::size_t limit = 50;
  bool failed = false;
  bool as_json = false;
};

/// Newest first.
std::vector<AuditEvent> select(const Options& options, store::AuditReader& reader) {
  std::vector<std::string_view> kinds{domain::alerts::kDeadLetterKind};
  if (!options.failed)
    for (const auto& kind : config::names(config::AlertKind{})) kinds.push_back(kind.name);
  const base::WallTime since = options.since.empty()
                                   ? base::WallTime{}
                                   : parse_when(options.since, base::SystemClock().wall());
  std::vector<AuditEvent> events;
  for (const std::string_view kind : kinds) {
    auto some = unwrap(reader.events(since, kind, options.limit));
    std::move(some.begin(), some.end(), std::back_inserter(events));
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const AuditEvent& a, const AuditEvent& b) { return a.at > b.at; });
  if (events.size() > options.limit) events.resize(options.limit);
  return events;
}

/// A row of table `event`: its columns' names and NULLs, `detail` as the object it is.
json to_json(const AuditEvent& event) {
  const json detail = json::parse(event.detail, nullptr, false);
  return {{"at_us", event.at.time_since_epoch().count()},
          {"kind", event.kind},
          {"scope_kind", event.scope ? json(config::name_of(*event.scope)) : json()},
          {"scope_id", text_or_null(event.scope_id)},
          {"budget", text_or_null(event.budget)},
          {"detail", detail.is_discarded() ? json() : detail}};
}

/// What happened, in a few words.
std::string words(const AuditEvent& event) {
  const json detail = json::parse(event.detail, nullptr, false);
  if (!detail.is_object()) return {};
  const auto text = [&](const char* member) { return detail.value(member, std::string()); };
  if (event.kind == domain::alerts::kDeadLetterKind) {
    const std::string last = text("last_error");
    return fmt::format("{} to {} {} after {} attempts{}", text("id"), base::printable(text("host")),
                       text("reason"), detail.value("attempts", std::int64_t{0}),
                       last.empty() ? "" : ": " + last);
  }
  if (event.kind == config::name_of(config::AlertKind::loop_detected)) {
    const std::string until = text("until");
    const auto untold = detail.value("untold", std::int64_t{0});
    return fmt::format("{}: {}{}{}", text("detector"), text("evidence"),
                       until.empty()
                           ? std::string(" (") + text("mode") + ", " + text("action") + ")"
                           : "; " + text("target") + " stopped until " + until,
                       untold == 0 ? "" : fmt::format("; {} more were not told", untold));
  }
  const std::string unit = text("unit");
  const auto amount = [&](const char* what) {
    if (unit == "usd") return "$" + text((std::string(what) + "_usd").c_str());
    return fmt::format("{} {}", detail.value(fmt::format("{}_{}", what, unit), std::int64_t{0}),
                       unit);
  };
  std::string out = fmt::format("{} of {}", amount("spent"), amount("limit"));
  if (detail.contains("percent"))
    out = fmt::format("{} %: {}", detail.value("percent", std::int64_t{0}), out);
  const std::string used_up = text("projected_exhaustion_at");
  return used_up.empty() ? out : out + ", used up at " + used_up;
}

int show(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const auto reader = open_reader(*snapshot);
  if (!reader)
    throw std::runtime_error("no audit database at " + snapshot->audit.path +
                             "; it is made when the gateway first starts");
  const auto events = select(options, *reader);
  for (const AuditEvent& event : events) {
    if (options.as_json) {
      fmt::print("{}\n", to_json(event).dump(-1, ' ', false, json::error_handler_t::replace));
      continue;
    }
    fmt::print("{} {:<16} {:<8} {:<24} {:<14} {}\n", base::format_rfc3339(event.at), event.kind,
               event.scope ? config::name_of(*event.scope) : "-",
               base::printable(event.scope_id, 60), base::printable(event.budget, 60),
               words(event));
  }
  return events.empty() ? kNo : kOk;
}

}  // namespace alerts_command
}  // namespace

void add_alerts(CLI::App& app, Action& action) {
  using namespace alerts_command;
  CLI::App* const command = app.add_subcommand(
      "alerts", "Alerts on record, and webhook deliveries that came to nothing; newest first");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
  command->add_flag("--failed", options->failed, "Only deliveries that came to nothing");
  command->add_option("--since", options->since, "Time, or 15m, 2h, 3d ago");
  command->add_option("--limit", options->limit, "At most")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command->add_flag("--json", options->as_json,
                    "As JSON, one object per line, with the columns' names");
  command->callback([options, &action] { action = [options] { return show(*options); }; });
}

}  // namespace tollgate::app::cli
