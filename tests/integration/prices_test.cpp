// What a call costs by how it was served, and what is refused for want of a price.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

/// A cap of $1: 1,000 tokens of output are $0.03, as priority $0.075, as flex $0.015.
constexpr const char* kYaml = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none}
models:
  m:
    deployments:
      - {provider: up, model: m, price: {input: 0, output: 30, modifiers: {flex: {factor: 0.5}, priority: {factor: 2.5}}}}
keys:
  - {id: k, digest: "@{digest:agent}", budgets: [{limit: 1, window: total}]}
)";

Answer served(const std::string& tier) {
  json body = json::parse(completion("ok", 10, 1000));
  if (!tier.empty()) body["service_tier"] = tier;
  return Answer::json(200, body.dump());
}

TEST(Prices, ACallIsChargedAsItWasServed) {
  const struct {
    const char* asked;
    const char* told;
    const char* held;
    const char* cost;
    const char* estimated;
  } cases[] = {
      {"", "default", "30000000", "30000000", "0"},
      {"priority", "priority", "75000000", "75000000", "0"},
      {"priority", "default", "75000000", "30000000", "0"},
      {"flex", "flex", "30000000", "15000000", "0"},
      // Nobody tells which of the two: the dearer.
      {"priority", "", "75000000", "75000000", "1"},
      {"flex", "", "30000000", "30000000", "1"},
      // Nobody asked for it: charged at the dearest there is, and marked.
      {"", "warp", "30000000", "75000000", "1"},
  };
  for (const auto& c : cases) {
    SCOPED_TRACE(std::string(c.asked) + " -> " + c.told);
    FakeUpstream upstream;
    upstream.on("POST", kPath, {served(c.told)});
    Daemon daemon(kYaml, {.variables = {{"UP", upstream.url()}}});
    const std::string tier =
        *c.asked == '\0' ? "" : R"(,"service_tier":")" + std::string(c.asked) + "\"";
    ASSERT_EQ(daemon.post(kPath, chat_request("m", "hi", R"(,"max_tokens":1000)" + tier)).status,
              200);
    const Row row = daemon.rows(1).at(0);
    EXPECT_EQ(row.at("held_nusd"), c.held);
    EXPECT_EQ(row.at("cost_nusd"), c.cost);
    EXPECT_EQ(row.at("estimated"), c.estimated);
  }
}

TEST(Prices, WhatHasNoPriceIsRefusedUnlessAHoldIsSaid) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {served("warp")});
  Daemon daemon(kYaml, {.variables = {{"UP", upstream.url()}}});
  const std::string warp = chat_request("m", "hi", R"(,"max_tokens":1000,"service_tier":"warp")");
  const std::string spoken =
      chat_request("m", "hi", R"(,"max_tokens":1000,"modalities":["text","audio"])");
  for (const std::string& body : {warp, spoken}) {
    const Response refused = daemon.post(kPath, body);
    EXPECT_EQ(refused.status, 402);
    EXPECT_EQ(json::parse(refused.body)["error"]["code"], "unpriced_model");
  }
  EXPECT_EQ(upstream.request_count(), 0u);
  daemon.reload(std::string(kYaml) +
                "spending: {unknown_modifier: hold, unknown_modifier_hold: 0.25}\n");
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(daemon.post(kPath, warp).status, 200);
  const Row row = daemon.rows(3).at(2);
  EXPECT_EQ(row.at("cost_nusd"), "250000000");
  EXPECT_EQ(row.at("estimated"), "1");
}

}  // namespace
}  // namespace tollgate::testing
