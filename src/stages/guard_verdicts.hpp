#pragma once

#include <span>

#include "tollgate/domain/policy/rule_set.hpp"
#include "tollgate/pipeline/context.hpp"

/// What guardrail matches mean for a call, the same for every protocol.
namespace tollgate::stages {

/// Counts matches per rule into the record and the metrics. Never the matched text.
void note_matches(pipeline::RequestContext& context, domain::policy::Direction direction,
                  std::span<const domain::policy::Match> matches);

/// Counts provider credentials that were taken out of an answer into the record.
void note_credentials(pipeline::RequestContext& context, std::size_t count);

/// The refusal for text that one of `matches` blocks, or that must be masked where nothing may be
/// changed. Names guardrail and rule, never the text.
[[nodiscard]] base::Error guardrail_refusal(const domain::policy::RuleSet& rules,
                                            std::span<const domain::policy::Match> matches,
                                            domain::policy::Direction direction);

}  // namespace tollgate::stages
