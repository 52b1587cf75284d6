#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/snapshot.hpp"

/// The one spelling of every enumeration of the configuration: in YAML, SQL, metrics and refusals.
namespace tollgate::config {

template <class E>
struct Named {
  E value;
  std::string_view name;
};

/// All values of an enumeration, in the order of its declaration.
[[nodiscard]] std::span<const Named<ClientAuth>> names(ClientAuth) noexcept;
[[nodiscard]] std::span<const Named<AcceptBalance>> names(AcceptBalance) noexcept;
[[nodiscard]] std::span<const Named<ProviderKind>> names(ProviderKind) noexcept;
[[nodiscard]] std::span<const Named<OutputCapField>> names(OutputCapField) noexcept;
[[nodiscard]] std::span<const Named<WindowKind>> names(WindowKind) noexcept;
[[nodiscard]] std::span<const Named<BudgetUnit>> names(BudgetUnit) noexcept;
[[nodiscard]] std::span<const Named<RateUnit>> names(RateUnit) noexcept;
[[nodiscard]] std::span<const Named<ScopeKind>> names(ScopeKind) noexcept;
[[nodiscard]] std::span<const Named<UnpricedAction>> names(UnpricedAction) noexcept;
[[nodiscard]] std::span<const Named<AbandonedAttempts>> names(AbandonedAttempts) noexcept;
[[nodiscard]] std::span<const Named<Tokenizer>> names(Tokenizer) noexcept;
[[nodiscard]] std::span<const Named<IgnoredCap>> names(IgnoredCap) noexcept;
[[nodiscard]] std::span<const Named<GuardAction>> names(GuardAction) noexcept;
[[nodiscard]] std::span<const Named<GuardDirection>> names(GuardDirection) noexcept;
[[nodiscard]] std::span<const Named<RuleKind>> names(RuleKind) noexcept;
[[nodiscard]] std::span<const Named<BodyCapture>> names(BodyCapture) noexcept;
[[nodiscard]] std::span<const Named<AuditOnFull>> names(AuditOnFull) noexcept;
[[nodiscard]] std::span<const Named<LoopMode>> names(LoopMode) noexcept;
[[nodiscard]] std::span<const Named<LoopAction>> names(LoopAction) noexcept;
[[nodiscard]] std::span<const Named<LoopStopScope>> names(LoopStopScope) noexcept;
[[nodiscard]] std::span<const Named<AlertKind>> names(AlertKind) noexcept;
[[nodiscard]] std::span<const Named<WebhookFormat>> names(WebhookFormat) noexcept;
[[nodiscard]] std::span<const Named<LogLevel>> names(LogLevel) noexcept;

/// The values alone.
template <class E>
[[nodiscard]] std::vector<E> values_of() {
  std::vector<E> list;
  for (const auto& entry : names(E{})) list.push_back(entry.value);
  return list;
}

/// The name of one value; "?" for a value outside the enumeration.
template <class E>
[[nodiscard]] std::string_view name_of(E value) noexcept {
  for (const auto& entry : names(value))
    if (entry.value == value) return entry.name;
  return "?";
}

/// Surfaces a key's `allow.surfaces` may name.
[[nodiscard]] std::span<const std::string_view> surface_names() noexcept;
/// Detectors a guardrail may name.
[[nodiscard]] std::span<const std::string_view> detector_names() noexcept;

/// The candidate closest to `text`, or "" when none is close enough to be a likely typo.
[[nodiscard]] std::string nearest(std::string_view text, std::span<const std::string> candidates);

}  // namespace tollgate::config
