// A refused head has no route: its path's beginning says in whose words it is refused.
#include <gtest/gtest.h>

#include "tollgate/pipeline/error_body.hpp"

namespace tollgate::pipeline {
namespace {

TEST(RefusalDialect, GoesByThePathsBeginning) {
  struct Case {
    std::string_view path;
    Dialect dialect;
  };
  for (const Case& c : std::initializer_list<Case>{{"", Dialect::openai},
                                                   {"*", Dialect::openai},
                                                   {"/", Dialect::openai},
                                                   {"/v1/mess", Dialect::openai},
                                                   {"/v1/chat/completions", Dialect::openai},
                                                   {"/x/v1/messages", Dialect::openai},
                                                   {"/mcp", Dialect::openai},
                                                   {"/v1/messages", Dialect::anthropic},
                                                   {"/v1/messages?x", Dialect::anthropic},
                                                   {"/v1/messages/..", Dialect::anthropic},
                                                   {"/anthropic/v1/models", Dialect::anthropic},
                                                   {"/mcp/", Dialect::jsonrpc},
                                                   {"/mcp/%zz", Dialect::jsonrpc},
                                                   {"/a2a/x", Dialect::jsonrpc}})
    EXPECT_EQ(dialect_of_unchecked(c.path), c.dialect) << c.path;
}

TEST(RefusalDialect, IsThatOfTheBody) {
  const base::Error error(base::ErrorCode::bad_http, "why");
  const auto body = [&error](Dialect dialect) {
    std::string lines, text;
    render_plain_error(error, dialect, lines, text);
    EXPECT_EQ(lines, "Content-Type: application/json\r\n");
    return text;
  };
  EXPECT_EQ(
      body(Dialect::jsonrpc),
      R"({"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"why","data":{"code":"bad_http"}}})");
  EXPECT_TRUE(body(Dialect::anthropic).starts_with(R"({"type":"error","error":{)"));
  EXPECT_TRUE(body(Dialect::openai).starts_with(R"({"error":{)"));
}

}  // namespace
}  // namespace tollgate::pipeline
