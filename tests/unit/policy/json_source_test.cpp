#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "support/property_seeds.hpp"
#include "unit/policy/policy_fixture.hpp"
#include "unit/policy/stream_fixture.hpp"

// TextForm::json_source: read with its escapes resolved, given as it is written.
namespace tollgate::domain::policy::testing {
namespace {

TEST(Stream, JsonSourceStaysJson) {
  Compiled compiled({detector("email"), regex("word", "[a-z]+secret\\w*"),
                     regex("quoted", "zz", GuardAction::mask)});
  const auto masked = [&](std::string_view text, std::size_t step) {
    StreamGuard guard(*compiled, Direction::response, compiled.scanner());
    std::string out;
    for (std::size_t i = 0; i < text.size(); i += step)
      out += guard.feed(1, text.substr(i, step), TextForm::json_source).release;
    return out + std::string(guard.finish(1).release);
  };
  const std::vector<std::pair<std::string, std::string>> rows = {
      {R"({"to":"\njane@example.com"})", R"({"to":"\n[REDACTED:email]"})"},
      {R"({"to":"jane\u0040example.com\n"})", R"({"to":"[REDACTED:email]\n"})"},
      {R"({"to":"\u006Aane@example.com"})", R"({"to":"[REDACTED:email]"})"},
      {R"({"to":"\ud83d\ude00 j\u0061ne@ex\u0061mple.com\\"})",
       R"({"to":"\ud83d\ude00 [REDACTED:email]\\"})"},
      {R"({"a":"\nmysecret"})", R"({"a":"\n[REDACTED:word]"})"},
      {R"({"a":"C:\\nmysecret"})", R"({"a":"C:\\[REDACTED:word]"})"}};
  for (const auto& [text, expected] : rows) {
    for (const std::size_t step : {1u, 2u, 3u, 7u, 100u}) EXPECT_EQ(masked(text, step), expected);
  }
  // An escape before it is no letter of a key, an IBAN or a card number, wherever it is cut.
  Compiled shapes(all_detectors());
  for (const std::string escape :
       {R"(\u003d)", R"(\u00E9)", R"(\\u003a)", R"(\t)", R"(\b)", R"(\f)"}) {
    for (const std::string secret :
         {"AKIAIOSFODNN7EXAMPLE", "DE89370400440532013000", "4111111111111111"}) {
      const std::string text = R"({"a":"x)" + escape + secret + R"("})";
      for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        StreamGuard guard(*shapes, Direction::response, shapes.scanner());
        std::string out(guard.feed(1, text.substr(0, cut), TextForm::json_source).release);
        out += guard.feed(1, text.substr(cut), TextForm::json_source).release;
        out += guard.finish(1).release;
        EXPECT_EQ(out.find(secret), out.npos) << out << " at " << cut;
        EXPECT_EQ(out.rfind(R"({"a":"x)" + escape + "[REDACTED:", 0), 0u) << out << " at " << cut;
      }
    }
  }
  EXPECT_EQ(masked(R"({"a":"\nsecret"})", 100), R"({"a":"\nsecret"})") << "not nsecret";
  // What is no escape, or none yet, stays as it is.
  for (const std::string odd : {R"(\q \u12g4 \ud800 \udc00\ud83dx \)", R"(a\u00)", R"(\ud83d\u12)"})
    for (const std::size_t step : {1u, 2u, 5u, 100u}) EXPECT_EQ(masked(odd, step), odd);
}

/// The text as a JSON writer of odd habits spells it.
std::string spelled(Rng& rng, std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const std::uint64_t habit = below(rng, 6);
    if (c == '\n') {
      out += habit == 0 ? "\\u000a" : "\\n";
    } else if (c == '"' || c == '\\') {
      out += std::string("\\") + c;
    } else if (text.substr(i, 2) == "\u00E9") {
      out += habit < 3 ? "\u00E9" : "\\u00E9";
      ++i;
    } else if (text.substr(i, 4) == "\U0001F600") {
      out += habit < 3 ? "\U0001F600" : "\\uD83D\\ude00";
      i += 3;
    } else if (habit == 0) {
      std::array<char, 8> hex{};
      std::snprintf(hex.data(), hex.size(), "\\u%04x", static_cast<unsigned>(c));
      out += hex.data();
    } else if (c == '/' && habit < 4) {
      out += "\\/";
    } else {
      out += c;
    }
  }
  return out;
}

TEST(JsonSourceProperty, AnySpellingInAnySplitIsMaskedAsItsTextIs) {
  Compiled compiled(all_detectors());
  const std::vector<std::string> words = {"the ",
                                          "\"quoted\" ",
                                          "line\n",
                                          "caf\u00E9 ",
                                          "\U0001F600",
                                          "C:\\new ",
                                          "AKIAIOSFODNN7EXAMPLE",
                                          " 4000 ",
                                          "4111111111111111",
                                          "jane@example.com",
                                          "https://a/b",
                                          "DE89370400440532013000",
                                          ", ",
                                          "sk-",
                                          "x"};
  for (std::uint64_t seed = 1; seed <= test::property_seeds(2'000); ++seed) {
    Rng rng(seed);
    std::string text;
    for (std::size_t i = 1 + below(rng, 12); i > 0; --i) text += words[below(rng, words.size())];
    const std::string source = spelled(rng, text);
    StreamGuard guard(*compiled, Direction::response, compiled.scanner());
    std::string out;
    std::size_t from = 0;
    const auto feed = [&](std::size_t to) {
      out += guard.feed(1, source.substr(from, to - from), TextForm::json_source).release;
      from = to;
    };
    for (const std::size_t cut : random_cuts(rng, source.size(), 8)) feed(cut);
    feed(source.size());
    out += guard.finish(1).release;
    const auto read = nlohmann::json::parse("\"" + out + "\"", nullptr, false);
    ASSERT_TRUE(read.is_string()) << seed << ": " << out;
    ASSERT_EQ(read.get<std::string>(), compiled.mask(text)) << seed << ": " << source;
    if (compiled.mask(text) == text) {
      ASSERT_EQ(out, source) << "bytes stay bytes";
    }
  }
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
