#include <gtest/gtest.h>

#include "tollgate/protocol/mcp/message.hpp"
#include "unit/mcp_a2a/parsed.hpp"

namespace tollgate::protocol::mcp {
namespace {

using testing::notification;
using testing::Parsed;
using testing::request;
using testing::response;

TEST(McpClassify, methods) {
  struct Case {
    std::string_view name;
    Method method;
    std::string_view params = "{}";
    std::string_view subject = "";
    bool repeatable = true;
  };
  const Case cases[] = {
      {"initialize", Method::initialize},
      {"ping", Method::ping},
      {"server/discover", Method::server_discover},
      {"tools/list", Method::tools_list},
      {"tools/call", Method::tools_call, R"({"name":"sea\u0072ch"})", "search", false},
      {"resources/list", Method::resources_list},
      {"resources/templates/list", Method::resources_templates_list},
      {"resources/read", Method::resources_read, R"({"uri":"file:///a"})", "file:///a"},
      {"resources/subscribe", Method::resources_subscribe, R"({"uri":"file:///a"})", "file:///a"},
      {"resources/unsubscribe", Method::resources_unsubscribe, R"({"uri":"u"})", "u"},
      {"prompts/list", Method::prompts_list},
      {"prompts/get", Method::prompts_get, R"({"name":"p"})", "p"},
      {"completion/complete", Method::completion_complete},
      {"logging/setLevel", Method::logging_set_level},
      {"subscriptions/listen", Method::subscriptions_listen},
      {"tasks/get", Method::tasks_get},
      {"tasks/result", Method::tasks_result},
      {"tasks/list", Method::tasks_list},
      {"tasks/cancel", Method::tasks_cancel, "{}", "", false},
      {"vendor/thing", Method::other, "{}", "", false},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    const Parsed parsed = request(std::string(c.name), std::string(c.params));
    const auto call = classify(parsed.message);
    ASSERT_TRUE(call.has_value());
    EXPECT_EQ(call->method, c.method);
    EXPECT_EQ(call->method_name, c.name);
    EXPECT_EQ(call->subject, c.subject);
    EXPECT_FALSE(call->modern);
    EXPECT_EQ(is_billable(*call), c.method == Method::tools_call);
    EXPECT_EQ(is_safe_to_repeat(*call, {}), c.repeatable);
  }
}

TEST(McpClassify, notifications_and_responses) {
  const Parsed note = notification("notifications/initialized", "{}");
  ASSERT_TRUE(classify(note.message).has_value());
  EXPECT_EQ(classify(note.message)->method, Method::notification);
  EXPECT_FALSE(is_safe_to_repeat(*classify(note.message), {}));
  const Parsed answer = response(R"({"role":"assistant"})");
  EXPECT_EQ(classify(answer.message)->method, Method::response);
  EXPECT_FALSE(is_safe_to_repeat(*classify(answer.message), {}));
}

TEST(McpClassify, refuses_known_names_in_another_case) {
  for (const std::string name : {"Tools/Call", "tools/CALL", "Initialize", "RESOURCES/READ"}) {
    EXPECT_TRUE(classify(request(name, R"({"name":"x","uri":"u"})").message).has_error()) << name;
    EXPECT_TRUE(classify(notification(name, R"({"name":"x"})").message).has_error()) << name;
  }
}

TEST(McpClassify, refuses) {
  const std::string no_subject[] = {"{}",
                                    R"({"name":7,"uri":7})",
                                    R"({"name":null,"uri":null})",
                                    R"({"name":"","uri":""})",
                                    R"(["search"])",
                                    R"({"Name":"x"})"};
  for (const std::string method :
       {"tools/call", "prompts/get", "resources/read", "resources/subscribe"})
    for (const std::string& params : no_subject) {
      const auto call = classify(request(method, params).message);
      ASSERT_TRUE(call.has_error()) << method << params;
      EXPECT_EQ(call.error().code(), base::ErrorCode::invalid_request);
      EXPECT_EQ(call.error().param().substr(0, 7), "params.");
    }
  // Without an id it would be done and neither priced nor answered.
  EXPECT_TRUE(classify(notification("tools/call", R"({"name":"x"})").message).has_error());
  const std::string version =
      R"({"name":"x","_meta":{"io.modelcontextprotocol/protocolVersion":7}})";
  EXPECT_TRUE(classify(request("tools/call", version).message).has_error());
}

TEST(McpClassify, repeatable_tools_are_configured) {
  const Parsed parsed = request("tools/call", R"({"name":"get_weather"})");
  const auto call = classify(parsed.message);
  ASSERT_TRUE(call.has_value());
  const std::vector<std::string> match{"list_*", "get_*"}, other{"list_*"};
  EXPECT_TRUE(is_safe_to_repeat(*call, match));
  EXPECT_FALSE(is_safe_to_repeat(*call, other));
}

TEST(McpVersion, is_modern) {
  const std::pair<std::string_view, bool> cases[] = {
      {"2026-07-28", true},  {"2027-01-01", true},  {"2025-11-25", false}, {"2026-07-27", false},
      {"", false},           {"2026-7-28", false},  {"9", false},          {"2026-07-28x", false},
      {"abcd-ef-gh", false}, {"2026/07/28", false}, {"DRAFT-2026", false}};
  for (const auto& [version, expected] : cases)
    EXPECT_EQ(is_modern_version(version), expected) << version;
}

TEST(McpSession, id_syntax) {
  EXPECT_TRUE(is_session_id("a"));
  EXPECT_TRUE(is_session_id("!~1868a90c-7a1b"));
  EXPECT_TRUE(is_session_id(std::string(4096, 'a')));
  EXPECT_FALSE(is_session_id(""));
  EXPECT_FALSE(is_session_id(std::string(4097, 'a')));
  EXPECT_FALSE(is_session_id("a b"));
  EXPECT_FALSE(is_session_id("a\x7f"));
  EXPECT_FALSE(is_session_id("\xc3\xa4"));
  EXPECT_FALSE(is_session_id("a\n"));
}

TEST(McpErrors, http_status) {
  struct Case {
    int number, legacy, modern;
  };
  const Case cases[] = {{-32700, 400, 400}, {-32600, 400, 400}, {-32601, 200, 404},
                        {-32602, 200, 200}, {-32603, 200, 200}, {-32020, 200, 400},
                        {-32021, 200, 400}, {-32022, 200, 400}, {-32023, 200, 200},
                        {-32042, 200, 200}, {-32002, 200, 200}, {-32019, 200, 200}};
  for (const Case& c : cases) {
    EXPECT_EQ(http_status_of(c.number, false), c.legacy) << c.number;
    EXPECT_EQ(http_status_of(c.number, true), c.modern) << c.number;
  }
}

std::string headers_outcome(const Parsed& parsed, std::string_view version, std::string_view method,
                            std::string_view name) {
  http::HeaderSection headers;
  if (version != "-")
    headers.add({"MCP-Protocol-Version", version, http::HeaderId::mcp_protocol_version});
  if (method != "-") headers.add({"Mcp-Method", method, http::HeaderId::mcp_method});
  if (name != "-") headers.add({"Mcp-Name", name, http::HeaderId::mcp_name});
  const auto call = classify(parsed.message);
  EXPECT_TRUE(call.has_value());
  const auto fault = check_headers(*call, headers);
  if (!fault) return "ok";
  EXPECT_EQ(fault->http_status, 400);
  EXPECT_EQ(fault->number, -32020);
  return fault->message.substr(0, fault->message.find(' '));
}

TEST(McpHeaders, modern_headers_repeat_the_body) {
  const std::string meta = R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})";
  const Parsed call = request("tools/call", R"({"name":"search")" + meta);
  const Parsed euro = request("tools/call", R"({"name":"\u20ac")" + meta);
  const Parsed read = request("resources/read", R"({"uri":"file:///a")" + meta);
  const Parsed list = request("tools/list", R"({"cursor":"c")" + meta);
  const Parsed note = notification("notifications/cancelled", R"({"requestId":1)" + meta);
  struct Case {
    const Parsed* message;
    std::string_view version, method, name, expected;
  };
  constexpr std::string_view v = "2026-07-28";
  const Case cases[] = {
      {&call, v, "tools/call", "search", "ok"},
      {&call, "-", "tools/call", "search", "MCP-Protocol-Version"},
      {&call, "2025-11-25", "tools/call", "search", "MCP-Protocol-Version"},
      {&call, v, "-", "search", "Mcp-Method"},
      {&call, v, "tools/list", "search", "Mcp-Method"},
      {&call, v, "Tools/Call", "search", "Mcp-Method"},
      {&call, v, "tools/call", "-", "Mcp-Name"},
      {&call, v, "tools/call", "other", "Mcp-Name"},
      {&call, v, "tools/call", "Search", "Mcp-Name"},
      {&call, v, "tools/call", "=?base64?c2VhcmNo?=", "ok"},
      {&call, v, "tools/call", "=?base64?b3RoZXI=?=", "Mcp-Name"},
      {&call, v, "tools/call", "=?base64?c2VhcmN?=", "Mcp-Name"},
      {&call, v, "tools/call", "=?base64?c2Vh*mNo?=", "Mcp-Name"},
      {&call, v, "tools/call", "=?base64?c2=hcmNo?=", "Mcp-Name"},
      {&euro, v, "tools/call", "=?base64?4oKs?=", "ok"},
      {&euro, v, "tools/call", "\xe2\x82\xac", "ok"},
      {&read, v, "resources/read", "file:///a", "ok"},
      {&read, v, "resources/read", "file:///b", "Mcp-Name"},
      {&list, v, "tools/list", "-", "ok"},
      {&list, v, "-", "-", "Mcp-Method"},
      {&note, v, "notifications/cancelled", "-", "ok"},
      {&note, v, "-", "-", "Mcp-Method"},
  };
  for (const Case& c : cases)
    EXPECT_EQ(headers_outcome(*c.message, c.version, c.method, c.name), c.expected)
        << c.message->text << " " << c.version << " " << c.method << " " << c.name;
}

TEST(McpHeaders, legacy_headers_are_not_trusted_nor_checked) {
  const Parsed call = request("tools/call", R"({"name":"search"})");
  EXPECT_EQ(headers_outcome(call, "-", "-", "-"), "ok");
  EXPECT_EQ(headers_outcome(call, "2025-11-25", "tools/list", "other"), "ok");
  // A modern header over a body that is not: somebody between changed one of them.
  EXPECT_EQ(headers_outcome(call, "2026-07-28", "tools/call", "search"), "MCP-Protocol-Version");
  EXPECT_EQ(headers_outcome(request("initialize", "{}"), "2026-07-28", "-", "-"), "ok");
  EXPECT_EQ(headers_outcome(response("{}"), "2026-07-28", "-", "-"), "ok");
}

}  // namespace
}  // namespace tollgate::protocol::mcp
