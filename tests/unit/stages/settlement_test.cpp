// The settlement table: answers as providers send them, and what they cost, worked out by hand.
//
// One file per case in tests/golden/settlement. Its head is lines of `key: value` and comments that
// show the arithmetic, then an empty line, then the answer. Keys:
//   dialect  openai, anthropic or gemini
//   form     json or stream
//   price    the model's price as in prices.overrides
//   default_modifier   of the provider
//   asked    members of the request's JSON, `{...}`
//   broken   true: the answer broke off here
//   request_bytes, answer_bytes   what estimates are made from
//   unknown_modifier_hold   USD
//   cost     USD, exact to the nano-dollar
//   estimated   true or false
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "tollgate/base/strings.hpp"
#include "tollgate/pipeline/payload.hpp"
#include "tollgate/protocol/gemini/usage.hpp"
#include "unit/config/fake_env.hpp"

namespace tollgate::pipeline {
namespace {

namespace fs = std::filesystem;
namespace llm = protocol::llm;

struct Case {
  std::map<std::string, std::string> head;
  std::string answer;

  [[nodiscard]] std::string of(const std::string& key, const std::string& absent = "") const {
    const auto found = head.find(key);
    return found == head.end() ? absent : found->second;
  }
};

Case read_case(const fs::path& path) {
  Case read;
  std::ifstream in(path, std::ios::binary);
  for (std::string line; std::getline(in, line) && !line.empty();) {
    if (line.starts_with('#')) continue;
    const std::size_t colon = line.find(": ");
    EXPECT_NE(colon, std::string::npos) << line;
    EXPECT_TRUE(read.head.emplace(line.substr(0, colon), line.substr(colon + 2)).second) << line;
  }
  std::ostringstream rest;
  rest << in.rdbuf();
  read.answer = rest.str();
  return read;
}

/// The deployment as the loader makes it.
config::Deployment deployment_of(const Case& c) {
  config::FakeEnv env;
  const auto loaded = config::load_text(
      "providers: {openai: {api_key: x, default_modifier: " + c.of("default_modifier", "default") +
          "}}\nmodels: {m: openai/m}\nprices: {file: \"\", overrides: {openai: {m: " +
          c.of("price") + "}}}\n",
      "f", env);
  EXPECT_TRUE(loaded.ok()) << config::text_of(loaded.problems);
  if (!loaded.ok()) return {};
  return loaded.snapshot->models.at("m").deployments[0];
}

llm::Usage usage_of(const Case& c) {
  llm::Usage usage;
  json::Document document;
  const auto parse = [&](std::string_view text) {
    EXPECT_TRUE(document.parse(text).has_value()) << text;
    return document.root();
  };
  const bool is_gemini = c.of("dialect") == "gemini";
  const llm::Dialect& dialect = llm::dialect(
      c.of("dialect") == "anthropic" ? llm::DialectKind::anthropic : llm::DialectKind::openai);
  if (c.of("form") == "json") {
    if (!is_gemini) {
      parse(c.answer);
      return dialect.read_response(document).usage;
    }
    protocol::gemini::read_usage(parse(c.answer).find("usageMetadata"), usage);
    return usage;
  }
  protocol::sse::Parser parser;
  parser.feed(c.answer);
  llm::StreamEvent event;
  while (const protocol::sse::Event* raw = parser.next()) {
    if (is_gemini) {
      protocol::gemini::read_usage(parse(raw->data).find("usageMetadata"), usage);
    } else {
      dialect.read_event(*raw, document, usage, event);
    }
  }
  return usage;
}

class Settlement : public testing::TestWithParam<fs::path> {};

TEST_P(Settlement, CostsWhatWasWorkedOutByHand) {
  const Case c = read_case(GetParam());
  const config::Deployment deployment = deployment_of(c);
  ASSERT_TRUE(deployment.price);
  config::Spending spending;
  if (const auto hold = base::parse_usd(c.of("unknown_modifier_hold", "0")); hold->value > 0) {
    spending.unknown_modifier = config::UnpricedAction::hold;
    spending.unknown_modifier_hold = *hold;
  }
  json::Document document;
  const bool is_anthropic = c.of("dialect") == "anthropic";
  const std::string asked = c.of("asked", "{}");
  const std::string request = R"({"model":"m","max_tokens":64000,"messages":[])" +
                              std::string(asked == "{}" ? "" : ",") + asked.substr(1);
  ASSERT_TRUE(document.parse(request).has_value()) << request;
  Payload payload;
  payload.kind = Payload::Kind::model;
  payload.dialect =
      &llm::dialect(is_anthropic ? llm::DialectKind::anthropic : llm::DialectKind::openai);
  ASSERT_TRUE(
      payload.dialect
          ->scan(is_anthropic ? llm::RequestKind::messages : llm::RequestKind::chat_completions,
                 document, payload.fields)
          .has_value());
  payload.output_text_bytes = *base::parse_u64(c.of("answer_bytes", "0"));
  const Payload::Use use = payload.use(usage_of(c), c.of("broken") != "true",
                                       *base::parse_u64(c.of("request_bytes", "0")));
  const base::NanoUsd cost = domain::budget::settle_cost(deployment.price, use.counts, spending);
  EXPECT_EQ("$" + c.of("cost"), base::to_string(cost));
  const bool is_estimated =
      use.is_estimated || domain::budget::has_unknown_price(deployment.price, use.counts);
  EXPECT_EQ(c.of("estimated", "false") == "true", is_estimated);

  // A hold made for this much input covers it, unless the provider served what was not asked for.
  domain::budget::CallBound bound = payload.bound(request.size());
  bound.input_tokens = use.counts.total_input();
  bound.has_audio_input = use.counts.audio_input + use.counts.audio_cache_read > 0;
  bound.has_audio_output = use.counts.audio_output > 0;
  bound.cache_writes = domain::budget::CacheWrites::any;
  if (use.is_estimated || use.counts.web_searches > 0) return;
  if (use.counts.modifier != bound.modifier && use.counts.modifier != "standard" &&
      use.counts.modifier != deployment.price->default_modifier)
    return;
  const auto plan = domain::budget::plan_hold(deployment, bound, spending);
  if (is_estimated && !use.counts.or_modifier &&
      spending.unknown_modifier == config::UnpricedAction::refuse) {
    EXPECT_TRUE(plan.has_error()) << "what has no price is refused before it is sent";
    return;
  }
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  EXPECT_GE(plan->amount, cost);
}

std::vector<fs::path> all_cases() {
  std::vector<fs::path> paths;
  for (const auto& entry :
       fs::directory_iterator(fs::path(TOLLGATE_SOURCE_DIR) / "tests/golden/settlement"))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  return paths;
}

INSTANTIATE_TEST_SUITE_P(Golden, Settlement, testing::ValuesIn(all_cases()),
                         [](const testing::TestParamInfo<fs::path>& file) {
                           return file.param.stem().string();
                         });

}  // namespace
}  // namespace tollgate::pipeline
