#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "app/ledger_admin.hpp"
#include "app/ledger_journal.hpp"
#include "tollgate/base/id.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/refusal.hpp"
#include "tollgate/store/journal_file.hpp"

namespace tollgate::app::cli {
namespace {
namespace ledger_command {

using nlohmann::json;

struct Options {
  std::string config = "config/tollgate.yaml";
  std::string scope, id, call, since, amount, unit = "usd", reason;
  std::size_t limit = 50;
  bool as_json = false;
};

config::ScopeKind scope_of(const std::string& name) {
  for (const auto& entry : config::names(config::ScopeKind{}))
    if (entry.name == name) return entry.value;
  throw std::runtime_error("unknown kind of scope: " + name);
}

json to_json(const store::LedgerRow& row) {
  return {{"id", row.id},
          {"call_id", row.call_id},
          {"charge", row.charge},
          {"charged_at", base::format_rfc3339(row.charged_at)},
          {"nusd", row.amounts.usd.value},
          {"tokens", row.amounts.tokens},
          {"calls", row.amounts.requests},
          {"kind", row.kind},
          {"estimated", row.estimated},
          {"overrun", row.overrun},
          {"key_id", row.key},
          {"agent", row.agent},
          {"team", row.team},
          {"org", row.org},
          {"model", row.model},
          {"provider", row.provider},
          {"scopes", row.scopes.empty() ? json::array() : json::parse(row.scopes)}};
}

int show(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const auto reader = open_reader(*snapshot);
  store::LedgerFilter filter;
  if (!options.scope.empty()) filter.scope = scope_of(options.scope);
  if (options.scope.empty() != options.id.empty())
    throw std::runtime_error("--scope and --id go together");
  filter.scope_id = options.id;
  filter.call_id = options.call;
  if (!options.since.empty()) filter.since = parse_when(options.since, base::SystemClock().wall());
  filter.limit = options.limit;
  std::vector<store::LedgerRow> rows;
  if (reader != nullptr) rows = unwrap(reader->ledger_rows(filter));
  if (options.as_json) {
    json list = json::array();
    for (const auto& row : rows) list.push_back(to_json(row));
    fmt::print("{}\n", list.dump(2));
    return kOk;
  }
  fmt::print("{:<27} {:<30} {:<11} {:>14} {:>9} {:>5}  {}\n", "CHARGED", "CALL", "KIND", "USD",
             "TOKENS", "CALLS", "FOR");
  for (const auto& row : rows) {
    std::string who;
    for (const std::string* const part :
         {&row.key, &row.agent, &row.team, &row.org, &row.model, &row.provider, &row.scopes})
      if (!part->empty()) who += (who.empty() ? "" : " ") + *part;
    fmt::print("{:<27} {:<30} {:<11} {:>14} {:>9} {:>5}  {}{}{}\n",
               base::format_rfc3339(row.charged_at), row.call_id, row.kind,
               base::to_string(row.amounts.usd), row.amounts.tokens, row.amounts.requests, who,
               row.estimated ? " (estimated)" : "", row.overrun ? " (overrun)" : "");
  }
  return kOk;
}

/// What a journal without a process says: nothing is written.
json journal_report(const config::Snapshot& snapshot, store::AuditReader& reader) {
  const std::uint64_t epoch = unwrap(reader.journal_epoch()).value_or(0);
  const auto found = unwrap(store::JournalFile::read(snapshot.audit.path, epoch));
  base::NanoUsd held, settled;
  for (const auto& hold : found.holds) (hold.is_settled ? settled : held) += hold.amounts.usd;
  return {{"exists", found.exists},
          {"is_of_this_database", !found.exists || found.epoch == epoch},
          {"open_holds", found.holds.size()},
          {"held_nusd", held.value},
          {"settled_nusd", settled.value},
          {"damaged", found.damaged},
          {"damage", found.why}};
}

int verify(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const auto reader = open_reader(*snapshot);
  if (reader == nullptr) {
    fmt::print("{}\n", options.as_json ? "{\"ok\": true, \"rows\": 0}"
                                       : "No ledger yet: nothing has been recorded.");
    return kOk;
  }
  const auto response = admin::control_call(snapshot->control_socket, "GET", "/ledger/verify", {});
  if (response.status != 0 && response.status != 200) return print_answer(response, true, nullptr);
  const store::LedgerReport report = unwrap(reader->check_ledger());
  json out{{"calls", report.calls},
           {"rows", report.rows},
           {"audit_nusd", report.audit.value},
           {"ledger_nusd", report.ledger.value},
           {"differences", report.differences},
           {"problems", report.problems}};
  bool is_good = report.differences == 0;
  if (response.status == 200) {
    out["counters"] = json::parse(response.body);
    is_good = is_good && out["counters"]["differences"].empty();
  } else {
    out["journal"] = journal_report(*snapshot, *reader);
    is_good = is_good && out["journal"]["damaged"] == 0 && out["journal"]["is_of_this_database"];
  }
  out["ok"] = is_good;
  if (options.as_json) {
    fmt::print("{}\n", out.dump(2));
    return is_good ? kOk : kNo;
  }
  fmt::print("{} ledger rows; {} audit rows that cost {} in all, their ledger rows say {}.\n",
             report.rows, report.calls, base::to_string(report.audit),
             base::to_string(report.ledger));
  for (const auto& problem : report.problems) fmt::print("  {}\n", problem);
  if (response.status == 200) {
    const json& counters = out["counters"];
    fmt::print("{} budgets of the running gateway: {} differ from the record.\n",
               counters["budgets"].get<std::size_t>(), counters["differences"].size());
    for (const auto& row : counters["differences"])
      fmt::print("  {} {} \"{}\": counted {}, recorded {} ({})\n", row["scope"].get<std::string>(),
                 row["id"].get<std::string>(), row["budget"].get<std::string>(),
                 row["counted"].get<std::int64_t>(), row["recorded"].get<std::int64_t>(),
                 row["unit"].get<std::string>());
  } else if (const json& journal = out["journal"]; journal["exists"].get<bool>()) {
    fmt::print(
        "No gateway runs; its journal has {} calls without a row, which the next start "
        "settles.{}\n",
        journal["open_holds"].get<std::size_t>(),
        journal["damaged"] == 0 ? "" : " It is damaged: " + journal["damage"].get<std::string>());
  }
  fmt::print("{}\n", is_good ? "ok" : "NOT OK");
  return is_good ? kOk : kNo;
}

base::Quantity amount_of(const Options& options) {
  const bool is_credit = options.amount.starts_with('-');
  const std::string text = options.amount.substr(is_credit ? 1 : 0);
  std::int64_t value = 0;
  if (options.unit == "usd") {
    const auto usd = base::parse_usd(text);
    if (!usd) throw std::runtime_error("--amount: expected US dollars such as 1.50 or -0.25");
    value = usd->value;
  } else {
    try {
      std::size_t used = 0;
      value = std::stoll(text, &used);
      if (used != text.size() || value < 0) throw std::invalid_argument(text);
    } catch (const std::exception&) {
      throw std::runtime_error("--amount: expected a whole number such as 1000 or -1000");
    }
  }
  return is_credit ? -value : value;
}

int adjust(const Options& options) {
  const auto snapshot = load_beside(options.config);
  Adjustment adjustment;
  adjustment.scope = scope_of(options.scope);
  adjustment.scope_id = options.id;
  for (const auto& entry : config::names(config::BudgetUnit{}))
    if (entry.name == options.unit) adjustment.unit = entry.value;
  adjustment.change = amount_of(options);
  adjustment.reason = options.reason;
  // By the rules of the running gateway, whoever makes it.
  const auto checked = read_adjustment(to_json(adjustment));
  if (checked.has_error()) throw std::runtime_error(checked.error().message());
  const auto response =
      admin::control_call(snapshot->control_socket, "POST", "/ledger/adjust", to_json(adjustment));
  if (response.status != 0) {
    return print_answer(response, options.as_json, [](const json& body) {
      fmt::print("Adjusted, as {}{}.\n", body["request_id"].get<std::string>(),
                 body["on_disk"].get<bool>() ? "" : "; not on disk yet");
      if (body.contains("note")) fmt::print("{}\n", body["note"].get<std::string>());
    });
  }
  const auto reader = open_reader(*snapshot);
  const ScopeStanding standing = unwrap(look_up(adjustment, *snapshot, nullptr, reader.get()));
  if (!standing.is_known) {
    fmt::print(stderr, "tollgate: {}\n", unknown_scope(adjustment, standing));
    return kNo;
  }
  const base::SystemClock clock;
  const auto store = open_store(*snapshot, clock);
  base::IdGenerator ids;
  const std::string id = ids.next("adj_", clock.wall());
  if (!store->try_reserve()) throw std::runtime_error("the store cannot write");
  store->note_event(event_of(adjustment, id));
  store->record(record_of(adjustment, clock.wall(), id, snapshot->source_digest));
  if (!store->flush_now()) throw std::runtime_error(store->state_detail());
  const std::string note = without_budget(adjustment, standing);
  if (options.as_json) {
    json body{{"request_id", id}, {"on_disk", true}, {"budgets", standing.budgets}};
    if (!note.empty()) body["note"] = note;
    fmt::print("{}\n", body.dump(2));
  } else {
    fmt::print("Adjusted, as {}{}.\n", id, note.empty() ? "; the next start counts it" : "");
    if (!note.empty()) fmt::print("{}\n", note);
  }
  return kOk;
}

int recover(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const base::SystemClock clock;
  const auto store = open_store(*snapshot, clock);
  LedgerJournal journal(*store, *snapshot, options.config, true);
  const LedgerJournal::Recovered done = journal.recovered();
  journal.close(true);
  const auto stopped = store->stop();
  if (stopped.has_error()) throw std::runtime_error(stopped.error().message());
  journal.remove();
  if (done.damage.empty()) fmt::print("The journal was good.\n");
  if (!done.damage.empty())
    fmt::print("The journal could not be used as it was: {}.\n", done.damage);
  fmt::print(
      "{} calls that were running are settled in full as interrupted, {} that had ended are "
      "on record now, {} were already.\n",
      done.interrupted, done.settled, done.on_record);
  for (const std::string& file : done.set_aside) fmt::print("Set aside: {}\n", file);
  if (done.damaged > 0)
    fmt::print(
        "Holds in {} slots are lost: what those calls cost is not counted. Compare with the "
        "providers' bills, and correct with: tollgate ledger adjust\n",
        done.damaged);
  return kOk;
}

}  // namespace ledger_command
}  // namespace

void add_ledger(CLI::App& app, Action& action) {
  using namespace ledger_command;
  CLI::App* const command =
      app.add_subcommand("ledger", "What was charged: rows, checks, corrections");
  command->require_subcommand(1);
  auto options = std::make_shared<Options>();
  std::vector<std::string> scopes, units;
  for (const auto& scope : config::names(config::ScopeKind{})) scopes.emplace_back(scope.name);
  for (const auto& unit : config::names(config::BudgetUnit{})) units.emplace_back(unit.name);
  const auto add = [&](const char* name, const char* what, int (*run)(const Options&)) {
    CLI::App* const sub = command->add_subcommand(name, what);
    sub->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
    sub->callback([options, run, &action] { action = [options, run] { return run(*options); }; });
    return sub;
  };
  CLI::App* const rows = add("show", "The newest rows of the ledger", show);
  rows->add_option("--scope", options->scope, "Only of this kind of scope")
      ->check(CLI::IsMember(scopes));
  rows->add_option("--id", options->id, "Only of this scope id");
  rows->add_option("--call", options->call, "Only of this request id");
  rows->add_option("--since", options->since,
                   "Only of calls that began then or later: a time, or 15m, 2h, 3d ago");
  rows->add_option("--limit", options->limit, "Rows at most")->capture_default_str();
  rows->add_flag("--json", options->as_json, "As JSON");
  CLI::App* const check =
      add("verify", "Counters = ledger rows = costs of audit rows? Exits with 1 when they are not",
          verify);
  check->add_flag("--json", options->as_json, "As JSON");
  CLI::App* const change = add(
      "adjust", "Adds to what one scope has spent, or gives back; itself an audited row", adjust);
  change->add_option("--scope", options->scope, "Kind of scope")
      ->required()
      ->check(CLI::IsMember(scopes));
  change->add_option("--id", options->id, "Scope id")->required();
  change->add_option("--unit", options->unit, "What is corrected")
      ->capture_default_str()
      ->check(CLI::IsMember(units));
  change
      ->add_option("--amount", options->amount,
                   "US dollars (or a whole number); below 0 gives back")
      ->required();
  change->add_option("--reason", options->reason, "Kept in the record")->required();
  change->add_flag("--json", options->as_json, "As JSON");
  add("recover",
      "Goes on without a journal that is damaged, lost or another database's; no gateway may run",
      recover);
}

}  // namespace tollgate::app::cli
