#pragma once

#include <string>
#include <string_view>

#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/json/writer.hpp"

/// The one spelling of budgets and rate limits in JSON: `/tollgate/v1/me`, the admin API, the
/// command line and webhooks.
namespace tollgate::domain::budget {

/// "nusd" (nano-USD), "tokens" or "requests": what the names of amounts in a unit end in.
[[nodiscard]] std::string_view suffix_of(config::BudgetUnit unit) noexcept;
/// Nano-USD as people write dollars, without their sign: "4.10", "-0.25".
[[nodiscard]] std::string plain_usd(base::Quantity amount);
/// `<what>_nusd`, `<what>_tokens` or `<what>_requests`, whole numbers.
void write_amount(json::Writer& out, std::string_view what, base::Quantity amount,
                  config::BudgetUnit unit);
/// One object with every member of the row.
void write_row(json::Writer& out, const BudgetRow& row);
void write_row(json::Writer& out, const RateRow& row);

/// {"budgets": [...], "rate_limits": [...]}: everything, sorted.
[[nodiscard]] std::string report_json(Ledger& ledger);

}  // namespace tollgate::domain::budget
