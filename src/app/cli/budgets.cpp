#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "app/cli/commands.hpp"
#include "app/cli/common.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/row_json.hpp"
#include "tollgate/domain/budget/spend_history.hpp"

namespace tollgate::app::cli {
namespace {
namespace budgets_command {

using nlohmann::json;

struct Options {
  std::string config = "config/tollgate.yaml";
  std::string scope, id;
  bool as_json = false;
};

/// What is on record, read and nothing else: no gateway runs, so no row is on its way.
class ReadOnlyHistory final : public domain::budget::SpendHistory {
 public:
  /// `reader` is null when there is no record yet.
  explicit ReadOnlyHistory(store::AuditReader* reader) : reader_(reader) {}
  [[nodiscard]] base::Result<domain::budget::Sums> settled_since(config::ScopeKind kind,
                                                                 std::string_view scope_id,
                                                                 base::WallTime since) override {
    if (reader_ == nullptr) return domain::budget::Sums{};
    return reader_->spend_since(kind, scope_id, since);
  }
  [[nodiscard]] base::Result<std::vector<domain::budget::Sums>> settled_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids,
      base::WallTime since) override {
    if (reader_ == nullptr) return std::vector<domain::budget::Sums>(ids.size());
    return reader_->spend_of_each_since(kind, ids, since);
  }
  [[nodiscard]] base::Result<std::vector<bool>> overruns_of_each_since(
      config::ScopeKind kind, std::span<const std::string_view> ids,
      base::WallTime since) override {
    if (reader_ == nullptr) return std::vector<bool>(ids.size());
    return reader_->overruns_of_each_since(kind, ids, since);
  }
  [[nodiscard]] base::Result<std::vector<std::string>> live_scopes_since(
      config::ScopeKind kind, base::WallTime since, std::size_t most) override {
    if (reader_ == nullptr) return std::vector<std::string>{};
    return reader_->live_scopes_since(kind, since, most);
  }
  [[nodiscard]] base::Result<bool> has_overrun_since(config::ScopeKind kind,
                                                     std::string_view scope_id,
                                                     base::WallTime since) override {
    if (reader_ == nullptr) return false;
    return reader_->has_overrun_since(kind, scope_id, since);
  }
  [[nodiscard]] base::Result<std::optional<base::WallTime>> newest_charge() override {
    if (reader_ == nullptr) return std::optional<base::WallTime>{};
    return reader_->newest_charge();
  }

 private:
  store::AuditReader* reader_;
};

/// The same rows a running gateway would give, from the record alone.
json from_record(const config::Snapshot& snapshot) {
  const base::SystemClock clock;
  const auto reader = open_reader(snapshot);
  domain::budget::Ledger ledger(clock);
  ReadOnlyHistory history(reader.get());
  for (const auto& done : {ledger.configure(snapshot, history), ledger.load(history)})
    if (done.has_error()) throw std::runtime_error(done.error().message());
  return json::parse(domain::budget::report_json(ledger));
}

/// "$5.00", "1200 tokens": an amount in the unit of its budget.
std::string amount(const json& row, const std::string& what) {
  const std::string unit = row["unit"].get<std::string>();
  const std::string member = what + "_" + (unit == "usd" ? "nusd" : unit);
  const base::Quantity value(row[member].get<std::int64_t>());
  for (const auto& entry : config::names(config::BudgetUnit{}))
    if (entry.name == unit) return domain::budget::to_string(value, entry.value);
  return {};
}

int show(const Options& options) {
  const auto snapshot = load_beside(options.config);
  const auto response = admin::control_call(snapshot->control_socket, "GET", "/budgets", {});
  if (response.status != 0 && response.status != 200) return print_answer(response, true, nullptr);
  const json body = response.status == 0 ? from_record(*snapshot) : json::parse(response.body);
  const auto choose = [&options](const json& rows) {
    json chosen = json::array();
    for (const auto& row : rows) {
      if (!options.scope.empty() && row["scope"] != options.scope) continue;
      if (!options.id.empty() && row["id"] != options.id) continue;
      chosen.push_back(row);
    }
    return chosen;
  };
  const json chosen = choose(body["budgets"]);
  const json rates = choose(body["rate_limits"]);
  const bool filtered = !options.scope.empty() || !options.id.empty();
  const int code = filtered && chosen.empty() && rates.empty() ? kNo : kOk;
  if (options.as_json) {
    fmt::print("{}\n", json{{"budgets", chosen}, {"rate_limits", rates}}.dump(2));
    return code;
  }
  fmt::print("{:<9} {:<24} {:<14} {:<6} {:>14} {:>14} {:>14}  {}\n", "SCOPE", "ID", "BUDGET",
             "WINDOW", "LIMIT", "SPENT", "HELD", "RESETS");
  for (const auto& row : chosen)
    fmt::print("{:<9} {:<24} {:<14} {:<6} {:>14} {:>14} {:>14}  {}{}\n",
               row["scope"].get<std::string>(), row["id"].get<std::string>(),
               row["budget"].get<std::string>(), row["window"].get<std::string>(),
               amount(row, "limit"), amount(row, "spent"), amount(row, "held"),
               row["resets_at"].is_null() ? "never" : row["resets_at"].get<std::string>(),
               row["closed"].get<bool>() ? " (closed by an overrun)" : "");
  if (rates.empty()) return code;
  fmt::print("\n{:<9} {:<24} {:<14} {:<12} {:>14} {:>14}\n", "SCOPE", "ID", "RATE LIMIT", "PER",
             "LIMIT", "USED");
  for (const auto& row : rates)
    fmt::print("{:<9} {:<24} {:<14} {:<12} {:>14} {:>14}\n", row["scope"].get<std::string>(),
               row["id"].get<std::string>(), row["name"].get<std::string>(),
               row.contains("per_ms") ? fmt::format("{} ms", row["per_ms"].get<std::int64_t>())
                                      : "at once",
               row["limit"].get<std::int64_t>(), row["used"].get<std::int64_t>());
  return code;
}

}  // namespace budgets_command
}  // namespace

void add_budgets(CLI::App& app, Action& action) {
  using namespace budgets_command;
  CLI::App* const command = app.add_subcommand(
      "budgets",
      "Every budget: limit, spent, held, reset (from a running gateway, else the record)");
  auto options = std::make_shared<Options>();
  command->add_option("-c,--config", options->config, "Configuration file")->capture_default_str();
  std::vector<std::string> scopes;
  for (const auto& scope : config::names(config::ScopeKind{})) scopes.emplace_back(scope.name);
  command->add_option("--scope", options->scope, "Only this kind of scope")
      ->check(CLI::IsMember(scopes));
  command->add_option("--id", options->id, "Only this scope id");
  command->add_flag("--json", options->as_json, "As JSON");
  command->callback([options, &action] { action = [options] { return show(*options); }; });
}

}  // namespace tollgate::app::cli
