#include <gtest/gtest.h>

#include "tollgate/protocol/jsonrpc/message.hpp"

namespace tollgate::protocol::jsonrpc {
namespace {

TEST(JsonRpc, ReadsTheThreeKinds) {
  json::Document document;
  const std::string request =
      R"({"jsonrpc":"2.0","id": "a\"1" ,"method":"tools\/call","params":{"name":"x"}})";
  ASSERT_TRUE(document.parse(request).has_value());
  auto message = read_message(document);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->kind, MessageKind::request);
  EXPECT_EQ(message->method, "tools/call");
  EXPECT_EQ(message->id_raw, R"("a\"1")");
  EXPECT_EQ(message->params.find("name").text(), "x");

  const std::string notification = R"({"method":"notifications/initialized","jsonrpc":"2.0"})";
  ASSERT_TRUE(document.parse(notification).has_value());
  message = read_message(document);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->kind, MessageKind::notification);
  EXPECT_EQ(message->id_raw, "");

  const std::string response = R"({"jsonrpc":"2.0","id":7,"result":null})";
  ASSERT_TRUE(document.parse(response).has_value());
  message = read_message(document);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(message->kind, MessageKind::response);
  EXPECT_TRUE(message->result.is_null());
}

TEST(JsonRpc, RefusesEverythingElse) {
  struct Case {
    const char* body;
    const char* id;
  };
  const Case cases[] = {
      {R"([{"jsonrpc":"2.0","id":1,"method":"x"}])", "null"},
      {R"("text")", "null"},
      {R"({"id":1,"method":"x"})", "1"},
      {R"({"jsonrpc":2.0,"id":1,"method":"x"})", "1"},
      {R"({"jsonrpc":"1.0","id":"q","method":"x"})", "\"q\""},
      {R"({"jsonrpc":"2.0","id":1.5,"method":"x"})", "null"},
      {R"({"jsonrpc":"2.0","id":{},"method":"x"})", "null"},
      {R"({"jsonrpc":"2.0","id":true,"method":"x"})", "null"},
      {R"({"jsonrpc":"2.0","id":1,"method":5})", "1"},
      {R"({"jsonrpc":"2.0","id":1,"method":""})", "1"},
      {R"({"jsonrpc":"2.0","id":1,"method":"x","params":"p"})", "1"},
      {R"({"jsonrpc":"2.0","id":1,"method":"x","result":1})", "1"},
      {R"({"jsonrpc":"2.0","id":1})", "1"},
      {R"({"jsonrpc":"2.0","id":1,"result":1,"error":{}})", "1"},
      {R"({"jsonrpc":"2.0","result":1})", "null"},
  };
  for (const Case& c : cases) {
    json::Document document;
    ASSERT_TRUE(document.parse(c.body).has_value()) << c.body;
    const auto message = read_message(document);
    ASSERT_TRUE(message.has_error()) << c.body;
    EXPECT_EQ(message.error().code(), base::ErrorCode::invalid_request) << c.body;
    EXPECT_EQ(id_or_null(document), c.id) << c.body;
  }
}

TEST(JsonRpc, ErrorBodies) {
  const base::Error error =
      base::Error(base::ErrorCode::rate_limited, "slow down").with_retry_after(7);
  EXPECT_EQ(
      error_body(error, "\"a\"", "req_1"),
      R"({"jsonrpc":"2.0","id":"a","error":{"code":-32014,"message":"slow down","data":{"code":"rate_limited","retry_after_s":7,"request_id":"req_1"}}})");
  EXPECT_EQ(
      error_body(base::Error(base::ErrorCode::invalid_json, "bad"), "", ""),
      R"({"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"bad","data":{"code":"invalid_json"}}})");
}

TEST(JsonRpc, EveryCodeHasANumberOutsideThoseOfMcpAndA2a) {
  for (std::size_t i = 0; i < base::error_code_count(); ++i) {
    const int number = error_number(static_cast<base::ErrorCode>(i));
    const bool is_standard = number == -32700 || (number <= -32600 && number >= -32603);
    EXPECT_TRUE(is_standard || (number <= -32010 && number >= -32019)) << i << " " << number;
  }
}

}  // namespace
}  // namespace tollgate::protocol::jsonrpc
