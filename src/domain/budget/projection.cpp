#include "tollgate/domain/budget/projection.hpp"

#include "domain/budget/units.hpp"

namespace tollgate::domain::budget {

std::optional<base::WallTime> projected_exhaustion(const SpendMark& since, const SpendMark& now,
                                                   base::Quantity limit) noexcept {
  const Wide elapsed = Wide{to_micros(now.at)} - to_micros(since.at);
  const Wide spent = Wide{now.spent.value} - since.spent.value;
  const Wide left = Wide{limit.value} - now.spent.value;
  if (elapsed <= 0 || spent <= 0 || left <= 0) return std::nullopt;
  const Wide wait = (left * elapsed + spent - 1) / spent;
  if (wait > Wide{to_micros(base::WallTime::max())} - to_micros(now.at)) return std::nullopt;
  return now.at + std::chrono::microseconds(static_cast<Micros>(wait));
}

}  // namespace tollgate::domain::budget
