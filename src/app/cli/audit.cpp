#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "app/cli/commands.hpp"
#include "tollgate/base/clock.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/store/audit_reader.hpp"

namespace tollgate::app::cli {
namespace {

using nlohmann::json;
using store::AuditReader;
using store::StoredCall;

struct Options {
  std::string config = "config/tollgate.yaml";
  bool as_json = false;
  bool follow = false;
  bool bodies = false;
  std::size_t count = 20;
  std::string id, sql, since, until, outcome;
  store::CallFilter filter;
  int status = 0;
};

std::unique_ptr<AuditReader> open_reader(const Options& options) {
  auto loaded = config::load_file(options.config, config::SystemEnv());
  if (!loaded.ok()) {
    std::string text;
    for (const auto& problem : loaded.problems) text += to_string(problem) + "\n";
    throw std::runtime_error(text);
  }
  auto reader = AuditReader::open(loaded.snapshot->audit.path);
  if (reader.has_error()) throw std::runtime_error(reader.error().message());
  return std::move(*reader);
}

template <class T>
T unwrap(base::Result<T> result) {
  if (result.has_error()) throw std::runtime_error(result.error().message());
  return std::move(*result);
}

/// "2026-11-23T10:00:00Z", or "15m", "2h", "3d" ago.
base::WallTime parse_when(const std::string& text, base::WallTime now) {
  if (const auto at = base::parse_rfc3339(text)) return *at;
  if (text.size() > 1) {
    const auto amount = base::parse_u64(std::string_view(text).substr(0, text.size() - 1));
    if (amount && *amount < 1'000'000) {
      const auto n = static_cast<std::int64_t>(*amount);
      switch (text.back()) {
        case 's':
          return now - std::chrono::seconds(n);
        case 'm':
          return now - std::chrono::minutes(n);
        case 'h':
          return now - std::chrono::hours(n);
        case 'd':
          return now - std::chrono::hours(24 * n);
        default:
          break;
      }
    }
  }
  throw std::runtime_error("expected a time like 2026-11-23T10:00:00Z, or 15m, 2h, 3d ago; got " +
                           base::printable(text));
}

json to_json(const StoredCall& call) {
  const auto& record = call.record;
  json attempts = json::array();
  for (const auto& attempt : record.attempts)
    attempts.push_back({{"deployment", attempt.deployment},
                        {"outcome", attempt.outcome},
                        {"http_status", attempt.http_status},
                        {"started_us", attempt.started_us},
                        {"duration_us", attempt.duration_us},
                        {"error_code", attempt.error_code},
                        {"billed_nusd", attempt.billed.value}});
  json verdicts = json::array();
  for (const auto& verdict : record.verdicts)
    verdicts.push_back({{"guardrail", verdict.guardrail},
                        {"rule", verdict.rule},
                        {"action", verdict.action},
                        {"direction", verdict.direction},
                        {"count", verdict.count}});
  return {{"seq", call.seq},
          {"request_id", record.request_id},
          {"trace_id", record.trace_id},
          {"session_id", record.session_id},
          {"started", base::format_rfc3339(record.started)},
          {"key", record.principal.key_id},
          {"agent", record.principal.agent},
          {"team", record.principal.team},
          {"org", record.principal.org},
          {"tags", record.principal.tags},
          {"client_address", record.client_address},
          {"surface", record.surface},
          {"method", record.method},
          {"path", record.path},
          {"model_asked", record.model_asked},
          {"model_served", record.model_served},
          {"provider", record.provider},
          {"deployment", record.deployment},
          {"rpc_method", record.rpc_method},
          {"rpc_target", record.rpc_target},
          {"tool", record.tool},
          {"task_id", record.task_id},
          {"attempts", attempts},
          {"verdicts", verdicts},
          {"tokens",
           {{"input", record.tokens.input},
            {"output", record.tokens.output},
            {"cache_read", record.tokens.cache_read},
            {"cache_write", record.tokens.cache_write},
            {"cache_write_1h", record.tokens.cache_write_1h},
            {"reasoning", record.tokens.reasoning}}},
          {"estimated", record.estimated},
          {"cost_nusd", record.cost.value},
          {"held_nusd", record.held.value},
          {"overrun", record.overrun},
          {"total_us", record.total_us},
          {"gateway_us", record.gateway_us},
          {"upstream_us", record.upstream_us},
          {"ttft_us", record.ttft_us},
          {"status", record.status},
          {"error_code", record.error_code},
          {"outcome", std::string(to_string(record.outcome))},
          {"stream", record.stream},
          {"output_cap_lowered", record.output_cap_lowered},
          {"request_bytes", record.request_bytes},
          {"response_bytes", record.response_bytes},
          {"config_digest", record.config_digest},
          {"hash", base::to_hex(call.hash)}};
}

void print_line(const StoredCall& call) {
  const auto& record = call.record;
  const std::string what = !record.model_asked.empty() ? record.model_asked
                           : !record.tool.empty()      ? record.rpc_target + "/" + record.tool
                                                       : record.rpc_method;
  fmt::print("{} {} {:<12} {:<10} {:<24} {} {:<14} {:>8} {:>7}ms {}\n",
             base::format_rfc3339(record.started), record.request_id,
             base::printable(record.principal.key_id, 24), record.surface,
             base::printable(what, 60), record.status,
             record.error_code.empty() ? "ok" : record.error_code, to_string(record.cost),
             record.total_us / 1000,
             record.attempts.size() > 1 ? fmt::format("attempts={}", record.attempts.size()) : "");
}

void print(const std::vector<StoredCall>& calls, bool as_json) {
  for (const StoredCall& call : calls) {
    if (as_json) {
      fmt::print("{}\n", to_json(call).dump(-1, ' ', false, json::error_handler_t::replace));
    } else {
      print_line(call);
    }
  }
  std::fflush(stdout);
}

int tail(const Options& options) {
  const auto reader = open_reader(options);
  auto calls = unwrap(reader->tail(options.count));
  print(calls, options.as_json);
  std::int64_t seen = calls.empty() ? 0 : calls.back().seq;
  while (options.follow) {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    calls = unwrap(reader->after(seen, 1'000));
    print(calls, options.as_json);
    if (!calls.empty()) seen = calls.back().seq;
  }
  return kOk;
}

int show(const Options& options) {
  const auto reader = open_reader(options);
  const auto call = unwrap(reader->show(options.id));
  if (!call) {
    fmt::print(stderr, "tollgate: no call with this id on record\n");
    return kNo;
  }
  json out = to_json(*call);
  if (options.bodies) {
    const auto body = [&](const char* name, const store::AuditBody& meta,
                          const store::BodyPlace& place) {
      if (!meta.captured) return;
      out[name] = {{"bytes", meta.full_bytes}, {"sha256", base::to_hex(meta.sha256)}};
      if (place.stored_bytes == 0) return;
      auto bytes = reader->read_body(meta, place);
      out[name]["text"] =
          bytes.has_error() ? json("(" + bytes.error().message() + ")") : json(*bytes);
    };
    body("request_body", call->record.request_body, call->request_place);
    body("response_body", call->record.response_body, call->response_place);
  }
  fmt::print("{}\n", out.dump(2, ' ', false, json::error_handler_t::replace));
  return kOk;
}

int run_sql(const Options& options) {
  const auto reader = open_reader(options);
  const auto table = unwrap(reader->sql(options.sql));
  const auto cell = [](const store::SqlValue& value) -> json {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
  };
  if (options.as_json) {
    json rows = json::array();
    for (const auto& row : table.rows) {
      json object = json::object();
      for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i]] = cell(row[i]);
      rows.push_back(std::move(object));
    }
    fmt::print("{}\n", rows.dump(2, ' ', false, json::error_handler_t::replace));
  } else {
    fmt::print("{}\n", fmt::join(table.columns, "\t"));
    for (const auto& row : table.rows) {
      std::string line;
      for (const auto& value : row) {
        if (!line.empty()) line += '\t';
        const json shown = cell(value);
        line += shown.is_string() ? base::printable(shown.get<std::string>(), 2000) : shown.dump();
      }
      fmt::print("{}\n", line);
    }
  }
  if (table.truncated) fmt::print(stderr, "tollgate: more rows than shown; add a LIMIT\n");
  return table.rows.empty() ? kNo : kOk;
}

int query(Options options) {
  if (!options.sql.empty()) return run_sql(options);
  const base::WallTime now = base::SystemClock().wall();
  if (!options.since.empty()) options.filter.since = parse_when(options.since, now);
  if (!options.until.empty()) options.filter.until = parse_when(options.until, now);
  if (options.status != 0) options.filter.status = options.status;
  for (const auto outcome : {store::Outcome::ok, store::Outcome::refused, store::Outcome::failed,
                             store::Outcome::client_closed, store::Outcome::upstream_cut})
    if (options.outcome == to_string(outcome)) options.filter.outcome = outcome;
  const auto reader = open_reader(options);
  const auto calls = unwrap(reader->query(options.filter));
  print(calls, options.as_json);
  return calls.empty() ? kNo : kOk;
}

}  // namespace

void add_audit(CLI::App& app, Action& action) {
  CLI::App* const audit =
      app.add_subcommand("audit", "The record of calls: docs/audit-schema.md has the columns");
  audit->require_subcommand(1);
  auto options = std::make_shared<Options>();
  const auto common = [options](CLI::App* command) {
    command->add_option("-c,--config", options->config, "Configuration file")
        ->capture_default_str();
    command->add_flag("--json", options->as_json, "As JSON, one object per line");
  };
  CLI::App* const tail_command = audit->add_subcommand("tail", "The newest calls");
  common(tail_command);
  tail_command->add_option("-n,--lines", options->count, "How many")->capture_default_str();
  tail_command->add_flag("-f,--follow", options->follow, "Keep printing new ones");
  tail_command->callback([options, &action] { action = [options] { return tail(*options); }; });

  CLI::App* const show_command = audit->add_subcommand("show", "One call, whole");
  common(show_command);
  show_command->add_option("id", options->id, "Request id")->required();
  show_command->add_flag("--bodies", options->bodies, "With the captured bodies");
  show_command->callback([options, &action] { action = [options] { return show(*options); }; });

  CLI::App* const query_command = audit->add_subcommand("query", "Calls by filter, or SQL");
  common(query_command);
  query_command->add_option("--key", options->filter.key, "Key id");
  query_command->add_option("--agent", options->filter.agent, "Agent");
  query_command->add_option("--team", options->filter.team, "Team");
  query_command->add_option("--surface", options->filter.surface, "Surface");
  query_command->add_option("--model", options->filter.model, "Model alias");
  query_command->add_option("--session", options->filter.session, "Session id");
  query_command->add_option("--error", options->filter.error_code, "Error code");
  query_command->add_option("--outcome", options->outcome,
                            "ok, refused, failed, client_closed or upstream_cut");
  query_command->add_option("--status", options->status, "HTTP status");
  query_command->add_option("--since", options->since, "Time, or 15m, 2h, 3d ago");
  query_command->add_option("--until", options->until, "Time, or 15m, 2h, 3d ago");
  query_command->add_option("--limit", options->filter.limit, "At most")->capture_default_str();
  query_command->add_option("--sql", options->sql, "One SELECT instead");
  query_command->callback([options, &action] { action = [options] { return query(*options); }; });
}

}  // namespace tollgate::app::cli
