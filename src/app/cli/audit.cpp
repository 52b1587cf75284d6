#include <fmt/format.h>

#include <array>
#include <chrono>
#include <thread>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/base/units.hpp"

namespace tollgate::app::cli {
namespace {
namespace audit_command {

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
  int timeout_s = 10;
};

constexpr std::array kOutcomes = {store::Outcome::ok,           store::Outcome::refused,
                                  store::Outcome::failed,       store::Outcome::client_closed,
                                  store::Outcome::upstream_cut, store::Outcome::interrupted};

/// The reader of the configured store; there must be one.
std::unique_ptr<AuditReader> reader_of(const Options& options) {
  const auto snapshot = load_beside(options.config);
  store::ReaderOptions limits;
  limits.time_limit = std::chrono::seconds(options.timeout_s);
  auto reader = open_reader(*snapshot, limits);
  if (!reader)
    throw std::runtime_error("no audit database at " + snapshot->audit.path +
                             "; it is made when the gateway first starts");
  return reader;
}

json count_or_null(std::int64_t count) {
  return count == 0 ? json() : json(count);
}
json number_or_null(std::int64_t number) {
  return number < 0 ? json() : json(number);
}

/// Columns request_body_... or response_body_...
void add_body(json& out, const std::string& name, const store::AuditBody& body,
              const store::BodyPlace& place) {
  const bool stored = body.captured && place.stored_bytes != 0;
  out[name + "_bytes"] = body.captured ? json(body.full_bytes) : json();
  out[name + "_sha256"] = body.captured ? json(base::to_hex(body.sha256)) : json();
  out[name + "_segment"] = stored ? json(place.segment) : json();
  out[name + "_offset"] = stored ? json(place.offset) : json();
  out[name + "_stored"] = stored ? json(place.stored_bytes) : json();
}

/// A row of table `audit`: its columns' names and NULLs, as docs/audit-schema.md has them ("As
/// JSON").
json to_json(const StoredCall& call) {
  const auto& record = call.record;
  json attempts = json::array();
  for (const auto& attempt : record.attempts)
    attempts.push_back({{"deployment", attempt.deployment},
                        {"outcome", attempt.outcome},
                        {"status", attempt.http_status},
                        {"started_us", attempt.started_us},
                        {"duration_us", attempt.duration_us},
                        {"error_code", text_or_null(attempt.error_code)},
                        {"nusd", attempt.billed.value}});
  json verdicts = json::array();
  for (const auto& verdict : record.verdicts)
    verdicts.push_back({{"guardrail", verdict.guardrail},
                        {"rule", verdict.rule},
                        {"action", verdict.action},
                        {"direction", verdict.direction},
                        {"count", verdict.count}});
  json out = {{"seq", call.seq},
              {"request_id", record.request_id},
              {"trace_id", text_or_null(record.trace_id)},
              {"session_id", text_or_null(record.session_id)},
              {"parent_id", text_or_null(record.parent_id)},
              {"end_user", text_or_null(record.end_user)},
              {"started_us", record.started.time_since_epoch().count()},
              {"key_id", text_or_null(record.principal.key_id)},
              {"agent", text_or_null(record.principal.agent)},
              {"team", text_or_null(record.principal.team)},
              {"org", text_or_null(record.principal.org)},
              {"tags", record.principal.tags},
              {"client_address", text_or_null(record.client_address)},
              {"surface", text_or_null(record.surface)},
              {"method", text_or_null(record.method)},
              {"path", text_or_null(record.path)},
              {"model_asked", text_or_null(record.model_asked)},
              {"model_served", text_or_null(record.model_served)},
              {"provider", text_or_null(record.provider)},
              {"deployment", text_or_null(record.deployment)},
              {"rpc_method", text_or_null(record.rpc_method)},
              {"rpc_target", text_or_null(record.rpc_target)},
              {"tool", text_or_null(record.tool)},
              {"task_id", text_or_null(record.task_id)},
              {"attempts", attempts},
              {"attempt_count", record.attempts.size()},
              {"verdicts", verdicts},
              {"input_tokens", record.tokens.input},
              {"output_tokens", record.tokens.output},
              {"cache_read_tokens", record.tokens.cache_read},
              {"cache_write_tokens", record.tokens.cache_write},
              {"cache_write_1h_tokens", record.tokens.cache_write_1h},
              {"reasoning_tokens", record.tokens.reasoning},
              {"audio_input_tokens", count_or_null(record.tokens.audio_input)},
              {"audio_output_tokens", count_or_null(record.tokens.audio_output)},
              {"server_tool_calls", count_or_null(record.server_tool_calls)},
              {"service_tier", text_or_null(record.service_tier)},
              {"estimated", record.estimated},
              {"cost_nusd", record.cost.value},
              {"held_nusd", record.held.value},
              {"price_source", text_or_null(record.price_source)},
              {"overrun", record.overrun},
              {"total_us", record.total_us},
              {"gateway_us", number_or_null(record.gateway_us)},
              {"upstream_us", number_or_null(record.upstream_us)},
              {"ttft_us", number_or_null(record.ttft_us)},
              {"status", record.status},
              {"error_code", text_or_null(record.error_code)},
              {"outcome", std::string(to_string(record.outcome))},
              {"stream", record.stream},
              {"output_cap_lowered", record.output_cap_lowered},
              {"request_bytes", record.request_bytes},
              {"response_bytes", record.response_bytes},
              {"config_digest", text_or_null(record.config_digest)},
              {"hash", base::to_hex(call.hash)}};
  add_body(out, "request_body", record.request_body, call.request_place);
  add_body(out, "response_body", record.response_body, call.response_place);
  return out;
}

void print_line(const StoredCall& call) {
  const auto& record = call.record;
  const std::string what = !record.model_asked.empty() ? record.model_asked
                           : !record.tool.empty()      ? record.rpc_target + "/" + record.tool
                                                       : record.rpc_method;
  // An upstream's own error that was passed on has a status and no code of ours.
  fmt::print("{} {} {:<12} {:<10} {:<24} {} {:<13} {:<18} {:>8} {:>7}ms {}\n",
             base::format_rfc3339(record.started), record.request_id,
             base::printable(record.principal.key_id, 24), record.surface,
             base::printable(what, 60), record.status, to_string(record.outcome),
             record.error_code.empty() ? "-" : record.error_code, to_string(record.cost),
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
  const auto reader = reader_of(options);
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
  const auto reader = reader_of(options);
  const auto call = unwrap(reader->show(options.id));
  if (!call) {
    fmt::print(stderr, "tollgate: no call with this id on record\n");
    return kNo;
  }
  json out = to_json(*call);
  if (options.bodies) {
    const auto body = [&](const char* name, const store::AuditBody& meta,
                          const store::BodyPlace& place) {
      out[name] = nullptr;
      if (!meta.captured || place.stored_bytes == 0) return;
      auto bytes = reader->read_body(meta, place);
      out[name] = bytes.has_error() ? json("(" + bytes.error().message() + ")") : json(*bytes);
    };
    body("request_body", call->record.request_body, call->request_place);
    body("response_body", call->record.response_body, call->response_place);
  }
  fmt::print("{}\n",
             out.dump(options.as_json ? -1 : 2, ' ', false, json::error_handler_t::replace));
  return kOk;
}

int run_sql(const Options& options) {
  const auto reader = reader_of(options);
  const auto table = unwrap(reader->sql(options.sql));
  const auto cell = [](const store::SqlValue& value) -> json {
    if (const auto* number = std::get_if<std::int64_t>(&value)) return *number;
    if (const auto* real = std::get_if<double>(&value)) return *real;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    return nullptr;
  };
  if (options.as_json) {
    for (const auto& row : table.rows) {
      json object = json::object();
      for (std::size_t i = 0; i < row.size(); ++i) object[table.columns[i]] = cell(row[i]);
      fmt::print("{}\n", object.dump(-1, ' ', false, json::error_handler_t::replace));
    }
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
  for (const auto outcome : kOutcomes)
    if (options.outcome == to_string(outcome)) options.filter.outcome = outcome;
  const auto reader = reader_of(options);
  const auto calls = unwrap(reader->query(options.filter));
  print(calls, options.as_json);
  return calls.empty() ? kNo : kOk;
}

int verify(const Options& options) {
  const auto reader = reader_of(options);
  const auto report = unwrap(reader->verify_chain());
  const bool good = report.problem.empty();
  const std::string head = base::to_hex(report.head);
  if (options.as_json) {
    const json out = {{"ok", good},
                      {"rows", report.rows},
                      {"first_seq", report.first_seq},
                      {"last_seq", report.last_seq},
                      {"broken_seq", report.broken_seq ? json(*report.broken_seq) : json()},
                      {"problem", report.problem},
                      {"head", head}};
    fmt::print("{}\n", out.dump());
  } else if (good) {
    fmt::print("the chain holds: {} rows, {} to {}\nhead {}\n", report.rows, report.first_seq,
               report.last_seq, head);
  } else if (report.broken_seq) {
    fmt::print("the chain is broken at row {}: {}\n", *report.broken_seq, report.problem);
  } else {
    fmt::print("the chain cannot be checked: {}\n", report.problem);
  }
  return good ? kOk : kNo;
}

}  // namespace audit_command
}  // namespace

void add_audit(CLI::App& app, Action& action) {
  using namespace audit_command;
  CLI::App* const audit =
      app.add_subcommand("audit", "The record of calls: docs/audit-schema.md has the columns");
  audit->require_subcommand(1);
  auto options = std::make_shared<Options>();
  const auto common = [options](CLI::App* command) {
    command->add_option("-c,--config", options->config, "Configuration file")
        ->capture_default_str();
    return command->add_flag("--json", options->as_json,
                             "As JSON, one object per line, with the columns' names");
  };
  CLI::App* const tail_command = audit->add_subcommand("tail", "The newest calls");
  common(tail_command);
  tail_command->add_option("-n,--lines", options->count, "How many")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  tail_command->add_flag("-f,--follow", options->follow, "Keep printing new ones");
  tail_command->callback([options, &action] { action = [options] { return tail(*options); }; });

  CLI::App* const show_command = audit->add_subcommand("show", "One call, whole");
  common(show_command)->description("As JSON on one line; without it, indented");
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
  std::vector<std::string> outcomes;
  outcomes.reserve(std::size(kOutcomes));
  for (const auto outcome : kOutcomes) outcomes.emplace_back(to_string(outcome));
  query_command->add_option("--outcome", options->outcome, "How it ended")
      ->check(CLI::IsMember(outcomes));
  query_command->add_option("--status", options->status, "HTTP status");
  query_command->add_option("--since", options->since, "Time, or 15m, 2h, 3d ago");
  query_command->add_option("--until", options->until, "Time, or 15m, 2h, 3d ago");
  query_command->add_option("--limit", options->filter.limit, "At most")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  query_command->add_option("--timeout", options->timeout_s, "Seconds after which it gives up")
      ->check(CLI::Range(1, 3'600))
      ->capture_default_str();
  CLI::Option* const sql =
      query_command->add_option("--sql", options->sql, "One SELECT instead of the filters");
  for (CLI::Option* const other : query_command->get_options()) {
    const bool with_sql = other == sql || other == query_command->get_help_ptr() ||
                          other->check_lname("config") || other->check_lname("json") ||
                          other->check_lname("timeout");
    if (!with_sql) sql->excludes(other);
  }
  query_command->callback([options, &action] { action = [options] { return query(*options); }; });

  CLI::App* const verify_command = audit->add_subcommand(
      "verify", "Walk the hash chain; name the first row that was changed, removed or added");
  common(verify_command)->description("As JSON");
  verify_command->callback([options, &action] { action = [options] { return verify(*options); }; });
}

}  // namespace tollgate::app::cli
