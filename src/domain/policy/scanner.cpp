#include "tollgate/domain/policy/scanner.hpp"

#include <algorithm>
#include <stdexcept>

#include "domain/policy/chars.hpp"
#include "domain/policy/scan_state.hpp"

namespace tollgate::domain::policy {

namespace {

/// The shortest API key: a literal of 4 and 16 more.
constexpr std::size_t kShortestKey = 20;
/// The shortest card number; an IBAN has 15.
constexpr std::size_t kShortestNumber = 12;

/// Ids and tags of JSON are many and short, and a scan has a fixed cost: what is too short for
/// every detector is not scanned. A mail address needs an at sign, however it is spelled.
bool is_harmless_word(const CompiledRules& compiled, std::string_view text) noexcept {
  if (compiled.database != nullptr) return false;
  const unsigned telling = text.size() < kShortestNumber ? kMayMail : kMayMail | kDigit;
  return std::none_of(text.begin(), text.end(), [telling](char c) { return is(c, telling); });
}

}  // namespace

Scanner::Scanner() : state_(std::make_unique<ScanState>()) {}
Scanner::~Scanner() = default;

GuardAction Scanner::scan(const RuleSet& rules, Direction direction, std::string_view text,
                          std::vector<Match>& out) {
  out.clear();
  const CompiledRules& compiled = rules.compiled(direction);
  if (compiled.empty || text.empty()) return GuardAction::allow;
  if (text.size() < kShortestKey && is_harmless_word(compiled, text)) return GuardAction::allow;
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
