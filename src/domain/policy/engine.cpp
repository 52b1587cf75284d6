#include "tollgate/domain/policy/engine.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "domain/policy/compiled.hpp"
#include "domain/policy/resolve.hpp"

namespace tollgate::domain::policy {
namespace {

using config::GuardDirection;
using config::RuleKind;

std::int32_t detector_index(std::string_view name) noexcept {
  const auto it = std::find(kDetectorNames.begin(), kDetectorNames.end(), name);
  return it == kDetectorNames.end() ? -1 : static_cast<std::int32_t>(it - kDetectorNames.begin());
}

bool covers(GuardDirection rule, Direction direction) noexcept {
  return rule == GuardDirection::both ||
         (rule == GuardDirection::request) == (direction == Direction::request);
}

base::Result<void> check_rule(const config::GuardRule& rule, const PolicyOptions& options) {
  if (rule.kind == RuleKind::detector) {
    if (detector_index(rule.pattern) >= 0) return {};
    std::string message = "unknown detector '" + rule.pattern + "'; known:";
    for (const auto name : kDetectorNames) message.append(" ").append(name);
    return base::Error(base::ErrorCode::invalid_request, std::move(message));
  }
  TG_CHECK(user_expression(rule, options.regex_hold_bytes));
  return {};
}

std::vector<RuleProblem> find_problems(const Guardrails& guardrails, const PolicyOptions& options) {
  std::vector<RuleProblem> problems;
  for (const auto& [name, guardrail] : guardrails) {
    for (std::size_t i = 0; i < guardrail.rules.size(); ++i) {
      const auto& rule = guardrail.rules[i];
      if (auto result = check_rule(rule, options); result.has_error()) {
        problems.push_back({name, i, rule.name, result.error().message()});
      }
    }
  }
  return problems;
}

/// A rule together with the direction its guardrail gives it.
struct PlacedRule {
  const config::GuardRule* rule;
  GuardDirection direction;
};

base::Result<std::shared_ptr<const CompiledRules>> compile_direction(
    const std::vector<PlacedRule>& placed, Direction direction, const PolicyOptions& options) {
  static std::atomic<std::uint64_t> next_id{1};
  auto out = std::make_shared<CompiledRules>();
  out->id = next_id.fetch_add(1, std::memory_order_relaxed);
  std::vector<UserExpression> expressions;
  std::vector<std::size_t> holds;  // by pattern
  for (std::uint32_t index = 0; index < placed.size(); ++index) {
    const config::GuardRule& rule = *placed[index].rule;
    out->actions.push_back(rule.action);
    out->origins.push_back(CompiledRules::Origin::detector);
    if (!covers(placed[index].direction, direction) || rule.action == GuardAction::allow) continue;
    out->empty = false;
    out->rewrites = out->rewrites || hides(rule.action);
    if (rule.kind == RuleKind::detector) {
      out->has_detectors = true;
      // Named by several guardrails: the strongest action counts, then the first.
      auto& slot = out->detector_rule[static_cast<std::size_t>(detector_index(rule.pattern))];
      if (slot < 0 || rule.action > out->actions[static_cast<std::size_t>(slot)]) {
        slot = static_cast<std::int32_t>(index);
      }
      continue;
    }
    UserExpression expression;
    TG_TRY(expression, user_expression(rule, options.regex_hold_bytes));
    expression.pattern.rule = index;
    out->origins.back() = expression.pattern.unbounded ? CompiledRules::Origin::unbounded_pattern
                                                       : CompiledRules::Origin::bounded_pattern;
    out->needs_utf8 = out->needs_utf8 || (expression.flags & HS_FLAG_UTF8) != 0;
    // Whether this regex holds text back is known when all rules are: see below.
    holds.push_back(expression.hold);
    if (expression.pattern.bytes != 0) {
      out->keywords.add(rule.pattern);
      out->has_keywords = true;
    }
    out->patterns.push_back(expression.pattern);
    expressions.push_back(std::move(expression));
  }
  for (std::size_t i = 0; i < out->patterns.size(); ++i) {
    // Text that a rule only observes need not wait for it, unless no rule rewrites: then all text
    // passes at once anyway, and the exact way costs nothing.
    UserPattern& pattern = out->patterns[i];
    pattern.observed = out->rewrites && holds[i] != 0 && !hides(out->actions[pattern.rule]);
    if (pattern.observed) out->origins[pattern.rule] = CompiledRules::Origin::observed_pattern;
    std::size_t& widest = pattern.observed ? out->observed_bytes : out->regex_hold;
    widest = std::max(widest, holds[i]);
  }
  out->keywords.seal();
  if (!expressions.empty()) {
    TG_TRY(out->database, compile_database(expressions));
  }
  return std::shared_ptr<const CompiledRules>(std::move(out));
}

base::Result<std::unique_ptr<RuleSet>> compile_set(
    const std::vector<const config::Guardrail*>& guardrails, const PolicyOptions& options) {
  std::vector<Rule> rules;
  std::vector<PlacedRule> placed;
  bool same = true;  // one compilation serves both directions
  for (const config::Guardrail* guardrail : guardrails) {
    same = same && guardrail->direction == GuardDirection::both;
    for (const config::GuardRule& rule : guardrail->rules) {
      std::string name = rule.name.empty() ? rule.pattern : rule.name;
      std::string replacement =
          rule.replacement.empty() ? "[REDACTED:" + name + "]" : rule.replacement;
      rules.push_back({guardrail->name, std::move(name), rule.action, std::move(replacement)});
      placed.push_back({&rule, guardrail->direction});
    }
  }
  std::shared_ptr<const CompiledRules> request, response;
  TG_TRY(request, compile_direction(placed, Direction::request, options));
  if (same) {
    response = request;
  } else {
    TG_TRY(response, compile_direction(placed, Direction::response, options));
  }
  return std::make_unique<RuleSet>(std::move(rules), std::move(request), std::move(response));
}

}  // namespace

std::vector<RuleProblem> validate(const Guardrails& guardrails) {
  return find_problems(guardrails, {});
}

/// Append-only list of compiled combinations: readers walk it without a lock, since a configuration
/// has a handful and requests ask for them all the time.
struct PolicyEngine::Cache {
  struct Entry {
    std::vector<std::string> names;  ///< as asked for: in order, with repetitions
    std::shared_ptr<const RuleSet> rules;
    Entry* next = nullptr;
  };
  std::atomic<Entry*> head{nullptr};
  std::mutex compiling;

