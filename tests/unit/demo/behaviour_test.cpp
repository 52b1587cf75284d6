// What each model name does, in both dialects, as JSON and as a stream.
#include <gmock/gmock.h>

#include "play.hpp"

namespace tollgate::domain::demo {
namespace {

using ::testing::AllOf;
using testing::chat;
using ::testing::Each;
using ::testing::HasSubstr;
using testing::Json;
using testing::messages;
using ::testing::Not;
using testing::play;
using testing::Played;

struct Mode {
  const char* name;
  const char* path;
  std::string body;
  bool stream;
};

std::vector<Mode> modes() {
  return {
      {"openai json", "/v1/chat/completions", chat(), false},
      {"openai stream", "/v1/chat/completions",
       chat(R"(,"stream":true,"stream_options":{"include_usage":true})"), true},
      {"anthropic json", "/v1/messages", messages(), false},
      {"anthropic stream", "/v1/messages", messages(R"(,"stream":true)"), true},
  };
}

/// The last number with one of these names in the body: output tokens as billed.
std::int64_t billed(const Played& out) {
  std::int64_t tokens = -1;
  for (const std::string_view name : {"\"completion_tokens\":", "\"output_tokens\":"}) {
    const std::size_t at = out.body.rfind(name);
    if (at != std::string::npos) tokens = std::stoll(out.body.substr(at + name.size()));
  }
  return tokens;
}

bool ends_well(const Played& out) {
  return out.body.find("[DONE]") != std::string::npos ||
         out.body.find("message_stop") != std::string::npos;
}

TEST(Behaviour, SlowWaitsOnceBeforeTheFirstByte) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "slow-50ms", mode.body);
    EXPECT_THAT(out.waits_ms, ::testing::ElementsAre(50));
    EXPECT_TRUE(out.waited_before_head);
    EXPECT_THAT(out.body, HasSubstr("gate!"));
    EXPECT_TRUE(play(mode.path, "slow-0ms", mode.body).waits_ms.empty());
  }
}

TEST(Behaviour, DripWaitsBeforeEveryPiece) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "drip-20ms", mode.body);
    EXPECT_FALSE(out.waited_before_head);
    EXPECT_GE(out.pieces.size(), 3u);
    EXPECT_GE(out.waits_ms.size(), out.pieces.size());
    EXPECT_LE(out.waits_ms.size(), out.pieces.size() + 1);
    EXPECT_THAT(out.waits_ms, Each(20));
    EXPECT_EQ(out.last, Action::Kind::end);
  }
}

TEST(Behaviour, DrippedJsonIsWhole) {
  for (const Mode& mode : modes()) {
    if (!mode.stream) {
      EXPECT_TRUE(Json(play(mode.path, "drip-1ms", mode.body).body).root().is_object());
    }
  }
}

TEST(Behaviour, FailAnswersWithTheStatusWhateverTheBody) {
  for (const Mode& mode : modes()) {
    for (const int status : {400, 418, 500, 503, 529}) {
      SCOPED_TRACE(std::string(mode.name) + " " + std::to_string(status));
      const Played out = play(mode.path, "fail-" + std::to_string(status), "not json");
      EXPECT_EQ(out.status, status);
      EXPECT_EQ(out.last, Action::Kind::end);
      EXPECT_FALSE(Json(out.body).text("error.message").empty());
      EXPECT_THAT(out.header_lines, Not(HasSubstr("retry-after")));
    }
    EXPECT_THAT(play(mode.path, "fail-429", mode.body).header_lines,
                HasSubstr("\r\nretry-after: 1\r\n"));
  }
}

TEST(Behaviour, DropAndSilentSendNothing) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played drop = play(mode.path, "drop", mode.body);
    EXPECT_EQ(drop.status, 0);
    EXPECT_EQ(drop.last, Action::Kind::cut);
    const Played silent = play(mode.path, "silent", mode.body);
    EXPECT_EQ(silent.status, 0);
    EXPECT_EQ(silent.last, Action::Kind::hang);
  }
}

TEST(Behaviour, BreaksComeAfterSomeContentAndBeforeTheEnd) {
  for (const Mode& mode : modes()) {
    for (const auto& [model, last] : {std::pair("drop-mid-stream", Action::Kind::cut),
                                      std::pair("stall-mid-stream", Action::Kind::hang)}) {
      SCOPED_TRACE(std::string(mode.name) + " " + model);
      const Played out = play(mode.path, model, mode.body);
      EXPECT_EQ(out.status, 200);
      EXPECT_EQ(out.last, last);
      EXPECT_FALSE(ends_well(out));
      if (mode.stream) {
        EXPECT_THAT(out.body, AllOf(HasSubstr("\"This \""), HasSubstr("\"answer \"")));
        EXPECT_THAT(out.body, Not(HasSubstr("finish_reason\":\"")));
      } else {
        json::Document document;
        EXPECT_TRUE(document.parse(out.body).has_error());
      }
    }
  }
}

