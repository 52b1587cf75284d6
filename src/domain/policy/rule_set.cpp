#include "tollgate/domain/policy/rule_set.hpp"

#include "domain/policy/compiled.hpp"
#include "domain/policy/resolve.hpp"

namespace tollgate::domain::policy {

RuleSet::RuleSet(std::vector<Rule> rules, std::shared_ptr<const CompiledRules> request,
                 std::shared_ptr<const CompiledRules> response)
    : rules_(std::move(rules)), compiled_{std::move(request), std::move(response)} {}

RuleSet::~RuleSet() = default;

bool RuleSet::empty(Direction direction) const noexcept {
  return compiled(direction).empty;
}
bool RuleSet::has_patterns(Direction direction) const noexcept {
  return !compiled(direction).patterns.empty();
}
bool RuleSet::rewrites(Direction direction) const noexcept {
  return compiled(direction).rewrites;
}

void RuleSet::mask_to(std::string& out, std::string_view text,
                      std::span<const Match> matches) const {
  std::size_t done = 0;
  for (const Match& m : matches) {
    const Rule& hit = rule(m);
    if (!hides(hit.action)) continue;
    out.append(text.substr(done, m.begin - done)).append(hit.replacement);
    done = m.end;
  }
  out.append(text.substr(done));
}

std::string RuleSet::mask(std::string_view text, std::span<const Match> matches) const {
  std::string out;
  out.reserve(text.size() + 32 * matches.size());
  mask_to(out, text, matches);
  return out;
}

}  // namespace tollgate::domain::policy
