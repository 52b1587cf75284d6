#include "tollgate/protocol/llm/event_reader.hpp"

#include <gtest/gtest.h>

#include <random>

#include "support/property_seeds.hpp"

namespace tollgate::protocol::llm {
namespace {

/// Reads each event of a stream twice: by an EventReader, and by its Dialect alone.
class Pair {
 public:
  explicit Pair(DialectKind kind) : dialect_(dialect(kind)) {}

  /// True when the reader took the short way. What both say must be the same either way.
  bool read(const std::string& raw) {
    raw_ = raw;  // as in the connection's buffer: what was read before is overwritten
    sse::Parser parser;
    parser.feed(raw_);
    const sse::Event* const event = parser.next();
    EXPECT_NE(event, nullptr) << raw;
    if (event == nullptr) return false;
    reader_.read(dialect_, *event, document, usage_, said);
    json::Document plain_document;
    StreamEvent plain;
    dialect_.read_event(*event, plain_document, plain_usage_, plain);
    EXPECT_EQ(said.kind, plain.kind) << raw;
    EXPECT_EQ(said.has_content, plain.has_content) << raw;
    EXPECT_EQ(said.is_json, plain.is_json) << raw;
    EXPECT_EQ(said.ended, plain.ended) << raw;
    EXPECT_EQ(said.ends_all, plain.ends_all) << raw;
    EXPECT_EQ(said.has_usage, plain.has_usage) << raw;
    EXPECT_EQ(said.finish_reason, plain.finish_reason) << raw;
    EXPECT_EQ(said.model, plain.model) << raw;
    EXPECT_EQ(usage_.service_tier, plain_usage_.service_tier) << raw;
    EXPECT_EQ(usage_.output, plain_usage_.output) << raw;
    EXPECT_EQ(usage_.input_told, plain_usage_.input_told) << raw;
    EXPECT_EQ(usage_.output_told, plain_usage_.output_told) << raw;
    expect_same_pieces(plain);
    if (said.is_json) expect_same_edits(plain_document);
    return said.repeats;
  }

  json::Document document;
  StreamEvent said;

 private:
  void expect_same_pieces(const StreamEvent& plain) {
    ASSERT_EQ(said.pieces.size(), plain.pieces.size()) << raw_;
    std::string a, b;
    for (std::size_t i = 0; i < plain.pieces.size(); ++i) {
      const TextPiece &got = said.pieces[i], &wanted = plain.pieces[i];
      EXPECT_EQ(got.channel, wanted.channel) << raw_;
      EXPECT_EQ(got.read_only, wanted.read_only) << raw_;
      EXPECT_EQ(got.is_key, wanted.is_key) << raw_;
      EXPECT_EQ(got.node.raw(), wanted.node.raw()) << raw_;
      EXPECT_EQ(got.node.begin_offset(), wanted.node.begin_offset()) << raw_;
      EXPECT_EQ(got.node.text(a), wanted.node.text(b)) << raw_;
      // What is not free has not changed.
      if (said.repeats && !got.is_free && i < before_.size()) {
        EXPECT_EQ(bytes_of(got), before_[i]) << raw_;
      }
    }
    before_.clear();
    for (const TextPiece& piece : said.pieces) before_.emplace_back(bytes_of(piece));
  }
  static std::string_view bytes_of(const TextPiece& piece) {
    return piece.is_key ? piece.node.key_raw() : piece.node.raw();
  }
  void expect_same_edits(const json::Document& plain) {
    json::Splicer a(document), b(plain);
    EXPECT_EQ(dialect_.blank_shadow_text(document, a), dialect_.blank_shadow_text(plain, b));
    EXPECT_EQ(a.str(), b.str());
  }

  const Dialect& dialect_;
  EventReader reader_;
  Usage usage_, plain_usage_;
  std::string raw_;
  std::vector<std::string> before_;
};

std::string data(const std::string& json) {
  return "data: " + json + "\n\n";
}
/// A chunk as OpenAI sends it.
std::string chunk(const std::string& delta, const std::string& padding = "abc",
                  const std::string& finish = "null", const std::string& more = "") {
  return data(
      R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"m",)"
      R"("service_tier":"default","system_fingerprint":"fp","choices":[{"index":0,"delta":)" +
      delta + R"(,"logprobs":null,"finish_reason":)" + finish + R"(}],"usage":null,)" +
      R"("obfuscation":")" + padding + "\"" + more + "}");
}
std::string content(const std::string& text) {
  return R"({"content":")" + text + "\"}";
}

