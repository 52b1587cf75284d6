#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tollgate/base/result.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/policy/rule_set.hpp"

namespace tollgate::domain::policy {

using Guardrails = std::map<std::string, config::Guardrail, std::less<>>;

/// A rule that cannot be compiled, for `tollgate check` and start-up.
struct RuleProblem {
  std::string guardrail;
  std::size_t rule_index = 0;  ///< position in Guardrail::rules, to find its place in the YAML
  std::string rule;
  std::string message;
};

struct PolicyOptions {
  /// A regex without a largest width (or one over 1024 bytes) is searched on streams in a window of
  /// this many bytes: longer matches are found in whole texts only.
  std::size_t regex_hold_bytes = 256;
};

/// Checks every rule of every guardrail; empty when all compile. Takes milliseconds per regex.
[[nodiscard]] std::vector<RuleProblem> validate(const Guardrails& guardrails);

/// Compiles guardrails into RuleSets, once per configuration snapshot.
///
/// Place:    built beside each config::Snapshot and pinned with it; RuleSets die with the engine.
/// Threads:  rules_for() from any thread. A known combination is found without a lock; a new one is
///           compiled under a mutex (milliseconds when it has regexes) and kept.
class PolicyEngine {
 public:
  /// Copies and validates `guardrails`.
  /// Errors: invalid_request, whose message names guardrail and rule of the first problem.
  [[nodiscard]] static base::Result<std::shared_ptr<const PolicyEngine>> compile(
      const Guardrails& guardrails, PolicyOptions options = {});
  ~PolicyEngine();
  PolicyEngine(const PolicyEngine&) = delete;
  PolicyEngine& operator=(const PolicyEngine&) = delete;

  /// The compiled union of the named guardrails, e.g. of {&defaults, &org, &team, &agent, &key,
  /// &model}. Null and empty lists are skipped, repeated names count once. Allocates nothing for a
  /// combination seen before. Call it once at start for the usual combinations, so that the first
  /// request does not compile.
  /// Errors: invalid_request for a name that does not exist.
  [[nodiscard]] base::Result<const RuleSet*> rules_for(
      std::span<const std::vector<std::string>* const> lists) const;
  [[nodiscard]] base::Result<const RuleSet*> rules_for(const std::vector<std::string>& names) const;

 private:
  struct Cache;
  explicit PolicyEngine(Guardrails guardrails, PolicyOptions options);
  Guardrails guardrails_;
  PolicyOptions options_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace tollgate::domain::policy
