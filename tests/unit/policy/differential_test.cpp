// The prefilter against trying every detector at every position.
#include <algorithm>

#include "domain/policy/detectors.hpp"
#include "domain/policy/resolve.hpp"
#include "support/property_seeds.hpp"
#include "unit/policy/policy_fixture.hpp"

namespace tollgate::domain::policy::testing {
namespace {

std::vector<Match> naive_scan(const std::string& text) {
  std::vector<Match> raw;
  Window w{text};
  const auto book = [&](const Finding& f, Detector d) {
    if (f.end != 0) raw.push_back({f.begin, f.end, static_cast<std::uint32_t>(d)});
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::string_view rest = std::string_view(text).substr(i);
    if (text[i] == '@') book(find_email(w, i, 1), Detector::email);
    if (rest.starts_with("\\u0040")) book(find_email(w, i, 6), Detector::email);
    if (rest.starts_with("%40")) book(find_email(w, i, 3), Detector::email);
    if (is(text[i], kDigit) && (i == 0 || !is(text[i - 1], kDigit))) {
      book(find_payment_card(w, i), Detector::payment_card);
    }
    if (rest.size() >= 3 && is(rest[0], kAlpha) && is(rest[1], kAlpha) && is(rest[2], kDigit)) {
      book(find_iban(w, i), Detector::iban);
    }
    for (const KeySpec& spec : key_specs()) {
      ClassRuns fresh;
      if (rest.starts_with(spec.literal)) {
        book(find_api_key(w, fresh, spec, i + spec.literal.size()), Detector::api_key);
      }
    }
    for (const std::string_view pem : kPemLiterals) {
      if (rest.starts_with(pem)) book(PemReader(i, i + pem.size()).read(w), Detector::private_key);
    }
  }
  std::sort(raw.begin(), raw.end(), [](const Match& a, const Match& b) {
    return std::tie(a.begin, a.rule, a.end) < std::tie(b.begin, b.rule, b.end);
  });
  std::vector<Match> out;
  Resolver().resolve(raw, std::vector<GuardAction>(kDetectorCount, GuardAction::mask), out);
  return out;
}

/// Texts dense in near-matches: pieces of secrets, separators and other scripts, then mutated.
std::string random_text(Rng& rng) {
  static const std::vector<std::string> kPieces = {"4111 1111 1111 1111",
                                                   "5500-0000-0000-0004",
                                                   "378282246310005",
                                                   "DE89370400440532013000",
                                                   "GB29 NWBK 6016 1331 9268 19",
                                                   "jane.doe@example.com",
                                                   "x%40y.org",
                                                   "x\\u0040y.org",
                                                   "@",
                                                   ".",
                                                   " ",
                                                   "-",
                                                   "\n",
                                                   "\\n",
                                                   "\u00A0",
                                                   "\u2013",
                                                   "\u200B",
                                                   "\u00E9",
                                                   "word",
                                                   "7",
                                                   "42",
                                                   "DE",
                                                   "AKIARAUT2TTPH5HY3RBC",
                                                   "sk-",
                                                   "tg-",
                                                   "sk-ant-",
                                                   "SK",
                                                   "SG.",
                                                   "hooks.slack.com/services/",
                                                   "https://",
                                                   "Q7wE2rT9yU4iO1pA8sD3fG6hJ5kL0zXc",
                                                   "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                                                   "-----BEGIN ",
                                                   "PRIVATE KEY-----",
                                                   "-----END PRIVATE KEY-----",
                                                   "ghp_",
                                                   "glpat-",
                                                   "xoxb-"};
  std::string text;
  for (std::size_t i = 1 + below(rng, 12); i > 0; --i) text += kPieces[below(rng, kPieces.size())];
  for (std::size_t i = below(rng, 4); i > 0; --i) {
    const std::size_t at = below(rng, text.size());
    switch (below(rng, 3)) {
      case 0:
        text[at] = static_cast<char>(rng());
        break;
      case 1:
        text.erase(at, 1 + below(rng, 3));
        break;
      default:
        text.insert(at, random_chars(rng, "0123456789 -@.aZ_", 1 + below(rng, 3)));
    }
    if (text.empty()) text = "a";
  }
  // Move what matters across the 64-byte blocks of the digit finder.
  return std::string(below(rng, 70), ' ') + text;
}

TEST(Differential, PrefiltersMissNothing) {
  Compiled compiled(all_detectors());
  const std::uint64_t seeds = test::property_seeds(20);
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    for (int i = 0; i < 500; ++i) {
      const std::string text = random_text(rng);
      compiled.action(text);
      const std::vector<Match> expected = naive_scan(text);
      ASSERT_EQ(compiled.matches(), expected) << ::testing::PrintToString(text);
      found += expected.size();
    }
  }
  EXPECT_GT(found, seeds * 50);  // the generator does make secrets
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