  ~Cache() {
    for (Entry* e = head.load(); e != nullptr;) {
      Entry* const next = e->next;
      delete e;
      e = next;
    }
  }

  [[nodiscard]] const RuleSet* find(
      std::span<const std::vector<std::string>* const> lists) const noexcept {
    for (const Entry* e = head.load(std::memory_order_acquire); e != nullptr; e = e->next) {
      std::size_t at = 0;
      bool equal = true;
      for (const auto* list : lists) {
        if (list == nullptr) continue;
        for (const std::string& name : *list) {
          equal = equal && at < e->names.size() && e->names[at] == name;
          ++at;
        }
      }
      if (equal && at == e->names.size()) return e->rules.get();
    }
    return nullptr;
  }
};

PolicyEngine::PolicyEngine(Guardrails guardrails, PolicyOptions options)
    : guardrails_(std::move(guardrails)), options_(options), cache_(std::make_unique<Cache>()) {}

PolicyEngine::~PolicyEngine() = default;

base::Result<std::shared_ptr<const PolicyEngine>> PolicyEngine::compile(
    const Guardrails& guardrails, PolicyOptions options) {
  if (const auto problems = find_problems(guardrails, options); !problems.empty()) {
    const RuleProblem& p = problems.front();
    return base::Error(base::ErrorCode::invalid_request,
                       "guardrail '" + p.guardrail + "', rule '" + p.rule + "': " + p.message);
  }
  return std::shared_ptr<const PolicyEngine>(new PolicyEngine(guardrails, options));
}

base::Result<const RuleSet*> PolicyEngine::rules_for(
    std::span<const std::vector<std::string>* const> lists) const {
  if (const RuleSet* known = cache_->find(lists); known != nullptr) return known;
  const std::lock_guard lock(cache_->compiling);
  if (const RuleSet* known = cache_->find(lists); known != nullptr) return known;
  auto entry = std::make_unique<Cache::Entry>();
  std::vector<const config::Guardrail*> distinct;
  for (const auto* list : lists) {
    if (list == nullptr) continue;
    for (const std::string& name : *list) {
      entry->names.push_back(name);
      const auto it = guardrails_.find(name);
      if (it == guardrails_.end()) {
        return base::Error(base::ErrorCode::invalid_request,
                           "there is no guardrail named '" + name + "'");
      }
      if (std::find(distinct.begin(), distinct.end(), &it->second) == distinct.end()) {
        distinct.push_back(&it->second);
      }
    }
  }
  std::unique_ptr<RuleSet> rules;
  TG_TRY(rules, compile_set(distinct, options_));
  const RuleSet* const result = rules.get();
  entry->rules = std::move(rules);
  entry->next = cache_->head.load(std::memory_order_relaxed);
  cache_->head.store(entry.release(), std::memory_order_release);
  return result;
}

base::Result<const RuleSet*> PolicyEngine::rules_for(const std::vector<std::string>& names) const {
  const std::vector<std::string>* const list = &names;
  return rules_for(std::span<const std::vector<std::string>* const>(&list, 1));
}

}  // namespace tollgate::domain::policy
