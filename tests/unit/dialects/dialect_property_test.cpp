#include <gtest/gtest.h>

#include <random>

#include "dialect_fixture.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::protocol {
namespace {

using llm::DialectKind;
using llm::RequestKind;

using tollgate::test::property_seeds;

/// A body of known and unknown members in random order and spacing.
std::string random_body(std::mt19937_64& random) {
  std::vector<std::string> members = {R"("model":"gpt-4o")",
                                      R"("messages":[{"role":"user","content":"hi \u00e9"}])",
                                      R"("stream":true)",
                                      R"("temperature":0.10)",
                                      R"("x":{"max_tokens":5,"model":"inner"})",
                                      R"("seed":1e2)"};
  static constexpr const char* kOptional[] = {R"("max_tokens":900)",
                                              R"("max_completion_tokens":70)",
                                              R"("max_tokens":null)",
                                              R"("stream_options":{})",
                                              R"("stream_options":{"include_usage":false,"z":1})",
                                              R"("stream_options":null)",
                                              R"("n":2)"};
  for (const char* member : kOptional) {
    const std::string_view key =
        std::string_view(member).substr(0, std::string_view(member).find(':'));
    bool is_there = false;
    for (const std::string& other : members) is_there |= other.starts_with(key);
    if (!is_there && random() % 2) members.emplace_back(member);
  }
  std::shuffle(members.begin(), members.end(), random);
  static constexpr const char* kSpaces[] = {"", "", " ", "\n  ", "\t"};
  std::string body = "{";
  for (const std::string& member : members) {
    if (body.size() > 1) body += ",";
    body +=
        kSpaces[random() % std::size(kSpaces)] + member + kSpaces[random() % std::size(kSpaces)];
  }
  return body + "}";
}

TEST(DialectProperty, EditsChangeOnlyWhatTheyGovern) {
  for (std::uint64_t seed = 1; seed <= property_seeds(300); ++seed) {
    std::mt19937_64 random(seed);
    const test::Scanned before(DialectKind::openai, RequestKind::chat_completions,
                               random_body(random));
    ASSERT_EQ(before.refused_param(), "ok") << before.text;
    json::Splicer edits(before.document);
    const auto cap = static_cast<std::int64_t>(1 + random() % 1000);
    ASSERT_TRUE(before.dialect.set_model(before.fields, edits, "served"));
    ASSERT_TRUE(
        before.dialect.set_output_cap(before.fields, edits, cap, llm::CapField::max_tokens));
    before.dialect.include_usage(before.fields, edits);
    const test::Scanned after(DialectKind::openai, RequestKind::chat_completions, edits.str());
    ASSERT_EQ(after.refused_param(), "ok") << "seed " << seed << "\n" << after.text;
    EXPECT_EQ(after.fields.model, "served");
    EXPECT_TRUE(after.fields.include_usage);
    EXPECT_EQ(after.fields.output_cap, std::min(cap, before.fields.output_cap.value_or(cap)));
    for (const json::NodeRef member : before.fields.root.children()) {
      if (member.key_is("model") || member.key_is("stream_options") ||
          member.key_is("max_tokens") || member.key_is("max_completion_tokens")) {
        continue;
      }
      EXPECT_EQ(after.fields.root.find(member.key()).raw(), member.raw()) << "seed " << seed;
    }
  }
}

TEST(DialectProperty, MaskingEveryTextLeavesAValidBodyOfTheSameShape) {
  for (std::uint64_t seed = 1; seed <= property_seeds(200); ++seed) {
    std::mt19937_64 random(seed);
    const test::Scanned before(DialectKind::openai, RequestKind::chat_completions,
                               random_body(random));
    std::vector<llm::TextSpan> spans;
    before.dialect.request_texts(before.fields, spans);
    json::Splicer edits(before.document);
    for (const llm::TextSpan& span : spans) {
      ASSERT_TRUE(edits.replace(span.ref.begin_offset(), span.ref.end_offset(), "\"***\""));
    }
    json::Document after;
    const std::string masked = edits.str();
    ASSERT_TRUE(after.parse(masked).has_value()) << masked;
    ASSERT_EQ(after.node_count(), before.document.node_count());
  }
}

}  // namespace
}  // namespace tollgate::protocol
