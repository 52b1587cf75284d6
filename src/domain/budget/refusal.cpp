#include "tollgate/domain/budget/refusal.hpp"

#include <fmt/core.h>

#include <string>

#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"

namespace tollgate::domain::budget {

base::Error to_error(const Refusal& refusal, bool show_amounts) {
  std::string text = fmt::format("Budget \"{}\" of {} \"{}\" ", base::printable(refusal.budget),
                                 config::name_of(refusal.scope), base::printable(refusal.scope_id));
  if (refusal.is_closed) {
    text += "is closed: a provider billed more than the cap it was sent";
  } else if (refusal.can_wait) {
    text += "is taken up by calls in flight";
  } else {
    text += "cannot take the most this call may cost";
  }
  if (show_amounts) {
    const std::string window = refusal.window == config::WindowKind::total
                                   ? "in total"
                                   : fmt::format("per {}", config::name_of(refusal.window));
    text += fmt::format(" (limit {} {}, spent {}, held by other calls {}, needed {})",
                        base::to_string(refusal.limit), window, base::to_string(refusal.spent),
                        base::to_string(refusal.held), base::to_string(refusal.asked));
  }
  if (refusal.reset_at) {
    text += fmt::format("; resets at {}.", base::format_rfc3339(*refusal.reset_at));
  } else {
    text += "; this budget does not reset.";
  }
  return base::Error(base::ErrorCode::budget_exceeded, std::move(text));
}

}  // namespace tollgate::domain::budget
