#include <gtest/gtest.h>

#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol {
namespace {

using base::Error;
using base::ErrorCode;
using llm::DialectKind;

TEST(OwnAnswers, ErrorBodiesOfBothDialects) {
  const Error error =
      Error(ErrorCode::budget_exceeded, "the \"day\" budget is used up").with_param("model");
  EXPECT_EQ(
      llm::dialect(DialectKind::openai).error_body(error, "req_1"),
      R"({"error":{"message":"the \"day\" budget is used up","type":"insufficient_quota","param":"model","code":"budget_exceeded","request_id":"req_1"}})");
  EXPECT_EQ(
      llm::dialect(DialectKind::anthropic).error_body(error, "req_1"),
      R"({"type":"error","error":{"type":"billing_error","message":"the \"day\" budget is used up","code":"budget_exceeded","param":"model"},"request_id":"req_1"})");
  EXPECT_EQ(
      llm::dialect(DialectKind::openai).error_body(Error(ErrorCode::not_found, "no"), ""),
      R"({"error":{"message":"no","type":"invalid_request_error","param":null,"code":"not_found"}})");
}

TEST(OwnAnswers, BrokenStreamsEndWithAnErrorEventAndNeverRegularly) {
  const Error error(ErrorCode::upstream_cut, "the upstream ended early", "detail with 10.0.0.1");
  const std::string openai = llm::dialect(DialectKind::openai).error_event(error, "r");
  EXPECT_EQ(openai, "data: " + llm::dialect(DialectKind::openai).error_body(error, "r") + "\n\n");
  EXPECT_EQ(openai.find("[DONE]"), std::string::npos);
  EXPECT_EQ(openai.find("10.0.0.1"), std::string::npos);
  const std::string anthropic = llm::dialect(DialectKind::anthropic).error_event(error, "r");
  EXPECT_EQ(anthropic, "event: error\ndata: " +
                           llm::dialect(DialectKind::anthropic).error_body(error, "r") + "\n\n");
}

TEST(OwnAnswers, ModelsInBothForms) {
  llm::ModelEntry entry;
  entry.name = "fast";
  entry.created_s = 1'700'000'000;
  const llm::ModelEntry entries[] = {entry};
  EXPECT_EQ(
      llm::dialect(DialectKind::openai).models_body(entries),
      R"({"object":"list","data":[{"id":"fast","object":"model","created":1700000000,"owned_by":"tollgate"}]})");
  EXPECT_EQ(
      llm::dialect(DialectKind::anthropic).models_body(entries),
      R"({"data":[{"type":"model","id":"fast","display_name":"fast","created_at":"2023-11-14T22:13:20.000000Z"}],"has_more":false,"first_id":"fast","last_id":"fast"})");
  EXPECT_EQ(llm::dialect(DialectKind::openai).models_body({}), R"({"object":"list","data":[]})");
  EXPECT_EQ(llm::dialect(DialectKind::anthropic).models_body({}),
            R"({"data":[],"has_more":false,"first_id":null,"last_id":null})");
}

}  // namespace
}  // namespace tollgate::protocol
