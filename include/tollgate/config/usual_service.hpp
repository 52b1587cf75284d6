#pragma once

#include <algorithm>
#include <iterator>
#include <string_view>

namespace tollgate::config {

/// Whether a word for how a call is served (service tier, `speed`, `inference_geo`) means that a
/// model's usual prices hold, so that it can be no ModifierTariff's name.
///
/// Source: the APIs of OpenAI (auto, default), Anthropic (standard, standard_only; global,
/// not_available), Groq (on_demand), as of 2026-11. `auto` leaves the choice to the provider.
[[nodiscard]] constexpr bool is_usual_service(std::string_view word) noexcept {
  constexpr std::string_view kUsual[] = {
      "", "auto", "default", "standard", "standard_only", "on_demand", "global", "not_available"};
  return std::find(std::begin(kUsual), std::end(kUsual), word) != std::end(kUsual);
}

}  // namespace tollgate::config
