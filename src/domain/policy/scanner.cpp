#include "tollgate/domain/policy/scanner.hpp"

#include <stdexcept>

#include "domain/policy/scan_state.hpp"

namespace tollgate::domain::policy {

Scanner::Scanner() : state_(std::make_unique<ScanState>()) {}
Scanner::~Scanner() = default;

GuardAction Scanner::scan(const RuleSet& rules, Direction direction, std::string_view text,
                          std::vector<Match>& out) {
  out.clear();
  const CompiledRules& compiled = rules.compiled(direction);
  if (compiled.empty || text.empty()) return GuardAction::allow;
  if (text.size() > (std::size_t{1} << 30)) throw std::length_error("text over 1 GiB");
  Window w{text};
  state_->collect(compiled, w);
  return state_->resolver.resolve(state_->raw, compiled.actions, out);
}

Verdict inspect(Scanner& scanner, const RuleSet& rules, Direction direction,
                std::string_view text) {
  Verdict verdict;
  verdict.action = scanner.scan(rules, direction, text, verdict.matches);
  return verdict;
}

}  // namespace tollgate::domain::policy
