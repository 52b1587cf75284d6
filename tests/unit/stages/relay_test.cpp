// Relaying a stream through the guardrails, and that the short way for events like the one before
// them (protocol::llm::EventReader) changes nothing.
#include <gtest/gtest.h>

#include <random>

#include "relay_fixture.hpp"
#include "support/property_seeds.hpp"
#include "tollgate/base/digest.hpp"

namespace tollgate::stages {
namespace {

using protocol::llm::DialectKind;
using testing::Outcome;
using testing::RelayBench;
using testing::Thorough;

std::string chunk(const std::string& content, const std::string& around = "",
                  const std::string& in_choice = "") {
  return R"(data: {"id":"c-1","model":"m",)" + around +
         R"("choices":[{"index":0,"delta":{"content":")" + content + R"("},"finish_reason":null)" +
         in_choice + "}]}\n\n";
}
const std::string kEnd =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
    "data: [DONE]\n\n";

Outcome relay(RelayBench& bench, const std::vector<std::string>& pieces) {
  const protocol::llm::Dialect& dialect = protocol::llm::dialect(DialectKind::openai);
  const Thorough thorough(dialect);
  Outcome out = bench.relay(dialect, pieces);
  const Outcome wanted = bench.relay(thorough, pieces);
  EXPECT_EQ(out.bytes, wanted.bytes);
  EXPECT_EQ(out, wanted);
  return out;
}

TEST(Relay, PassesWhatNobodyChanges) {
  RelayBench bench;
  std::string stream;
  for (int i = 0; i < 200; ++i) stream += chunk("some words ");
  const Outcome out = relay(bench, {stream, kEnd});
  EXPECT_EQ(out.end, RelayEnd::complete);
  EXPECT_EQ(out.bytes, stream + kEnd);
  EXPECT_EQ(out.response_bytes, out.bytes.size());
  EXPECT_EQ(out.output_text_bytes, 200u * 11);
  EXPECT_EQ(out.model, "m");
  EXPECT_EQ(out.captured, out.bytes.substr(0, 20'000));
  EXPECT_EQ(out.digest, base::to_hex(base::sha256(out.bytes)));
}

TEST(Relay, MasksInEventsThatRepeat) {
  RelayBench bench;
  const Outcome out = relay(bench, {chunk("Write "), chunk("to jo"), chunk("e@example"),
                                    chunk(".com or "), chunk("to me. "), kEnd});
  EXPECT_EQ(out.bytes.find("joe"), std::string::npos) << out.bytes;
  EXPECT_EQ(out.bytes.find("example"), std::string::npos) << out.bytes;
  EXPECT_NE(out.bytes.find("to me. "), std::string::npos) << out.bytes;
  ASSERT_EQ(out.verdicts.size(), 1u);
  EXPECT_EQ(out.verdicts[0].count, 1);
}

TEST(Relay, MasksTextsAroundTheAnswerInEachEventAlike) {
  RelayBench bench;
  const std::string with = R"("user":"joe@example.com",)";
  const Outcome out = relay(bench, {chunk("a ", with), chunk("b ", with), ": keep-alive\n\n",
                                    chunk("c ", with), chunk("d ", with), kEnd});
  EXPECT_EQ(out.bytes.find("joe"), std::string::npos) << out.bytes;
  ASSERT_EQ(out.verdicts.size(), 1u);
  EXPECT_EQ(out.verdicts[0].count, 4) << "each is a find of its own";
}

TEST(Relay, LooksAtTextsAroundTheAnswerThatChange) {
  RelayBench bench;
  std::vector<std::string> pieces;
  for (int i = 0; i < 4; ++i)
    pieces.push_back(chunk("a ", R"("pad":"p)" + std::to_string(i) + R"(",)"));
  pieces.push_back(chunk("a ", R"("pad":"joe@example.com",)"));
  pieces.push_back(chunk("a ", R"("pad":"forbidden",)"));
  pieces.push_back(chunk("after"));
  const Outcome out = relay(bench, pieces);
  EXPECT_EQ(out.bytes.find("joe"), std::string::npos) << out.bytes;
  EXPECT_EQ(out.end, RelayEnd::stopped);
  EXPECT_EQ(out.bytes.find("after"), std::string::npos) << out.bytes;
}

TEST(Relay, BlanksShadowTextInEachEvent) {
  RelayBench bench;
  const std::string with = R"(,"logprobs":{"content":[{"token":"x"}]})";
  const Outcome out = relay(bench, {chunk("a ", "", with), chunk("b ", "", with), ": keep\n\n",
                                    chunk("c ", "", with), kEnd});
  EXPECT_EQ(out.bytes.find("token"), std::string::npos) << out.bytes;
}

TEST(Relay, FindsACredentialInEventsThatRepeat) {
  RelayBench bench;
  const Outcome out = relay(
      bench, {chunk("a "), chunk("b "), chunk("provider-credential-1 "), chunk("provider-cre"),
              chunk("dential-1 "), chunk("provider-\\u0063redential-1 "), kEnd});
  EXPECT_EQ(out.bytes.find("dential-1"), std::string::npos) << out.bytes;
  ASSERT_EQ(out.verdicts.size(), 1u);
  EXPECT_EQ(out.verdicts[0].count, 3);
}

/// `text` with a character of it as an escape.
std::string escaped(std::string text) {
  return text.replace(9, 1, "\\u0063");
}
TEST(Relay, ACountBeforeMoreTextIsNotOfAllOfIt) {
  RelayBench bench;
  const std::string count = R"("usage":{"prompt_tokens":3,"completion_tokens":1},)";
  const Outcome stale = relay(bench, {chunk("a ", count), chunk("b "), kEnd});
  EXPECT_TRUE(stale.usage_is_final);
  EXPECT_TRUE(stale.input_told);
  EXPECT_FALSE(stale.output_told);
  const Outcome last = relay(bench, {chunk("a ", count), chunk("b ", count), kEnd});
  EXPECT_TRUE(last.output_told);
}

const std::string kKey = "provider-credential-1";  // and a shorter credential is its beginning

TEST(Relay, ACredentialThatGoesOnInTheNextEventIsTakenOutWhole) {
  RelayBench bench;
  for (std::size_t cut = 1; cut < kKey.size(); ++cut) {
    for (const bool hides : {false, true}) {
      const std::string head = kKey.substr(0, cut);
      const Outcome out =
          relay(bench, {chunk("it is "), chunk(hides && cut > 9 ? escaped(head) : head),
                        chunk(kKey.substr(cut) + "."), kEnd});
      EXPECT_EQ(out.bytes.find("redential-1"), std::string::npos) << cut << out.bytes;
      EXPECT_EQ(out.bytes.find("\"" + kKey.substr(cut)), std::string::npos) << cut << out.bytes;
      EXPECT_NE(out.bytes.find("[REDACTED:provider_credential]"), std::string::npos);
      EXPECT_EQ(out.end, RelayEnd::complete);
      ASSERT_EQ(out.verdicts.size(), 1u);
      EXPECT_EQ(out.verdicts[0].count, 1) << cut;
    }
  }
  // The shorter one at the end of its text.
  const Outcome short_one = relay(bench, {chunk("it is provider-credential"), kEnd});
  EXPECT_EQ(short_one.bytes.find("credential\""), std::string::npos) << short_one.bytes;
  EXPECT_EQ(short_one.verdicts.at(0).count, 1);
}

TEST(Relay, ACredentialIsTakenOutOfKeysAndOfWhatNoGuardrailReads) {
  for (const char* const guardrail : {"everything", "flags"}) {
    RelayBench bench(guardrail);
    for (const std::string& key : {kKey, escaped(kKey)}) {
      const std::string member = "\"" + key + "\":1";
      const std::string delta =
          R"(data: {"choices":[{"index":0,"delta":{"content":"a",)" + member + "}}]}\n\n";
      for (const std::string& event :
           {chunk("a ", member + ","), chunk("a ", R"("x":{)" + member + "},"),
            chunk("a ", R"("x":)" + ("[\"" + key + "\"],")), chunk("a ", "", "," + member),
            chunk("a ", "", R"(,"logprobs":{)" + member + R"(,"a":[")" + key + R"("]})"),
            chunk("a ", R"("usage":{"total_tokens":2,)" + member + "},"), delta}) {
        const Outcome out =
            relay(bench, {chunk("a "), chunk("a "), event, event, chunk("a "), kEnd});
        EXPECT_EQ(out.bytes.find("redential-1"), std::string::npos) << event << out.bytes;
        EXPECT_EQ(out.end, RelayEnd::complete) << event << out.bytes;
        ASSERT_EQ(out.verdicts.size(), 1u) << event;
      }
      // Two that would become one, or a number.
      const Outcome twice =
          relay(bench, {chunk("a "), chunk("b", member + ",\"" + kKey.substr(0, 19) + "\":2,")});
      EXPECT_EQ(twice.bytes.find("redential\""), std::string::npos) << twice.bytes;
      EXPECT_EQ(twice.end, RelayEnd::stopped);
    }
  }
}

TEST(Relay, KeysThatAreNoPlainNamesAreGuarded) {
  RelayBench bench;
  for (const std::string& event :
       {chunk("b ", R"("joe@example.com":1,)"), chunk("b ", R"("x":{"joe@example.com":1},)"),
        chunk("b ", "", R"(,"joe\u0040example.com":1)")}) {
    const Outcome out = relay(bench, {chunk("a "), chunk("a "), event, chunk("after"), kEnd});
    EXPECT_EQ(out.end, RelayEnd::stopped) << event;
    EXPECT_EQ(out.bytes.find("joe"), std::string::npos) << out.bytes;
    EXPECT_EQ(out.bytes.find("after"), std::string::npos) << out.bytes;
  }
  RelayBench flags("flags");
  const std::string flagged = chunk("a ", R"("joe@example.com":1,)");
  const Outcome out = relay(flags, {flagged, flagged, kEnd});
  EXPECT_EQ(out.bytes, flagged + flagged + kEnd);
  EXPECT_EQ(out.verdicts.at(0).count, 2);
}

const std::string kFinish =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const std::string kUsage =
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n\n";

TEST(Relay, WithoutItsMarkAStreamEndsOnlyWhereItsConnectionSaysSo) {
  using pipeline::TransportFailure;
  using protocol::http::BodyKind;
  struct Case {
    std::string stream;
    BodyKind kind;
    TransportFailure failure;
    RelayEnd end;
  };
  const std::string text = chunk("text");
  const std::string done = "data: [DONE]\n\n";
  for (const Case& c : std::vector<Case>{
           {text + kFinish, BodyKind::chunked, TransportFailure::none, RelayEnd::complete},
           {text + kFinish, BodyKind::chunked, TransportFailure::cut, RelayEnd::cut},
           {text + kFinish, BodyKind::until_close, TransportFailure::none, RelayEnd::cut},
           {text + kFinish + kUsage, BodyKind::chunked, TransportFailure::cut, RelayEnd::cut},
           {text + kFinish + kUsage, BodyKind::until_close, TransportFailure::none,
            RelayEnd::complete},
           {text + kUsage + kUsage, BodyKind::until_close, TransportFailure::none, RelayEnd::cut},
           {text + kFinish + done, BodyKind::until_close, TransportFailure::none,
            RelayEnd::complete},
           {text + kFinish + done, BodyKind::chunked, TransportFailure::cut, RelayEnd::complete}}) {
    RelayBench bench;
    bench.body_kind = c.kind;
    bench.body_failure = c.failure;
    const Outcome out = relay(bench, {c.stream});
    EXPECT_EQ(out.end, c.end) << c.stream << out.bytes;
    EXPECT_EQ(out.upstream_cut, c.end == RelayEnd::cut);
    EXPECT_EQ(out.bytes.find("upstream_cut") != std::string::npos, c.end == RelayEnd::cut);
  }
}

TEST(Relay, AnEventWithoutItsEndIsACut) {
  RelayBench bench;
  const std::string begun = chunk("text") + kFinish;
  for (const std::string rest :
       {"data: {\"choices\":[{\"index\":0,\"del", "data: {}\n", "event: x\r\n", ": a\ndata"}) {
    const Outcome out = relay(bench, {begun, rest});
    EXPECT_EQ(out.end, RelayEnd::cut) << rest;
    EXPECT_NE(out.bytes.find("upstream_cut"), std::string::npos) << out.bytes;
    EXPECT_EQ(relay(bench, {begun + "data: [DONE]\n\n", rest}).end, RelayEnd::complete) << rest;
  }
  for (const std::string rest : {": keep-al", ": keep-alive\n", "\r", ": a\r\n: b"})
    EXPECT_EQ(relay(bench, {begun, rest}).end, RelayEnd::complete) << rest;
  for (const std::string rest : {"data: [DONE]", "data: [DONE]\n", "data:[DONE]\r\n"}) {
    const Outcome out = relay(bench, {chunk("text"), rest});
    EXPECT_EQ(out.end, RelayEnd::complete) << rest;
    EXPECT_NE(out.bytes.find("[DONE]"), std::string::npos) << out.bytes;
  }
}

TEST(Relay, CommentsBeforeTheFirstEventCommitToNothing) {
  const std::string comments = ": OPENROUTER PROCESSING\n\n\n: keep-alive\r\n\r\n";
  RelayBench bench;
  const Outcome whole = relay(bench, {comments, comments + chunk("text"), ": later\n\n", kEnd});
  EXPECT_EQ(whole.end, RelayEnd::complete);
  EXPECT_EQ(whole.bytes.find("OPENROUTER"), std::string::npos) << whole.bytes;
  EXPECT_NE(whole.bytes.find(": later"), std::string::npos) << whole.bytes;
  EXPECT_EQ(relay(bench, {comments, chunk("text")}).read_limit, base::Deadline::never().at());
  for (const std::string rest : {"", "data: {\"error\":{\"message\":\"no\"}}\n\n"}) {
    const Outcome out = relay(bench, {comments, rest});
    EXPECT_EQ(out.end, RelayEnd::not_started) << rest;
    EXPECT_EQ(out.bytes, "");
  }
  bench.body_failure = pipeline::TransportFailure::idle_timeout;
  EXPECT_EQ(relay(bench, {comments}).failure, pipeline::TransportFailure::idle_timeout);
  // They show that it lives; what says nothing at all is late.
  bench.first_event_within = std::chrono::nanoseconds(0);
  EXPECT_EQ(relay(bench, {comments}).failure, pipeline::TransportFailure::idle_timeout);
  const Outcome late = relay(bench, {""});
  EXPECT_EQ(late.end, RelayEnd::not_started);
  EXPECT_EQ(late.failure, pipeline::TransportFailure::first_byte_timeout);
  // After ten seconds the agent hears of them.
  bench.body_failure = pipeline::TransportFailure::none;
  bench.sent_before = std::chrono::seconds(11);
  const Outcome told = relay(bench, {comments, ""});
  EXPECT_EQ(told.end, RelayEnd::cut);
  EXPECT_EQ(told.bytes.rfind(": OPENROUTER", 0), 0u) << told.bytes;
}

TEST(Relay, NothingBehindTheEndMarkIsPassedOn) {
  const std::string error = "data: {\"error\":{\"message\":\"late\"}}\n\n";
  RelayBench bench;
  for (const auto& pieces : {std::vector{chunk("text") + kEnd + error + chunk("more")},
                             std::vector{chunk("text") + kEnd, error, error}}) {
    const Outcome out = relay(bench, pieces);
    EXPECT_EQ(out.end, RelayEnd::complete);
    EXPECT_TRUE(out.finished);
    EXPECT_TRUE(out.bytes.ends_with("data: [DONE]\n\n")) << out.bytes;
    EXPECT_NE(out.read_limit, base::Deadline::never().at()) << "the connection may stay open";
  }
  bench.body_failure = pipeline::TransportFailure::idle_timeout;
  EXPECT_EQ(relay(bench, {kEnd}).end, RelayEnd::complete);
}

/// A stream as upstreams send them, and as none should.
class RandomStream {
 public:
  RandomStream(std::uint64_t seed, DialectKind kind) : random_(seed), kind_(kind) {}

  std::vector<std::string> pieces() {
    std::string stream;
    const std::size_t events = 5 + random_() % 40;
    for (std::size_t i = 0; i < events; ++i) stream += event();
    if (random_() % 4 != 0) stream += end();
    std::vector<std::string> out;
    while (!stream.empty()) {
      const std::size_t size = 1 + random_() % (random_() % 2 == 0 ? 40 : 2'000);
      out.push_back(stream.substr(0, size));
      stream.erase(0, size);
    }
    return out;
  }

 private:
  bool chance(unsigned one_in) { return random_() % one_in == 0; }
  template <std::size_t N>
  std::string pick(const char* const (&list)[N]) {
    return list[random_() % N];
  }
  std::string words() {
    static constexpr const char* kUsual[] = {"Hello",
                                             " there",
                                             ", ",
                                             "how ",
                                             "are you? ",
                                             "\\n",
                                             "\xC3\xA9t\xC3\xA9 ",
                                             "long words without end ",
                                             "\\\"quoted\\\" ",
                                             "\\u00e9 "};
    static constexpr const char* kFound[] = {
        "joe@",         "example.com ", "4111 1111", " 1111 1111 ", "notable ", "provider-",
        "credential-1", "joe\\u0040",   "",          "\\ud83d"};
    static constexpr const char* kWorst[] = {"forbidden ", "\\x", "\x01", "\xC3", "\\"};
    if (chance(400)) return pick(kWorst);
    return chance(4) ? pick(kFound) : pick(kUsual);
  }
  std::string event() {
    if (chance(12)) return chance(2) ? ": keep-alive\n\n" : ": joe@example.com\r\n\r\n";
    if (chance(10)) form_ = static_cast<unsigned>(random_() % 6);
    if (chance(10)) index_ = static_cast<unsigned>(random_() % 2);
    if (chance(10)) around_ = around();
    const std::string line_end = chance(15) ? "\r\n" : "\n";
    const std::string json = kind_ == DialectKind::openai ? openai() : anthropic();
    std::string out;
    if (kind_ == DialectKind::anthropic) out = "event: content_block_delta" + line_end;
    if (chance(30)) out += "id: 5" + line_end;
    return out + "data: " + json + line_end + line_end;
  }
  std::string around() {
    static constexpr const char* kTexts[] = {"",
                                             R"("pad":"abc",)",
                                             R"("user":"joe@example.com",)",
                                             R"("note":"notable",)",
                                             R"("service_tier":"flex",)",
                                             R"("pad":"\u0061",)"};
    return pick(kTexts);
  }
  std::string openai() {
    static constexpr const char* kKeys[] = {"content", "reasoning", "refusal", "text"};
    const std::string index = std::to_string(index_);
    std::string delta;
    if (form_ < 4) {
      delta = std::string(R"({")") + kKeys[form_] + R"(":")" + words() + "\"";
      if (chance(60)) delta += std::string(R"(,")") + kKeys[form_] + R"(":"twice")";
      if (chance(30)) delta += R"(,"role":"assistant")";
      delta += "}";
    } else {
      delta = R"({"tool_calls":[{"index":)" + index + R"(,"function":{"arguments":")" + words() +
              R"("}}]})";
    }
    const std::string pad = form_ == 5 ? R"("obfuscation":")" + words() + R"(",)" : "";
    const std::string space = chance(40) ? " " : "";
    return R"({"id":"c-1","model":"m",)" + around_ + pad + space + R"("choices":[{"index":)" +
           index + R"(,"delta":)" + delta +
           (chance(30) ? R"(,"logprobs":{"content":[{"token":"x"}]})" : "") +
           R"(,"finish_reason":)" + (chance(40) ? R"("length")" : "null") + "}]" +
           (chance(30) ? R"(,"usage":{"prompt_tokens":3,"completion_tokens":4})" : "") + "}";
  }
  std::string anthropic() {
    static constexpr const char* kForms[] = {R"("type":"text_delta","text":")",
                                             R"("type":"thinking_delta","thinking":")",
                                             R"("type":"input_json_delta","partial_json":")",
                                             R"("type":"text_delta","other":")",
                                             R"("type":"signature_delta","signature":")",
                                             R"("type":"text_delta","text":")"};
    return R"({"type":"content_block_delta",)" + around_ + R"("index":)" + std::to_string(index_) +
           R"(,"delta":{)" + kForms[form_] + words() + "\"}}";
  }
  std::string end() {
    return kind_ == DialectKind::openai
               ? kEnd
               : "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":"
                 "{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":7}}\n\n"
                 "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";
  }

  std::mt19937_64 random_;
  DialectKind kind_;
  unsigned form_ = 0, index_ = 0;
  std::string around_;
};

/// Bytes, verdicts, usage and record of a stream are the same with and without the short way.
TEST(RelayProperty, TheShortWayChangesNothing) {
  const std::uint64_t seeds = test::property_seeds(300);
  RelayBench masking, detecting("detectors"), flagging("flags");
  int complete = 0;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
    const DialectKind kind = seed % 3 == 0 ? DialectKind::anthropic : DialectKind::openai;
    RelayBench& bench = seed % 4 == 0 ? flagging : seed % 4 == 1 ? detecting : masking;
    const std::vector<std::string> pieces = RandomStream(seed, kind).pieces();
    const protocol::llm::Dialect& dialect = protocol::llm::dialect(kind);
    const Outcome out = bench.relay(dialect, pieces);
    const Outcome wanted = bench.relay(Thorough(dialect), pieces);
    ASSERT_EQ(out.bytes, wanted.bytes) << "seed " << seed;
    ASSERT_EQ(out, wanted) << "seed " << seed;
    complete += out.end == RelayEnd::complete ? 1 : 0;
  }
  EXPECT_GT(complete, static_cast<int>(seeds / 10)) << "the streams are not all broken ones";
}

}  // namespace
}  // namespace tollgate::stages
