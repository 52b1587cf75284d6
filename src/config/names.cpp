#include "tollgate/config/names.hpp"

#include <array>

namespace tollgate::config {

#define TG_NAMES(E, ...)                                \
  std::span<const Named<E>> names(E) noexcept {         \
    using enum E;                                       \
    static constexpr Named<E> kNames[] = {__VA_ARGS__}; \
    return kNames;                                      \
  }

TG_NAMES(ClientAuth, {none, "none"}, {optional, "optional"}, {require, "require"})
TG_NAMES(AcceptBalance, {exact, "exact"}, {kernel, "kernel"})
TG_NAMES(ProviderKind, {openai, "openai"}, {anthropic, "anthropic"},
         {openai_compatible, "openai_compatible"}, {demo, "demo"})
TG_NAMES(OutputCapField, {max_tokens, "max_tokens"},
         {max_completion_tokens, "max_completion_tokens"})
TG_NAMES(WindowKind, {minute, "minute"}, {hour, "hour"}, {day, "day"}, {week, "week"},
         {month, "month"}, {total, "total"})
TG_NAMES(BudgetUnit, {usd, "usd"}, {tokens, "tokens"}, {requests, "requests"})
TG_NAMES(RateUnit, {requests, "requests"}, {tokens, "tokens"}, {concurrent, "concurrent"})
TG_NAMES(ScopeKind, {key, "key"}, {agent, "agent"}, {team, "team"}, {org, "org"}, {model, "model"},
         {provider, "provider"}, {tag, "tag"}, {session, "session"}, {end_user, "end_user"})
TG_NAMES(UnpricedAction, {refuse, "refuse"}, {hold, "hold"})
TG_NAMES(AbandonedAttempts, {estimate, "estimate"}, {hold, "hold"}, {free, "free"})
TG_NAMES(Tokenizer, {generic, "generic"}, {openai, "openai"}, {anthropic, "anthropic"},
         {gemini, "gemini"})
TG_NAMES(IgnoredCap, {end, "end"}, {error, "error"}, {pass, "pass"})
TG_NAMES(GuardAction, {allow, "allow"}, {flag, "flag"}, {mask, "mask"}, {block, "block"})
TG_NAMES(GuardDirection, {request, "request"}, {response, "response"}, {both, "both"})
TG_NAMES(RuleKind, {detector, "detector"}, {regex, "regex"}, {keyword, "keyword"})
TG_NAMES(BodyCapture, {none, "none"}, {masked, "masked"}, {full, "full"})
TG_NAMES(AuditOnFull, {refuse, "refuse"}, {drop, "drop"})
TG_NAMES(LoopMode, {off, "off"}, {observe, "observe"}, {enforce, "enforce"})
TG_NAMES(LoopAction, {alert, "alert"}, {slow_down, "slow_down"}, {stop, "stop"})
TG_NAMES(LoopStopScope, {narrowest, "narrowest"}, {key, "key"})
TG_NAMES(AlertKind, {budget_threshold, "budget_threshold"}, {budget_closed, "budget_closed"},
         {loop_detected, "loop_detected"})
TG_NAMES(WebhookFormat, {json, "json"}, {slack, "slack"})
TG_NAMES(LogLevel, {debug, "debug"}, {info, "info"}, {warn, "warn"}, {error, "error"})
#undef TG_NAMES

std::span<const std::string_view> surface_names() noexcept {
  static constexpr std::array<std::string_view, 9> kSurfaces{
      "chat", "embeddings", "messages", "count_tokens", "models", "other", "mcp", "a2a", "me"};
  return kSurfaces;
}

std::span<const std::string_view> detector_names() noexcept {
  static constexpr std::array<std::string_view, 5> kDetectors{"email", "payment_card", "iban",
                                                              "api_key", "private_key"};
  return kDetectors;
}

}  // namespace tollgate::config