TEST(EventReader, RepeatsWhatOnlySaysOtherWords) {
  Pair pair(DialectKind::openai);
  EXPECT_FALSE(pair.read(chunk(R"({"role":"assistant","content":""})")));
  EXPECT_FALSE(pair.read(chunk(content("Hello"))));
  EXPECT_TRUE(pair.read(chunk(content(" there"))));
  EXPECT_TRUE(pair.read(chunk(content("\\n\\u00e9 \\\"quoted\\\""))));
  EXPECT_FALSE(pair.read(": keep-alive\n\n"));
  EXPECT_TRUE(pair.read(chunk(content(" world")))) << "a keep-alive says nothing";
  EXPECT_FALSE(pair.read(chunk(content(""))));
  EXPECT_FALSE(pair.read(chunk("{}", "abc", "\"stop\"")));
  EXPECT_FALSE(pair.read("data: [DONE]\n\n"));
}

TEST(EventReader, TextsAroundTheAnswerThatChangeAreLookedAt) {
  Pair pair(DialectKind::openai);
  EXPECT_FALSE(pair.read(chunk(content("a"), "p1")));
  EXPECT_FALSE(pair.read(chunk(content("b"), "p2"))) << "now it is known that it changes";
  EXPECT_TRUE(pair.read(chunk(content("c"), "p33")));
  std::size_t free = 0;
  for (const TextPiece& piece : pair.said.pieces) free += piece.is_free ? 1u : 0u;
  EXPECT_EQ(free, 2u) << "the words and the padding";
  // That is remembered over an event of another form.
  EXPECT_FALSE(pair.read(chunk(R"({"refusal":"no"})", "p4")));
  EXPECT_FALSE(pair.read(chunk(content("d"), "p5")));
  EXPECT_TRUE(pair.read(chunk(content("e"), "p6")));
}

TEST(EventReader, ChoicesThatTakeTurnsAreReadEachAndOneAloneRepeatsAgain) {
  Pair pair(DialectKind::openai);
  const auto of = [](int choice) {
    return data(R"({"choices":[{"index":)" + std::to_string(choice) +
                R"(,"delta":{"content":"x"},"finish_reason":null}]})");
  };
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(pair.read(of(i % 2)));
  int until_repeated = 0;
  while (until_repeated < 50 && !pair.read(of(1))) ++until_repeated;
  EXPECT_LE(until_repeated, 9);
  EXPECT_TRUE(pair.read(of(1)));
}

TEST(EventReader, WhatMeansSomethingIsReadEachTime) {
  const std::string usual = chunk(content("a"));
  const std::string others[] = {
      chunk(content("a"), "abc", "\"stop\""),
      chunk(content("a"), "abc", "null", R"(,"usage2":1)"),
      chunk(content("a"), "abc", "null", R"(,"error":{"message":"m"})"),
      chunk(content("a"), "abc", "null", R"(,"error":"m")"),
      chunk(R"({"content":"a","role":"assistant"})"),
      chunk(
          R"({"content":"a","tool_calls":[{"index":0,"function":{"name":"f","arguments":"{"}}]})"),
      chunk(R"({"content":null,"refusal":"x"})"),
      data(R"({"model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]})"),
      data(R"({"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}})"),
      data(R"({"type":"response.output_text.delta","output_index":0,"delta":"x"})"),
      "data: not json\n\n",
      "data:\n\n",
      "event: error\n" + usual,
  };
  for (const std::string& other : others) {
    Pair pair(DialectKind::openai);
    EXPECT_FALSE(pair.read(usual));
    EXPECT_TRUE(pair.read(usual));
    EXPECT_FALSE(pair.read(other)) << other;
    EXPECT_FALSE(pair.read(usual)) << other;
    EXPECT_TRUE(pair.read(usual)) << other;
  }
}

TEST(EventReader, AModelOrTierThatChangesIsTold) {
  Pair pair(DialectKind::openai);
  const auto of = [](const std::string& model, const std::string& tier) {
    return data(R"({"model":")" + model + R"(","service_tier":")" + tier +
                R"(","choices":[{"delta":{"content":"x"}}]})");
  };
  for (int i = 0; i < 3; ++i) {
    pair.read(of("m1", "default"));
    pair.read(of("m2", "default"));
    pair.read(of("m2", "flex"));
    EXPECT_EQ(pair.said.model, "m2");
  }
}

TEST(EventReader, MembersThatMayHoldEncodingsAreJudgedEachTime) {
  Pair pair(DialectKind::openai);
  const std::string encoded(80, 'A');
  const auto of = [](const std::string& value) {
    return data(R"({"choices":[{"delta":{"content":"x"}}],"signature":")" + value + "\"}");
  };
  for (const std::string& value :
       {std::string("short"), encoded, std::string("a few words"), encoded, std::string("other")})
    EXPECT_FALSE(pair.read(of(value))) << value;
}

