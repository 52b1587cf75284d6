#include "tollgate/domain/keys/permissions.hpp"

#include <gtest/gtest.h>

namespace tollgate::domain::keys {
namespace {

TEST(GlobList, Table) {
  const struct {
    std::vector<std::string> globs;
    const char* name;
    bool expect;
  } cases[] = {
      {{}, "x", false},
      {{""}, "", false},
      {{"*"}, "", true},
      {{"*"}, "anything/at all", true},
      {{"**"}, "x", true},
      {{"gpt-5"}, "gpt-5", true},
      {{"gpt-5"}, "gpt-5-mini", false},
      {{"gpt-5"}, "GPT-5", false},
      {{"gpt-5"}, "gpt-", false},
      {{"b", "a", "c"}, "a", true},
      {{"b", "a", "c"}, "d", false},
      {{"gpt-*"}, "gpt-5", true},
      {{"gpt-*"}, "gpt-", true},
      {{"gpt-*"}, "xgpt-5", false},
      {{"*-mini"}, "gpt-5-mini", true},
      {{"*-mini"}, "gpt-5-mini2", false},
      {{"a*b*c"}, "a-b-b-c", true},
      {{"a*b*c"}, "a-c-b", false},
      {{"x", "gpt-*"}, "gpt-4", true},
      {{"/v1/files*"}, "/v1/files/abc/content", true},
      {{"/v1/files/*"}, "/v1/files", false},
      {{"a.c"}, "abc", false},
      {{"a?c"}, "abc", false},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(GlobList(c.globs).allows(c.name), c.expect)
        << (c.globs.empty() ? "(none)" : c.globs[0]) << " on " << c.name;
  }
}

TEST(Permissions, DenyByDefault) {
  const Permissions none{config::Allow()};
  EXPECT_FALSE(none.surface("chat"));
  EXPECT_FALSE(none.model("m"));
  EXPECT_FALSE(none.provider("p"));
  EXPECT_FALSE(none.path("/v1/files"));
  EXPECT_FALSE(none.mcp_server("s"));
  EXPECT_FALSE(none.mcp_tool("s", "t"));
  EXPECT_FALSE(none.a2a_agent("a"));
  EXPECT_FALSE(none.a2a_method("a", "message/send"));
}

TEST(Permissions, EachListIsItsOwn) {
  config::Allow allow;
  allow.surfaces = {"chat", "mcp"};
  allow.models = {"fast", "gpt-*"};
  allow.providers = {"openai"};
  allow.paths = {"/v1/files*"};
  allow.mcp = {{"github", {"list_*", "get_file"}}, {"empty", {}}, {"all", {"*"}}};
  allow.a2a = {{"planner", {"message/*"}}};
  const Permissions may(allow);
  const struct {
    const char* what;
    bool got, expect;
  } cases[] = {
      {"surface", may.surface("chat"), true},
      {"other surface", may.surface("a2a"), false},
      {"model", may.model("fast"), true},
      {"model by glob", may.model("gpt-5"), true},
      {"other model", may.model("chat"), false},
      {"provider", may.provider("openai"), true},
      {"other provider", may.provider("anthropic"), false},
      {"path", may.path("/v1/files/x"), true},
      {"other path", may.path("/v1/batches"), false},
      {"server", may.mcp_server("github"), true},
      {"server without tools", may.mcp_server("empty"), true},
      {"other server", may.mcp_server("git"), false},
      {"tool by glob", may.mcp_tool("github", "list_issues"), true},
      {"tool by name", may.mcp_tool("github", "get_file"), true},
      {"other tool", may.mcp_tool("github", "delete_repo"), false},
      {"tool of another server", may.mcp_tool("gitlab", "list_issues"), false},
      {"tool of a server without tools", may.mcp_tool("empty", "x"), false},
      {"any tool", may.mcp_tool("all", "x"), true},
      {"agent", may.a2a_agent("planner"), true},
      {"other agent", may.a2a_agent("coder"), false},
      {"method", may.a2a_method("planner", "message/stream"), true},
      {"other method", may.a2a_method("planner", "tasks/cancel"), false},
      {"method of another agent", may.a2a_method("coder", "message/send"), false},
  };
  for (const auto& c : cases) EXPECT_EQ(c.got, c.expect) << c.what;
}

}  // namespace
}  // namespace tollgate::domain::keys
