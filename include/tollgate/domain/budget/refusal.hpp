#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// Why a hold was not made: the budget or rate limit that stands in the way, and its state.
///
/// When several refuse, the one that keeps the caller out longest is named: a budget that waiting
/// for other calls cannot help, then the rate limit that takes longest to have room, then one that
/// only other calls in flight fill. The views live as long as the ledger. Making one allocates
/// nothing.
struct Refusal {
  enum class Kind : std::uint8_t {
    budget,       ///< what the window has left is too little
    rate,         ///< the sliding window is full
    concurrency,  ///< as many calls as allowed are in flight
    full,         ///< the gateway itself has no place for another hold
  };
  Kind kind = Kind::budget;
  config::ScopeKind scope = config::ScopeKind::key;
  std::string_view scope_id;
  std::string_view budget;  ///< its name, or that of the rate limit
  config::BudgetUnit unit = config::BudgetUnit::usd;
  config::WindowKind window = config::WindowKind::day;  ///< of a budget
  std::chrono::milliseconds per{0};                     ///< of a rate limit
  base::Quantity limit;
  base::Quantity spent;  ///< settled in the open window; of a rate limit: used in the sliding one
  base::Quantity held;   ///< by all calls in flight except the one refused
  base::Quantity asked;  ///< the least that would have done
  std::optional<base::WallTime> reset_at;  ///< absent for `total`, and for rate limits
  /// Of a rate limit: when as much as was asked will be free; absent when it asks for more than the
  /// whole limit.
  std::optional<std::chrono::microseconds> retry_after;
  /// Only other calls' holds stand in the way, wherever it is refused: the call may wait.
  bool can_wait = false;
  /// The budget was closed by an overrun and stays closed until its reset.
  bool is_closed = false;
};

/// The refusal as an error for the caller: `budget_exceeded` (402) of a budget, never retryable;
/// `rate_limited` (429) with Retry-After of a rate limit; `overloaded` (503) when full.
///
/// @param show_amounts  config `spending.show_amounts`: name limit, spent, held and asked.
[[nodiscard]] base::Error to_error(const Refusal& refusal, bool show_amounts);

/// "$0.05", "1200 tokens", "1 request".
[[nodiscard]] std::string to_string(base::Quantity amount, config::BudgetUnit unit);

/// Called by result::value() on a refusal: a caller that did not check has a bug.
[[noreturn]] inline void throw_exception_from_error(const Refusal& refusal,
                                                    const boost::source_location&) {
  throw std::runtime_error("unchecked budget refusal: " + to_error(refusal, false).message());
}

}  // namespace tollgate::domain::budget
