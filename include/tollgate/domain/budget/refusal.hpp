#pragma once

#include <boost/system/result.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/base/units.hpp"
#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::budget {

/// Why a hold was not made: the budget that stands in the way, and the state it was in.
///
/// When several budgets refuse, one that waiting cannot help is named before one that it can.
/// The views live as long as the ledger. Making one allocates nothing.
struct Refusal {
  config::ScopeKind scope = config::ScopeKind::key;
  std::string_view scope_id;
  std::string_view budget;
  config::WindowKind window = config::WindowKind::day;
  base::NanoUsd limit;
  base::NanoUsd spent;                     ///< settled in the open window
  base::NanoUsd held;                      ///< by all calls in flight except the one refused
  base::NanoUsd asked;                     ///< the least that would have done
  std::optional<base::WallTime> reset_at;  ///< absent for `total`
  /// Only other calls' holds stand in the way, on every refusing budget: the call may wait.
  bool can_wait = false;
  /// The budget was closed by an overrun and stays closed until its reset.
  bool is_closed = false;
};

/// The refusal as an error for the caller: `budget_exceeded`, never retryable.
///
/// @param show_amounts  config `spending.show_amounts`: name limit, spent, held and asked.
[[nodiscard]] base::Error to_error(const Refusal& refusal, bool show_amounts);

/// Called by result::value() on a refusal: a caller that did not check has a bug.
[[noreturn]] inline void throw_exception_from_error(const Refusal& refusal,
                                                    const boost::source_location&) {
  throw std::runtime_error("unchecked budget refusal: " + to_error(refusal, false).message());
}

}  // namespace tollgate::domain::budget
