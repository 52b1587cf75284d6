#pragma once

#include <boost/container/small_vector.hpp>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "tollgate/base/clock.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/config/snapshot.hpp"
#include "tollgate/domain/routing/cooldown.hpp"
#include "tollgate/domain/routing/rng.hpp"

namespace tollgate::domain::routing {

/// The wire format of a model call on the agent's side.
enum class Dialect : std::uint8_t { openai, anthropic };
/// Whether a provider of that kind takes the dialect without translation.
[[nodiscard]] bool speaks(config::ProviderKind kind, Dialect dialect) noexcept;

/// What stands behind an alias: whose waits count for everybody, and the words of errors.
enum class Callee : std::uint8_t { model, mcp_server, a2a_agent };

/// A deployment with everything a plan needs, resolved once per snapshot.
/// Lifetime: the pointers live as long as the Snapshot they point into.
struct RoutableDeployment {
  const config::Deployment* deployment = nullptr;
  const config::Provider* provider = nullptr;
  CooldownHandle cooldown;
};

/// One model alias, ready to plan with. Immutable; shared by all workers.
class RoutableAlias {
 public:
  /// A deployment whose provider is not in `providers` is left out (the loader refuses those).
  RoutableAlias(const config::ModelAlias& alias,
                const std::map<std::string, config::Provider, std::less<>>& providers,
                CooldownTable& cooldowns, Callee callee = Callee::model);
  [[nodiscard]] const config::ModelAlias& alias() const noexcept { return *alias_; }
  [[nodiscard]] Callee callee() const noexcept { return callee_; }
  /// Sorted by priority.
  [[nodiscard]] std::span<const RoutableDeployment> deployments() const noexcept {
    return deployments_;
  }

 private:
  const config::ModelAlias* alias_;
  Callee callee_;
  std::vector<RoutableDeployment> deployments_;
};

/// Why a deployment was not tried.
enum class SkipReason : std::uint8_t {
  none,
  provider_not_allowed,  ///< the key may not use the provider
  dialect,               ///< it does not speak the caller's dialect
  cooling_asked,         ///< after a 429 or a Retry-After
  zero_weight,           ///< weight 0 and not alone in its tier
  unaffordable,          ///< the budget cannot hold its price
  unpriced,              ///< no price, and the configuration refuses those
};
[[nodiscard]] std::string_view to_string(SkipReason reason) noexcept;

struct Candidate {
  const RoutableDeployment* target = nullptr;
};

struct Skipped {
  const RoutableDeployment* target = nullptr;
  SkipReason reason = SkipReason::none;
  /// Time until its cooldown ends; 0 unless the reason is cooling_asked.
  std::chrono::milliseconds remaining{0};
};

/// Which deployments to try, in order, and which not, and why. Lives in the call's context; keeps
/// no memory of its own for up to four deployments.
struct RoutePlan {  // NOLINT(bugprone-exception-escape): small_vector's move may allocate
  boost::container::small_vector<Candidate, 4> candidates;
  boost::container::small_vector<Skipped, 4> skipped;
  Callee callee = Callee::model;
};

/// A non-owning `bool(const config::Provider&)`; what it refers to must outlive the call.
class ProviderFilter {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, ProviderFilter>) ProviderFilter(F&& f)
  noexcept  // NOLINT(google-explicit-constructor): a view over a callable
      : object_(&f), call_([](const void* object, const config::Provider& provider) -> bool {
          return (*static_cast<const std::remove_cvref_t<F>*>(object))(provider);
        }) {}
  bool operator()(const config::Provider& provider) const { return call_(object_, provider); }

 private:
  const void* object_;
  bool (*call_)(const void*, const config::Provider&);
};

/// Orders the deployments of an alias for one call: by priority, inside a priority by chance in
/// proportion to weight; pure but for `rng`. Fills `plan` anew.
///
/// A deployment whose provider asked for peace is no candidate, not even as a last resort. Those
/// that cool down after failures come behind all others, whatever their priority, the one that
/// cools for the shortest time first: one caller's failures must not take a deployment from the
/// rest. A deployment of weight 0 is a candidate only when its tier has no usable one with a
/// weight.
void make_plan(const RoutableAlias& alias, Dialect dialect, ProviderFilter provider_allowed,
               Rng& rng, base::MonoTime now, RoutePlan& plan);
[[nodiscard]] RoutePlan plan(const RoutableAlias& alias, Dialect dialect,
                             ProviderFilter provider_allowed, Rng& rng, base::MonoTime now);

/// For a plan that has waited: deployments whose provider had asked for a time that is over now
/// become its last candidates. The others keep their places, since money may be held for one. Those
/// of weight 0 stay out: whether one may serve is a question about its whole tier.
void readmit(RoutePlan& plan, base::MonoTime now);

/// What to answer when a plan has no candidate: upstream_rate_limited with the smallest
/// Retry-After, else not_supported, else permission_denied, else no_deployment: whichever is
/// nearest to working. Of models: an MCP server or agent is always a candidate.
[[nodiscard]] base::Error empty_plan_error(const RoutePlan& plan);

}  // namespace tollgate::domain::routing
