#include "domain/policy/resolve.hpp"

#include <algorithm>

namespace tollgate::domain::policy {
namespace {

/// Joins runs of overlapping spans of the wanted kind.
void join(std::span<const Match> raw, std::span<const GuardAction> actions, bool hidden,
          std::vector<Match>& out) {
  out.clear();
  Match best;  // the finding that names the group at out.back()
  for (const Match& m : raw) {
    if (hides(actions[m.rule]) != hidden) continue;
    if (out.empty() || m.begin >= out.back().end) {
      out.push_back(m);
      best = m;
      continue;
    }
    Match& group = out.back();
    group.end = std::max(group.end, m.end);
    const auto rank = [&](const Match& x) {
      return std::pair(static_cast<int>(actions[x.rule]), x.end - x.begin);
    };
    const bool first = m.begin == best.begin && m.rule < best.rule;
    if (rank(m) > rank(best) || (rank(m) == rank(best) && first)) {
      best = m;
      group.rule = m.rule;
    }
  }
}

}  // namespace

GuardAction Resolver::resolve(std::span<const Match> raw, std::span<const GuardAction> actions,
                              std::vector<Match>& out) {
  if (raw.size() <= 1) {
    if (raw.empty()) return GuardAction::allow;
    out.push_back(raw[0]);
    return actions[raw[0].rule];
  }
  join(raw, actions, true, hidden_);
  join(raw, actions, false, flagged_);
  GuardAction strongest = GuardAction::allow;
  const auto emit = [&](const Match& m) {
    strongest = std::max(strongest, actions[m.rule]);
    out.push_back(m);
  };
  auto h = hidden_.begin();
  for (const Match& f : flagged_) {
    while (h != hidden_.end() && h->end <= f.begin) emit(*h++);
    const bool covered = h != hidden_.end() && h->begin < f.end;
    if (!covered) emit(f);
  }
  while (h != hidden_.end()) emit(*h++);
  return strongest;
}

}  // namespace tollgate::domain::policy
