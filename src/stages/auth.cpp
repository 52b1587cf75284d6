#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "tollgate/domain/keys/credential.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/interpret.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using domain::keys::CredentialField;
using pipeline::Payload;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::Verdict;
using protocol::http::HeaderId;
using telemetry::AuthFailure;

std::string_view reason_name(AuthFailure failure) {
  switch (failure) {
    case AuthFailure::missing:
      return "missing";
    case AuthFailure::malformed:
      return "malformed";
    case AuthFailure::unknown:
      return "unknown";
    case AuthFailure::revoked:
      return "revoked";
    case AuthFailure::expired:
      return "expired";
    case AuthFailure::throttled:
      return "throttled";
  }
  return "unknown";
}

domain::routing::Dialect dialect_of(const RequestContext& context) {
  return context.route.dialect == pipeline::Dialect::anthropic ? domain::routing::Dialect::anthropic
                                                               : domain::routing::Dialect::openai;
}

class AuthStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "auth"; }
  [[nodiscard]] bool sees_events() const noexcept override { return false; }

  Verdict on_head(RequestContext& context) override {
    if (context.head_fault) {
      // The answer is the same for everybody, so a bad key is neither told nor counted.
      const auto presented = credential_of(context);
      if (!presented.has_error()) {
        const auto found = context.runtime->keys->authenticate(*presented, context.started);
        if (!found.has_error()) context.key = *found;
      }
      return pipeline::admit(context);
    }
    if (context.route.surface == Surface::probe) return pipeline::admit(context);
    const auto presented = credential_of(context);
    if (presented.has_error()) return reject(context, {}, presented.error());
    auto found = context.runtime->keys->authenticate(*presented, context.started);
    if (found.has_error()) return reject(context, *presented, found.error());
    context.key = *found;
    // Only now what else is wrong with the head: a stranger learns nothing of paths and methods,
    // and a caller's mistakes are on record.
    Verdict admitted = pipeline::admit(context);
    if (admitted.refused()) return admitted;
    return permit(context);
  }

  pipeline::Decision on_request(RequestContext& context) override { return route(context); }

 private:
  /// The one credential of the head, wherever it stands.
  static base::Result<std::string_view> credential_of(const RequestContext& context) {
    domain::keys::CredentialCollector credential;
    for (const auto& field : context.head->headers.fields()) {
      if (field.id == HeaderId::authorization) {
        credential.add(CredentialField::authorization, field.value);
      } else if (field.id == HeaderId::x_api_key) {
        credential.add(CredentialField::x_api_key, field.value);
      } else if (field.id == HeaderId::api_key) {
        credential.add(CredentialField::api_key, field.value);
      } else if (field.id == HeaderId::x_goog_api_key) {
        credential.add(CredentialField::x_goog_api_key, field.value);
      }
    }
    if (context.target.has_query()) credential.add_query(context.target.raw_query());
    return credential.finish();
  }

  /// Which of the refusals it was, for metrics only: the caller hears the same text for all.
  static AuthFailure why(const RequestContext& context, std::string_view presented) {
    if (presented.empty()) return AuthFailure::missing;
    if (!domain::keys::is_well_formed_key(presented)) return AuthFailure::malformed;
    const auto* record = context.runtime->keys->find(domain::keys::key_digest(presented));
    if (record == nullptr) return AuthFailure::unknown;
    return record->is_expired(context.started) ? AuthFailure::expired : AuthFailure::revoked;
  }

  static void note(RequestContext& context, AuthFailure failure) {
    context.services->metrics.auth_failures(failure).inc();
    context.services->store.note_unauthenticated(reason_name(failure), context.client_address);
  }

  /// Bad or no credentials. Those of an address that fails too often are told apart no longer; the
  /// lookup came first, so that a valid key passes whoever else is behind its address (it costs one
  /// digest, and only bad keys get here).
  [[gnu::cold]] static Verdict reject(RequestContext& context, std::string_view presented,
                                      const Error& error) {
    if (context.services->throttle.blocked(context.client_address, context.received_at)) {
      note(context, AuthFailure::throttled);
      context.services->metrics.limit_hits(telemetry::LimitHit::failed_auth_per_minute).inc();
      return Verdict::refuse(
          Error(ErrorCode::rate_limited, "too many failed authentications from this address")
              .with_retry_after(60));
    }
    note(context, why(context, presented));
    context.services->throttle.on_failure(context.client_address,
                                          context.config().limits.failed_auth_per_minute,
                                          context.services->clock.mono());
    return Verdict::refuse(error);
  }

  /// What the head alone decides: surface, path, server, agent, origin.
  static Verdict permit(RequestContext& context) {
    const auto& permissions = context.key->permissions;
    const Surface surface = context.route.surface;
    if (surface != Surface::me && !permissions.surface(to_string(surface)))
      return deny(fmt::format("this key may not use {}", to_string(surface)));
    if (surface == Surface::other && !permissions.path(context.target.path()))
      return deny("this key may not use this path (allow.paths)");
    if (surface == Surface::mcp || surface == Surface::a2a) {
      const std::string_view origin = context.head->value(HeaderId::origin);
      const auto& allowed = context.config().mcp_allowed_origins;
      if (!origin.empty() && std::find(allowed.begin(), allowed.end(), origin) == allowed.end())
        return Verdict::refuse(
            Error(ErrorCode::origin_denied, "this Origin is not on mcp_allowed_origins"));
      const bool is_mcp = surface == Surface::mcp;
      const auto& peers = is_mcp ? context.runtime->mcp : context.runtime->a2a;
      const auto peer = peers.find(context.route.name);
      const bool reachable = is_mcp ? permissions.mcp_server(context.route.name)
                                    : permissions.a2a_agent(context.route.name);
      // One answer for "does not exist" and "not for you": names are not for guessing.
      if (peer == peers.end() || !reachable)
        return deny(fmt::format("this key may not use this {}", is_mcp ? "MCP server" : "agent"));
      context.peer = peer->second.get();
    }
    return Verdict::proceed();
  }

  static Verdict deny(std::string message) {
    return Verdict::refuse(Error(ErrorCode::permission_denied, std::move(message)));
  }

  /// What the body decides: model, tool, method. Makes the plan.
  static Verdict route(RequestContext& context) {
    const Surface surface = context.route.surface;
    if (surface == Surface::probe || surface == Surface::models || surface == Surface::me)
      return Verdict::proceed();
    Payload& payload = context.payload;
    if (context.peer != nullptr) {
      Verdict verdict = permit_rpc(context);
      if (verdict.refused()) return verdict;
      context.alias = context.peer->target.get();
      context.free_of_charge = !payload.billable;
    } else {
      Verdict verdict = find_alias(context);
      if (verdict.refused()) return verdict;
      context.free_of_charge = surface == Surface::count_tokens;
      if (surface == Surface::other) set_flat_price(context);
    }
    const auto& permissions = context.key->permissions;
    const bool any_provider = context.peer != nullptr;
    const auto allowed = [&permissions, any_provider](const config::Provider& provider) {
      return any_provider || permissions.provider(provider.name);
    };
    const auto dialect =
        context.peer != nullptr ? domain::routing::Dialect::openai : dialect_of(context);
    domain::routing::make_plan(context.alias->routable, dialect, allowed, context.services->rng,
                               context.body_read_at, context.plan);
    if (context.plan.candidates.empty())
      return Verdict::refuse(domain::routing::empty_plan_error(context.plan));
    return Verdict::proceed();
  }

  static Verdict find_alias(RequestContext& context) {
    const Payload& payload = context.payload;
    if (payload.model.empty()) return find_provider(context);
    const auto& aliases = context.runtime->aliases;
    const auto alias = aliases.find(payload.model);
    if (!context.key->permissions.model(payload.model)) {
      return Verdict::refuse(
          Error(ErrorCode::model_not_allowed, fmt::format("this key may not use the model `{}`",
                                                          base::printable(payload.model, 100)))
              .with_param("model"));
    }
    if (alias == aliases.end()) {
      return Verdict::refuse(
          Error(ErrorCode::model_not_found,
                fmt::format("the model `{}` does not exist here; GET /v1/models lists those this "
                            "key may use",
                            base::printable(payload.model, 100)))
              .with_param("model"));
    }
    context.alias = alias->second.get();
    return Verdict::proceed();
  }

  /// Other /v1 paths whose body names no model go to the provider the agent names, or to the only
  /// one there is.
  static Verdict find_provider(RequestContext& context) {
    const auto& routes = context.runtime->provider_routes;
    const std::string_view wanted = context.head->headers.value("x-tollgate-provider");
    const pipeline::AliasRuntime* chosen = nullptr;
    std::size_t usable = 0;
    for (const auto& [name, route] : routes) {
      if (!context.key->permissions.provider(name)) continue;
      const auto& provider = *route->routable.deployments().front().provider;
      if (!domain::routing::speaks(provider.kind, dialect_of(context))) continue;
      if (!wanted.empty() && wanted != name) continue;
      ++usable;
      chosen = route.get();
    }
    if (usable == 1) {
      context.alias = chosen;
      return Verdict::proceed();
    }
    if (usable == 0 && !wanted.empty())
      return deny("this key may not use the provider named by x-tollgate-provider");
    return Verdict::refuse(
        Error(ErrorCode::invalid_request,
              "the body names no model: say which provider in the header x-tollgate-provider"));
  }

  /// Other paths cost what the configuration says, whatever model they name; without a price the
  /// budget stage treats them as unpriced.
  static void set_flat_price(RequestContext& context) {
    context.priced = *context.alias->routable.deployments().front().deployment;
    context.priced->price.reset();
    if (const auto price = context.config().spending.other_path_price) {
      config::Price flat;
      flat.per_call = *price;
      context.priced->price = flat;
    }
  }

  static Verdict permit_rpc(RequestContext& context) {
    const Payload& payload = context.payload;
    const auto& permissions = context.key->permissions;
    const std::string_view name = context.route.name;
    if (context.route.surface == Surface::mcp) {
      if (payload.rpc_method == "tools/call" && !permissions.mcp_tool(name, payload.tool))
        return deny(
            fmt::format("this key may not call the tool `{}`", base::printable(payload.tool, 100)));
    } else if (/* either version's spelling in the list will do */ !payload.rpc_method.empty() &&
               !permissions.a2a_method(name, payload.rpc_method) &&
               !permissions.a2a_method(name, payload.a2a.name) &&
               !permissions.a2a_method(name, payload.a2a.v1_name)) {
      return deny(fmt::format("this key may not call `{}` of this agent",
                              base::printable(payload.rpc_method, 100)));
    } else if (payload.a2a.sets_push_config &&
               !permissions.a2a_method(name, protocol::a2a::kSetPushConfig) &&
               !permissions.a2a_method(name, protocol::a2a::kSetPushConfigV1)) {
      return deny(
          fmt::format("this key may not call `{}` of this agent, nor send its configuration "
                      "with a message",
                      protocol::a2a::kSetPushConfig));
    }
    return Verdict::proceed();
  }
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_auth_stage() {
  return std::make_unique<AuthStage>();
}

}  // namespace tollgate::stages
