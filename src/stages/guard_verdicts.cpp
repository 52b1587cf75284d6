#include "stages/guard_verdicts.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tollgate/config/names.hpp"

namespace tollgate::stages {

using base::Error;
using base::ErrorCode;
using config::GuardAction;
using domain::policy::Direction;
using domain::policy::Match;
using domain::policy::RuleSet;
using pipeline::RequestContext;

namespace {

std::string_view to_string(Direction direction) {
  return direction == Direction::request ? "request" : "response";
}

}  // namespace

void note_matches(RequestContext& context, Direction direction, std::span<const Match> matches) {
  for (const Match& match : matches) {
    const auto& rule = context.rules->rule(match);
    const auto series = context.runtime->guardrail_series.find(rule.guardrail);
    if (series != context.runtime->guardrail_series.end())
      context.services->metrics.guardrail_verdicts(series->second, rule.action).inc();
    if (!context.record) continue;
    const std::string_view way = to_string(direction);
    auto& verdicts = context.record->verdicts;
    const auto same = std::find_if(verdicts.begin(), verdicts.end(), [&](const auto& verdict) {
      return verdict.guardrail == rule.guardrail && verdict.rule == rule.name &&
             verdict.direction == way;
    });
    if (same != verdicts.end()) {
      ++same->count;
      continue;
    }
    store::AuditVerdict verdict;
    verdict.guardrail = rule.guardrail;
    verdict.rule = rule.name;
    verdict.action = config::name_of(rule.action);
    verdict.direction = way;
    verdict.count = 1;
    verdicts.push_back(std::move(verdict));
  }
}

void note_credentials(RequestContext& context, std::size_t count) {
  if (count == 0 || !context.record) return;
  constexpr std::string_view kRule = "provider_credential";
  auto& verdicts = context.record->verdicts;
  auto same = std::find_if(verdicts.begin(), verdicts.end(),
                           [&](const auto& verdict) { return verdict.rule == kRule; });
  if (same == verdicts.end()) {
    store::AuditVerdict verdict;
    verdict.guardrail = "tollgate";
    verdict.rule = kRule;
    verdict.action = config::name_of(GuardAction::mask);
    verdict.direction = to_string(Direction::response);
    verdict.count = 0;
    same = verdicts.insert(verdicts.end(), std::move(verdict));
  }
  same->count += static_cast<std::int64_t>(count);
}

Error guardrail_refusal(const RuleSet& rules, std::span<const Match> matches, Direction direction) {
  for (const Match& match : matches) {
    const auto& rule = rules.rule(match);
    if (rule.action != GuardAction::block) continue;
    return Error(ErrorCode::guardrail_blocked,
                 fmt::format("the {} was blocked by the guardrail `{}` (rule `{}`)",
                             to_string(direction), rule.guardrail, rule.name));
  }
  return Error(
      ErrorCode::guardrail_blocked,
      fmt::format("the {} holds text that a guardrail must mask where it cannot be changed",
                  to_string(direction)));
}

}  // namespace tollgate::stages
