// What to blame when a call does not fit.
#include <algorithm>

#include "domain/budget/books.hpp"

namespace tollgate::domain::budget {
namespace {

/// How long a refusal keeps the caller out: the longest is told.
enum class Severity : std::uint8_t { none, until_others_end, until_window_slides, until_reset };

Refusal refusal_of(const Scope& scope, const Account& account, const UnitAmounts& least) {
  Refusal refusal;
  refusal.scope = scope.kind;
  refusal.scope_id = scope.id;
  refusal.budget = account.name;
  refusal.unit = account.unit;
  refusal.window = account.calendar.kind();
  refusal.limit = account.limit;
  refusal.spent = account.spent;
  refusal.held = narrow(account.held);
  refusal.asked = least[account.unit];
  refusal.reset_at = account.reset_at();
  refusal.is_closed = account.is_closed;
  return refusal;
}

Refusal refusal_of(const Scope& scope, const RateAccount& rate, Units asked) {
  Refusal refusal;
  refusal.kind = rate.window ? Refusal::Kind::rate : Refusal::Kind::concurrency;
  refusal.scope = scope.kind;
  refusal.scope_id = scope.id;
  refusal.budget = rate.name;
  refusal.unit = rate.unit == config::RateUnit::tokens ? config::BudgetUnit::tokens
                                                       : config::BudgetUnit::requests;
  refusal.per = rate.per;
  refusal.limit = rate.limit;
  refusal.spent = rate.window ? rate.used() : Units{0};
  refusal.held = rate.window ? Units{0} : rate.used();
  refusal.asked = asked;
  return refusal;
}

}  // namespace

Refusal Books::blame(const Slot& slot, const UnitAmounts& least, std::uint32_t& refusing) const {
  Refusal told;
  told.asked = least.usd();
  Severity worst = Severity::none;
  const auto is_worse = [&](Severity severity) { return severity > worst; };
  for (std::size_t i = 0; i < slot.size; ++i) {
    const Scope& scope = scopes[slot.scopes[i]];
    for (const Account& account : scope.accounts) {
      const Units asked = least[account.unit];
      // As fits() has it: over its limit by holds, it has nothing against what takes nothing.
      if (!account.is_used_up() && asked <= std::max<Units>(account.room(), 0)) continue;
      const bool by_holds =
          !account.is_used_up() && asked <= narrow(Wide{account.limit} - account.spent);
      const Severity severity = by_holds ? Severity::until_others_end : Severity::until_reset;
      if (!is_worse(severity)) continue;
      worst = severity;
      told = refusal_of(scope, account, least);
      refusing = slot.scopes[i];
    }
    for (const RateAccount& rate : scope.rates) {
      const Units asked = rate.of(least);
      if (asked == 0 || asked <= rate.limit - rate.used()) continue;
      const bool by_calls = !rate.window && asked <= rate.limit;
      const Severity severity =
          by_calls ? Severity::until_others_end : Severity::until_window_slides;
      std::optional<std::chrono::microseconds> wait;
      if (rate.window) {
        if (const auto fits = rate.window->fits_after(mono, asked, rate.limit))
          wait = std::chrono::microseconds(std::max<Micros>(*fits, 0));
        const bool is_longer =
            severity == worst && told.retry_after && (!wait || *wait > *told.retry_after);
        if (!is_worse(severity) && !is_longer) continue;
      } else if (!is_worse(severity)) {
        continue;
      }
      worst = severity;
      told = refusal_of(scope, rate, asked);
      told.retry_after = wait;
      refusing = slot.scopes[i];
    }
  }
  told.can_wait = worst == Severity::until_others_end;
  return told;
}

}  // namespace tollgate::domain::budget
