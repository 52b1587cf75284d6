#include "tollgate/protocol/a2a/agent_card.hpp"

#include <gtest/gtest.h>

namespace tollgate::protocol::a2a {
namespace {

constexpr std::string_view kGateway = "https://gate/a2a/x";

std::string rewritten(const std::string& card) {
  json::Document document;
  EXPECT_TRUE(document.parse(card).has_value()) << card;
  json::Splicer splicer(document);
  const auto result = rewrite_agent_card(document.root(), kGateway, splicer);
  if (result.has_error()) return "error " + std::string(info(result.error().code()).name);
  std::string out = splicer.str();
  json::Document again;
  EXPECT_TRUE(again.parse(out).has_value()) << out;
  return out;
}

TEST(AgentCard, rewrites) {
  const std::pair<std::string, std::string> cases[] = {
      // 0.3, as small as it gets; other bytes stay, white space and number spelling too
      {R"({ "name" : "n", "url":"http://h/a" , "x":1.0e0})",
       R"({ "name" : "n", "url":"https://gate/a2a/x" , "x":1.0e0})"},
      {R"({"url":"http://h/a","preferredTransport":"JSONRPC"})",
       R"({"url":"https://gate/a2a/x","preferredTransport":"JSONRPC"})"},
      // further interfaces
      {R"({"url":"http://h/a","additionalInterfaces":[{"url":"http://h/g","transport":"GRPC"},)"
       R"({"url":"http://h/a","transport":"JSONRPC"}, {"url":"http://h/r","transport":"HTTP+JSON"}]})",
       R"({"url":"https://gate/a2a/x","additionalInterfaces":[{"url":"https://gate/a2a/x","transport":"JSONRPC"}]})"},
      {R"({"url":"http://h/a","additionalInterfaces":[{"url":"http://h/g","transport":"GRPC"}]})",
       R"({"url":"https://gate/a2a/x","additionalInterfaces":[]})"},
      // the main URL speaks gRPC
      {R"({"url":"http://h/g","preferredTransport":"GRPC","additionalInterfaces":[)"
       R"({"url":"http://h/g","transport":"GRPC"},{"url":"http://h/a","transport":"JSONRPC"}]})",
       R"({"url":"https://gate/a2a/x","preferredTransport":"JSONRPC","additionalInterfaces":[)"
       R"({"url":"https://gate/a2a/x","transport":"JSONRPC"}]})"},
      // 1.0
      {R"({"name":"n","supportedInterfaces":[{"url":"http://h/1","protocolBinding":"JSONRPC","protocolVersion":"1.0"},)"
       R"({"url":"http://h/2","protocolBinding":"GRPC"},{"protocolBinding":"JSONRPC"},"x"],"signatures":[{"signature":"s"}]})",
       R"({"name":"n","supportedInterfaces":[{"url":"https://gate/a2a/x","protocolBinding":"JSONRPC","protocolVersion":"1.0"}]})"},
      {R"({"supported_interfaces":[{"url":"http://h/1","protocol_binding":"JSONRPC"}]})",
       R"({"supported_interfaces":[{"url":"https://gate/a2a/x","protocol_binding":"JSONRPC"}]})"},
      // two contradicting names: not JSON-RPC for somebody
      {R"({"url":"u","additionalInterfaces":[{"url":"http://h","transport":"JSONRPC","protocolBinding":"GRPC"}]})",
       R"({"url":"https://gate/a2a/x","additionalInterfaces":[]})"},
      // merged card, signatures first, escaped key
      {R"({"s\u0069gnatures":[1],"url":"http://h/a","supportedInterfaces":[{"protocolBinding":"JSONRPC","url":"http://h/1"}]})",
       R"({"url":"https://gate/a2a/x","supportedInterfaces":[{"protocolBinding":"JSONRPC","url":"https://gate/a2a/x"}]})"},
      {R"({"url":"http://h/a","signatures":[]})", R"({"url":"https://gate/a2a/x"})"},
      // a nested "signatures" is not the card's
      {R"({"url":"http://h/a","skills":[{"signatures":[],"url":"http://docs"}]})",
       R"({"url":"https://gate/a2a/x","skills":[{"signatures":[],"url":"http://docs"}]})"},
      {R"({"url":7})", R"({"url":"https://gate/a2a/x"})"},
  };
  for (const auto& [card, expected] : cases) EXPECT_EQ(rewritten(card), expected);
}

TEST(AgentCard, refuses_what_offers_no_json_rpc) {
  for (const std::string card :
       {R"([])", R"("x")", R"({})", R"({"name":"n"})",
        R"({"url":"http://h","preferredTransport":"GRPC"})",
        R"({"supportedInterfaces":[{"url":"http://h","protocolBinding":"GRPC"}]})",
        R"({"supportedInterfaces":{}})", R"({"additionalInterfaces":[{"url":"http://h"}]})"})
    EXPECT_EQ(rewritten(card), "error upstream_invalid") << card;
}

TEST(AgentCard, is_known_by_its_members) {
  const std::pair<std::string, bool> cases[] = {
      {R"({"url":"u","skills":[]})", true},
      {R"({"url":"u","protocolVersion":"0.3.0"})", true},
      {R"({"supportedInterfaces":[]})", true},
      {R"({"additional_interfaces":[]})", true},
      {R"({"\u0075rl":"u","capabilities":{}})", true},
      {R"({"url":"u"})", false},
      {R"({"skills":[]})", false},
      {R"({"kind":"task","id":"t","status":{}})", false},
      {R"([{"supportedInterfaces":[]}])", false},
      {R"("supportedInterfaces")", false},
  };
  for (const auto& [text, expected] : cases) {
    json::Document document;
    ASSERT_TRUE(document.parse(text).has_value());
    EXPECT_EQ(is_agent_card(document.root()), expected) << text;
  }
}

TEST(AgentCard, works_on_a_result_inside_a_message) {
  json::Document document;
  const std::string text =
      R"({"jsonrpc":"2.0","id":1,"result":{"signatures":[{}],"url":"http://h/a","name":"n"}})";
  ASSERT_TRUE(document.parse(text).has_value());
  json::Splicer splicer(document);
  ASSERT_TRUE(
      rewrite_agent_card(document.root().find("result"), "https://g/\"q\"", splicer).has_value());
  EXPECT_EQ(splicer.str(),
            R"({"jsonrpc":"2.0","id":1,"result":{"url":"https://g/\"q\"","name":"n"}})");
}

}  // namespace
}  // namespace tollgate::protocol::a2a
