#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {

struct Streamed {
  std::string text;
  GuardAction action = GuardAction::allow;
  std::vector<Match> matches;
  std::size_t most_held = 0;
};

inline bool continues(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Feeds `text` cut at `cuts` (sorted offsets).
inline Streamed stream(const RuleSet& rules, Scanner& scanner, std::string_view text,
                       const std::vector<std::size_t>& cuts, bool check_utf8 = true) {
  StreamGuard guard(rules, Direction::response, scanner);
  Streamed out;
  const auto take = [&](const StreamVerdict& v) {
    if (check_utf8 && !v.release.empty() && rules.rewrites(Direction::response)) {
      EXPECT_FALSE(continues(v.release.front())) << "a code point was cut";
    }
    out.text += v.release;
    out.action = std::max(out.action, v.action);
    out.matches.insert(out.matches.end(), v.matches.begin(), v.matches.end());
  };
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    take(guard.feed(5, text.substr(from, cut - from)));
    out.most_held = std::max(out.most_held, guard.held(5));
    from = cut;
  }
  take(guard.feed(5, text.substr(from)));
  take(guard.finish(5));
  EXPECT_EQ(guard.held(5), 0u);
  EXPECT_TRUE(guard.open_channels().empty());
  return out;
}

inline std::vector<std::size_t> random_cuts(Rng& rng, std::size_t size, std::size_t most) {
  std::vector<std::size_t> cuts;
  for (std::size_t i = 1 + below(rng, most); i > 0; --i) cuts.push_back(below(rng, size + 1));
  std::sort(cuts.begin(), cuts.end());
  return cuts;
}

}  // namespace tollgate::domain::policy::testing
