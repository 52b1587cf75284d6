#pragma once

#include <chrono>
#include <deque>
#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/routing/attempt_loop.hpp"
#include "tollgate/domain/routing/plan.hpp"

namespace tollgate::domain::routing::testing {

using std::chrono::milliseconds;
using std::chrono::seconds;

/// A moment far enough from zero that "ten seconds ago" exists.
inline base::MonoTime at(milliseconds since_start) {
  return base::MonoTime(std::chrono::hours(100)) + since_start;
}

struct Target {
  std::string provider;
  std::uint32_t priority = 0;
  std::uint32_t weight = 1;
  config::ProviderKind kind = config::ProviderKind::openai;
  std::string model = "gpt";
};

/// One alias with its providers and cooldowns, and everything a call needs.
class World {
 public:
  explicit World(std::initializer_list<Target> targets) {
    alias_.name = "chat";
    for (const Target& target : targets) {
      config::Provider provider;
      provider.name = target.provider;
      provider.kind = target.kind;
      providers_.emplace(target.provider, provider);
      config::Deployment deployment;
      deployment.id = "chat/" + target.provider + "/" + target.model;
      deployment.provider = target.provider;
      deployment.model = target.model;
      deployment.priority = target.priority;
      deployment.weight = target.weight;
      alias_.deployments.push_back(deployment);
    }
  }

  RoutePlan plan_at(base::MonoTime now, Dialect dialect = Dialect::openai) {
    const RoutableAlias routable(alias_, providers_, cooldowns, callee);
    routables_.push_back(routable);
    const auto any = [](const config::Provider&) { return true; };
    return plan(routables_.back(), dialect, any, rng, now);
  }
  RoutableAlias routable() { return RoutableAlias(alias_, providers_, cooldowns); }
  CooldownHandle cooldown(const std::string& provider, const std::string& model = "gpt") {
    return cooldowns.resolve("chat/" + provider + "/" + model);
  }

  CooldownTable cooldowns;
  RetryBudget budget;
  Rng rng{7};
  config::Routing rules;
  Callee callee = Callee::model;

 private:
  config::ModelAlias alias_;
  std::map<std::string, config::Provider, std::less<>> providers_;
  std::deque<RoutableAlias> routables_;  // plans point into these
};

inline std::vector<std::string> names(const RoutePlan& plan) {
  std::vector<std::string> out;
  for (const Candidate& c : plan.candidates) out.push_back(c.target->provider->name);
  return out;
}

}  // namespace tollgate::domain::routing::testing
