#pragma once

#include <span>
#include <string>
#include <string_view>

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
[[nodiscard]] std::span<const Named<WindowKind>> names(WindowKind) noexcept;
[[nodiscard]] std::span<const Named<ScopeKind>> names(ScopeKind) noexcept;
[[nodiscard]] std::span<const Named<UnpricedAction>> names(UnpricedAction) noexcept;
[[nodiscard]] std::span<const Named<GuardAction>> names(GuardAction) noexcept;
[[nodiscard]] std::span<const Named<GuardDirection>> names(GuardDirection) noexcept;
[[nodiscard]] std::span<const Named<RuleKind>> names(RuleKind) noexcept;
[[nodiscard]] std::span<const Named<BodyCapture>> names(BodyCapture) noexcept;
[[nodiscard]] std::span<const Named<AuditOnFull>> names(AuditOnFull) noexcept;
[[nodiscard]] std::span<const Named<LogLevel>> names(LogLevel) noexcept;

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