TEST(EventReader, AnthropicDeltas) {
  Pair pair(DialectKind::anthropic);
  const auto delta = [](int index, const std::string& inner) {
    return "event: content_block_delta\n" +
           data(R"({"type":"content_block_delta","index":)" + std::to_string(index) +
                R"(,"delta":{)" + inner + "}}");
  };
  const auto text = [&](const std::string& words) {
    return delta(0, R"("type":"text_delta","text":")" + words + "\"");
  };
  EXPECT_FALSE(pair.read(text("Hello")));
  EXPECT_TRUE(pair.read(text(" there")));
  EXPECT_FALSE(pair.read(delta(1, R"("type":"text_delta","text":" x")")));
  EXPECT_FALSE(pair.read(delta(1, R"("type":"thinking_delta","thinking":"a")")));
  EXPECT_TRUE(pair.read(delta(1, R"("type":"thinking_delta","thinking":"b")")));
  EXPECT_TRUE(pair.said.pieces.back().read_only);
  EXPECT_FALSE(pair.read(delta(1, R"("type":"signature_delta","signature":"abc")")));
  EXPECT_FALSE(pair.read(delta(1, R"("type":"signature_delta","signature":"abd")")));
  EXPECT_FALSE(pair.read(delta(2, R"("type":"input_json_delta","partial_json":"{\"a\"")")));
  EXPECT_TRUE(pair.read(delta(2, R"("type":"input_json_delta","partial_json":":1}")")));
  const std::string as_error = delta(2, R"("type":"input_json_delta","partial_json":"x")");
  EXPECT_FALSE(pair.read("event: error\n" + as_error.substr(as_error.find("data:"))))
      << "the event's name decides";
}

/// Random streams, hostile ones among them: other spellings, keys twice, empty and broken strings.
TEST(EventReaderProperty, AgreesWithTheDialect) {
  const std::uint64_t seeds = tollgate::test::property_seeds(400);
  std::uint64_t repeated = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    std::mt19937_64 random(seed);
    const auto pick = [&random](auto& list) {
      return std::string(list[random() % std::size(list)]);
    };
    static constexpr const char* kWords[] = {
        "a",
        " word",
        "",
        "\\n",
        "\\u00e9",
        "\\ud83d",
        "\xE2\x82\xAC",
        "[DONE]",
        "error",
        "stop",
        "a long piece of text without anything to escape",
        "\\\"",
        "data:,x",
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAx"};
    static constexpr const char* kBroken[] = {"\\", "\\x", "\x01", "\xC3", "\","};
    static constexpr const char* kKeys[] = {"content",       "content", "content", "reasoning",
                                            "refusal",       "role",    "text",    "signature",
                                            "\\u0063ontent", "url"};
    static constexpr const char* kRootKeys[] = {
        "obfuscation", "model", "service_tier", "error", "type", "signature", "id", "\\u006dodel"};
    const bool is_anthropic = random() % 3 == 0;
    Pair pair(is_anthropic ? DialectKind::anthropic : DialectKind::openai);
    std::string key = pick(kKeys), root_key = pick(kRootKeys), finish = "null", index = "0";
    for (int i = 0; i < 20; ++i) {
      if (random() % 8 == 0) key = pick(kKeys);
      if (random() % 8 == 0) root_key = pick(kRootKeys);
      if (random() % 8 == 0) index = std::to_string(random() % 3);
      finish = random() % 10 == 0 ? "\"stop\"" : "null";
      const std::string word = random() % 25 == 0 ? pick(kBroken) : pick(kWords);
      const std::string inner = "{\"" + key + "\":\"" + word + "\"" +
                                (random() % 20 == 0 ? ",\"" + key + "\":\"twice\"" : "") + "}";
      const std::string around = random() % 3 == 0 ? pick(kWords) : "same";
      const std::string space = random() % 12 == 0 ? " " : "";
      std::string raw;
      if (is_anthropic) {
        raw = std::string(random() % 10 == 0 ? "event: error\n" : "event: content_block_delta\n") +
              R"(data: {"type":"content_block_delta","index":)" + index + R"(,"delta":)" + space +
              inner + ",\"" + root_key + "\":\"" + around + "\"}\n\n";
      } else {
        raw = "data: {\"" + root_key + "\":\"" + around + R"(","choices":[{"index":)" + index +
              ",\"delta\":" + space + inner + R"(,"logprobs":)" +
              (random() % 15 == 0 ? R"({"content":[{"token":"x"}]})" : "null") +
              ",\"finish_reason\":" + finish + "}]}\n\n";
      }
      if (random() % 15 == 0) pair.read(": ping\n\n");
      if (random() % 40 == 0) raw = "data: [DONE]\n\n";
      repeated += pair.read(raw) ? 1u : 0u;
      ASSERT_FALSE(HasFailure()) << "seed " << seed << ", event " << i << "\n" << raw;
    }
  }
  EXPECT_GT(repeated, seeds);
}

}  // namespace
}  // namespace tollgate::protocol::llm
