#include "unit/budget/simulation/totals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>
#include <utility>

namespace tollgate::domain::budget::simulation {
namespace {

constexpr std::pair<std::string_view, std::int64_t Totals::*> kFigures[] = {
    {"steps", &Totals::steps},
    {"holds", &Totals::holds},
    {"refused by a budget", &Totals::budget_refusals},
    {"refused by a rate limit", &Totals::rate_refusals},
    {"refused by concurrency", &Totals::concurrency_refusals},
    {"no place for a session", &Totals::no_place},
    {"settlements", &Totals::settlements},
    {"releases", &Totals::releases},
    {"overruns", &Totals::overruns},
    {"attempts given up", &Totals::attempts},
    {"rebases", &Totals::rebases},
    {"rebases refused", &Totals::rebases_refused},
    {"shrinks", &Totals::shrinks},
    {"waits", &Totals::waits},
    {"waits granted", &Totals::waits_granted},
    {"waits refused", &Totals::waits_refused},
    {"waits cancelled", &Totals::waits_cancelled},
    {"waited at most at once", &Totals::longest_line},
    {"limit edits", &Totals::edits},
    {"adjustments", &Totals::adjustments},
    {"crashes", &Totals::crashes},
    {"updates cut by a crash", &Totals::cuts},
    {"holds interrupted", &Totals::interrupted},
    {"settlements recovered", &Totals::recovered},
    {"settlements found on record", &Totals::repeated},
    {"windows opened", &Totals::windows},
    {"clock steps back", &Totals::steps_back},
    {"sessions and end users seen", &Totals::live_seen},
    {"forgotten", &Totals::live_forgotten},
    {"given up with their spend", &Totals::charged_given_up},
    {"given up without any", &Totals::uncharged_given_up},
    {"violations", &Totals::violations},
};

}  // namespace

Totals& Totals::operator+=(const Totals& other) {
  const std::int64_t line = std::max(longest_line, other.longest_line);
  for (const auto& [name, figure] : kFigures) this->*figure += other.*figure;
  longest_line = line;
  return *this;
}

std::string to_string(const Totals& totals) {
  std::string text;
  for (const auto& [name, figure] : kFigures)
    text += fmt::format("{:>12}  {}\n", totals.*figure, name);
  return text;
}

}  // namespace tollgate::domain::budget::simulation