TEST(Behaviour, LongHasItsNumberOfWords) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "long-20", mode.body);
    std::size_t words = 0;
    for (const std::string_view word :
         {"north", "east", "south", "west", "up", "down", "left", "right"})
      for (std::size_t at = 0; (at = out.body.find(word, at)) != std::string::npos; ++at) {
        const char before = out.body[at - 1];
        words += before == '"' || before == ' ' ? 1u : 0u;
      }
    EXPECT_EQ(words, 20u);
  }
}

TEST(Behaviour, AVeryLongStreamIsNeverInMemoryAsAWhole) {
  const std::string body = R"({"messages":[],"stream":true})";
  Request request;
  request.path_and_query = "/v1/chat/completions";
  request.model = "long-1000000";
  request.body = body;
  Script script(request);
  std::size_t longest = 0, pieces = 0;
  for (int i = 0; i < 10'000; ++i) {
    const Action& action = script.next();
    if (action.kind != Action::Kind::body) continue;
    longest = std::max(longest, action.body.size());
    ++pieces;
  }
  EXPECT_GT(pieces, 9'000u);
  EXPECT_LT(longest, 1'000u);
}

TEST(Behaviour, TheSecretIsCutByEveryStream) {
  const std::string key =
      "AKIA"
      "Q3EGT7DEMO4KEY9Z";
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "secret", mode.body);
    if (mode.stream) {
      EXPECT_THAT(out.body, Not(HasSubstr(key)));
      EXPECT_THAT(out.body, HasSubstr("\"AKIAQ3EG\""));
    } else {
      EXPECT_THAT(out.body, AllOf(HasSubstr(key), HasSubstr("ada.lovelace@example.com")));
    }
  }
}

TEST(Behaviour, NoUsageHasNone) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "no-usage", mode.body);
    EXPECT_EQ(billed(out), -1);
    EXPECT_THAT(out.body, Not(HasSubstr("\"usage\":{")));
    EXPECT_THAT(out.body, HasSubstr("gate!"));
    if (mode.stream) {
      EXPECT_TRUE(ends_well(out));
    }
  }
}

TEST(Behaviour, CostBillsWhatItSaysEvenOverTheCap) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    EXPECT_EQ(billed(play(mode.path, "cost-1234", mode.body)), 1'234);
    EXPECT_EQ(billed(play(mode.path, "cost-0", mode.body)), 0);
    EXPECT_EQ(billed(play(mode.path, "echo", mode.body)), 5);
  }
}

TEST(Behaviour, BadJsonIsNotJson) {
  for (const Mode& mode : modes()) {
    SCOPED_TRACE(mode.name);
    const Played out = play(mode.path, "bad-json", mode.body);
    EXPECT_EQ(out.status, 200);
    EXPECT_EQ(out.last, Action::Kind::end);
    json::Document document;
    if (mode.stream) {
      EXPECT_TRUE(document.parse(out.events().at(0)).has_error());
    } else {
      EXPECT_TRUE(document.parse(out.body).has_error());
    }
  }
}

TEST(Behaviour, EveryEventIsJson) {
  for (const Mode& mode : modes()) {
    if (!mode.stream) continue;
    for (const char* model : {"echo", "long-5", "secret", "refuse", "cost-9", "no-usage"}) {
      SCOPED_TRACE(std::string(mode.name) + " " + model);
      for (const std::string& event : play(mode.path, model, mode.body).events())
        if (event != "[DONE]") {
          EXPECT_TRUE(Json(event).root().is_object());
        }
    }
  }
}

TEST(Behaviour, AnEmptyConversationStillHasAnAnswer) {
  const Json json(play("/v1/chat/completions", "echo", R"({"messages":[]})").body);
  EXPECT_EQ(json.text("choices.0.message.content"), "(nothing to echo)");
}

TEST(Behaviour, AScriptCanBeMoved) {
  Request request;
  request.path_and_query = "/v1/models";
  request.method = "GET";
  Script first(request);
  EXPECT_EQ(first.next().kind, Action::Kind::head);
  Script second(std::move(first));
  EXPECT_EQ(second.next().kind, Action::Kind::body);
  EXPECT_EQ(second.next().kind, Action::Kind::end);
}

}  // namespace
}  // namespace tollgate::domain::demo
