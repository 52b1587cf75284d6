#include "tollgate/domain/budget/row_json.hpp"

#include <string>

#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::domain::budget {

std::string_view suffix_of(config::BudgetUnit unit) noexcept {
  switch (unit) {
    case config::BudgetUnit::usd:
      return "nusd";
    case config::BudgetUnit::tokens:
      return "tokens";
    case config::BudgetUnit::requests:
      return "requests";
  }
  return "";
}

std::string plain_usd(base::Quantity amount) {
  std::string text = base::to_string(base::NanoUsd{amount.value});
  text.erase(text.find('$'), 1);
  return text;
}

void write_amount(json::Writer& out, std::string_view what, base::Quantity amount,
                  config::BudgetUnit unit) {
  std::string name(what);
  name += '_';
  name += suffix_of(unit);
  out.member(name, amount.value);
}

void write_row(json::Writer& out, const BudgetRow& row) {
  out.begin_object();
  out.member("scope", config::name_of(row.scope)).member("id", row.scope_id);
  out.member("budget", row.budget).member("unit", config::name_of(row.unit));
  out.member("window", config::name_of(row.window)).member("time_zone", row.time_zone);
  if (row.unit == config::BudgetUnit::usd) {
    out.member("limit_usd", plain_usd(row.limit));
    out.member("spent_usd", plain_usd(row.spent));
    out.member("held_usd", plain_usd(row.held));
  }
  write_amount(out, "limit", row.limit, row.unit);
  write_amount(out, "spent", row.spent, row.unit);
  write_amount(out, "held", row.held, row.unit);
  out.member("window_start", base::format_rfc3339(row.window_start));
  out.key("resets_at");
  if (row.reset_at) {
    out.string(base::format_rfc3339(*row.reset_at));
  } else {
    out.null();
  }
  out.key("closed").boolean(row.is_closed);
  out.end_object();
}

void write_row(json::Writer& out, const RateRow& row) {
  out.begin_object();
  out.member("scope", config::name_of(row.scope)).member("id", row.scope_id);
  out.member("name", row.name).member("unit", config::name_of(row.unit));
  out.member("limit", row.limit).member("used", row.used);
  if (row.unit != config::RateUnit::concurrent) out.member("per_ms", std::int64_t{row.per.count()});
  out.end_object();
}

std::string report_json(Ledger& ledger) {
  std::string text;
  json::Writer out(text);
  out.begin_object();
  out.key("budgets").begin_array();
  for (const BudgetRow& row : ledger.snapshot_all()) write_row(out, row);
  out.end_array();
  out.key("rate_limits").begin_array();
  for (const RateRow& row : ledger.rates_all()) write_row(out, row);
  out.end_array().end_object();
  return text;
}

}  // namespace tollgate::domain::budget
