#pragma once

#include <span>
#include <vector>

#include "tollgate/domain/policy/rule_set.hpp"

namespace tollgate::domain::policy {

[[nodiscard]] constexpr bool hides(GuardAction a) noexcept {
  return a == GuardAction::mask || a == GuardAction::block;
}

/// Turns raw findings into verdict matches: joins overlapping spans of mask and block rules under
/// the strongest, then longest, then first of them (a join, because cutting one of two overlapping
/// secrets would show the rest of it); joins flags likewise; drops flags under a mask or block.
///
/// Depends on each group of overlapping findings alone, which is why a stream may resolve group by
/// group. Reuses its buffers.
class Resolver {
 public:
  /// @param raw  sorted by begin. @param out  appended to, sorted. @return the strongest action.
  GuardAction resolve(std::span<const Match> raw, std::span<const GuardAction> actions,
                      std::vector<Match>& out);

 private:
  std::vector<Match> hidden_, flagged_;
};

}  // namespace tollgate::domain::policy
