#include "tollgate/domain/budget/refusal.hpp"

#include <fmt/core.h>

#include <string>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::domain::budget {
namespace {

/// "60s", "1.5s": as people say it.
std::string span_text(std::chrono::milliseconds span) {
  if (span.count() % 1'000 == 0) return fmt::format("{} s", span.count() / 1'000);
  return fmt::format("{} ms", span.count());
}

std::string budget_text(const Refusal& refusal, bool show_amounts) {
  std::string text = fmt::format("Budget \"{}\" of {} \"{}\" ", base::printable(refusal.budget),
                                 config::name_of(refusal.scope), base::printable(refusal.scope_id));
  if (refusal.is_closed) {
    text += "is closed: more was billed than was held";
  } else if (refusal.can_wait) {
    text += "is taken up by calls in flight";
  } else if (refusal.spent >= refusal.limit) {
    text += "is used up";
  } else {
    text += "cannot take the most this call may cost";
  }
  if (show_amounts) {
    const std::string window = refusal.window == config::WindowKind::total
                                   ? "in total"
                                   : fmt::format("per {}", config::name_of(refusal.window));
    text += fmt::format(
        " (limit {} {}, spent {}, held by other calls {}, needed {})",
        to_string(refusal.limit, refusal.unit), window, to_string(refusal.spent, refusal.unit),
        to_string(refusal.held, refusal.unit), to_string(refusal.asked, refusal.unit));
  }
  if (refusal.reset_at) {
    text += fmt::format("; resets at {}.", base::format_rfc3339(*refusal.reset_at));
  } else {
    text += "; this budget does not reset.";
  }
  return text;
}

base::Error rate_error(const Refusal& refusal) {
  const std::string who =
      fmt::format("{} \"{}\"", config::name_of(refusal.scope), base::printable(refusal.scope_id));
  const std::string limit = to_string(refusal.limit, refusal.unit);
  if (refusal.kind == Refusal::Kind::concurrency) {
    return base::Error(base::ErrorCode::rate_limited,
                       fmt::format("Rate limit \"{}\" of {} is reached: {} in flight at once.",
                                   base::printable(refusal.budget), who, limit))
        .with_retry_after(1);
  }
  const std::string rule =
      fmt::format("Rate limit \"{}\" of {}: {} in {}", base::printable(refusal.budget), who, limit,
                  span_text(refusal.per));
  if (!refusal.retry_after) {
    return base::Error(base::ErrorCode::rate_limited,
                       fmt::format("{}; this call alone may take {}.", rule,
                                   to_string(refusal.asked, refusal.unit)));
  }
  const auto wait = std::chrono::ceil<std::chrono::seconds>(*refusal.retry_after).count();
  return base::Error(
             base::ErrorCode::rate_limited,
             fmt::format("{}, {} used; this call fits in {} s.", rule,
                         to_string(refusal.spent, refusal.unit), std::max<std::int64_t>(wait, 1)))
      .with_retry_after(std::max<std::int64_t>(wait, 1));
}

}  // namespace

std::string to_string(base::Quantity amount, config::BudgetUnit unit) {
  switch (unit) {
    case config::BudgetUnit::usd:
      return base::to_string(base::NanoUsd{amount.value});
    case config::BudgetUnit::tokens:
      return fmt::format("{} token{}", amount.value, amount.value == 1 ? "" : "s");
    case config::BudgetUnit::requests:
      return fmt::format("{} request{}", amount.value, amount.value == 1 ? "" : "s");
  }
  return {};
}

base::Error to_error(const Refusal& refusal, bool show_amounts) {
  switch (refusal.kind) {
    case Refusal::Kind::budget:
      return base::Error(base::ErrorCode::budget_exceeded, budget_text(refusal, show_amounts));
    case Refusal::Kind::rate:
    case Refusal::Kind::concurrency:
      return rate_error(refusal);
    case Refusal::Kind::full:
      break;
  }
  return base::Error(base::ErrorCode::overloaded,
                     "the gateway holds money for as many calls as its journal has places for")
      .with_retry_after(1);
}

}  // namespace tollgate::domain::budget
