#include "stages/wire.hpp"

#include <gtest/gtest.h>

#include "relay_fixture.hpp"
#include "tollgate/domain/keys/key_format.hpp"

namespace tollgate::stages {
namespace {

/// The header lines of an attempt, as they reach the upstream and the agent.
class Wire : public ::testing::Test {
 protected:
  ~Wire() override { context.end(); }

  /// @param fields  of the agent's request, which has a body
  std::string upstream_lines(std::string_view model, const std::string& fields) {
    context.reset();
    bench.begin(context, agent, model);
    request.reset();
    request_bytes = "POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
    EXPECT_TRUE(request.feed(request_bytes).has_value());
    context.head = &request.head();
    context.route.surface = surface;
    context.route.upstream_path = "/v1/chat/completions";
    context.payload.kind = pipeline::Payload::Kind::model;
    context.route.agent_card = asked_for_card != nullptr;
    context.peer = asked_for_card;
    context.body = json;
    context.has_document = !context.document.parse(context.body).has_error();
    context.edits.reset(context.body);
    if (masks) context.edits.replace(1, static_cast<std::uint32_t>(json.size()) - 1, "");
    AttemptRequest attempt;
    attempt.build(context, 0);
    return std::string(attempt.wire.header_lines);
  }
  /// What each candidate of `model` is sent of a chat completion's body.
  std::vector<std::string> upstream_bodies(std::string_view model, const std::string& body,
                                           std::optional<std::int64_t> cap = {}) {
    json = body;
    upstream_lines(model, "");
    pipeline::Payload& payload = context.payload;
    payload.dialect = &protocol::llm::dialect(protocol::llm::DialectKind::openai);
    EXPECT_TRUE(
        payload.dialect
            ->scan(protocol::llm::RequestKind::chat_completions, context.document, payload.fields)
            .has_value());
    payload.model = payload.fields.model;
    payload.wants_stream = payload.fields.stream;
    context.hold_plan.output_cap_to_forward = cap;
    std::vector<std::string> bodies;
    AttemptRequest attempt;  // one for all, as in a call that fails over
    for (std::size_t i = 0; i < context.plan.candidates.size(); ++i) {
      attempt.build(context, i);
      std::string& sent = bodies.emplace_back();
      for (const std::string_view piece : attempt.wire.body) sent += piece;
    }
    return bodies;
  }
  std::string downstream_lines(const std::string& fields, bool changes_body = false) {
    bench.begin(context, agent);
    context.request_id = "req_1";
    response.reset(false);
    response_bytes = "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
    EXPECT_TRUE(response.feed(response_bytes).has_value());
    context.head = &request.head();
    std::string out;
    build_answer_headers(context, response.head(), 2, changes_body, out);
    return out;
  }

  testing::RelayBench bench;
  testing::Agent agent;
  pipeline::RequestContext context;
  pipeline::Surface surface = pipeline::Surface::chat;
  std::string json = "{}";
  bool masks = false;
  const pipeline::PeerRuntime* asked_for_card = nullptr;
  protocol::http::RequestParser request;
  protocol::http::ResponseParser response;
  std::string request_bytes, response_bytes;
};

TEST_F(Wire, BodiesOfModelCallsAreJsonWhateverTheyWereCalled) {
  const std::string ours = "Content-Type: application/json\r\nAccept-Encoding: identity\r\n";
  EXPECT_EQ(upstream_lines("demo/echo", "content-type: application/x-www-form-urlencoded\r\n"),
            ours);
  EXPECT_EQ(upstream_lines("demo/echo", ""), ours);
  EXPECT_EQ(upstream_lines("demo/echo", "content-type: application/json; a=b\r\n"),
            "content-type: application/json; a=b\r\nAccept-Encoding: identity\r\n");
}

TEST_F(Wire, WhatTheConfigurationSetsIsSentOnceAndWins) {
  for (const char* type :
       {"", "content-type: application/json\r\n", "Content-Type: text/plain\r\n"}) {
    const std::string lines =
        upstream_lines("own", std::string(type) + "x-own: theirs\r\nx-other: 1\r\n");
    EXPECT_EQ(lines.find("x-other: 1\r\nAccept-Encoding: identity\r\nAuthorization: "), 0u)
        << "nothing else of the agent's: " << lines;
    EXPECT_NE(lines.find("\r\nContent-Type: application/own+json\r\n"), std::string::npos) << lines;
    EXPECT_NE(lines.find("\r\nX-Own: ours\r\n"), std::string::npos) << lines;
    EXPECT_EQ(lines.find("application/json"), std::string::npos) << lines;
  }
}

TEST_F(Wire, AVirtualKeyInAFieldThatNobodyHasHeardOfStaysHere) {
  const base::Secret secret = domain::keys::generate_key();
  const std::string key(secret.reveal());
  EXPECT_EQ(upstream_lines("demo/echo", "x-odd: a " + key + "\r\nx-other: 1\r\n"),
            "x-other: 1\r\nContent-Type: application/json\r\nAccept-Encoding: identity\r\n");
}

TEST_F(Wire, ASealedSessionIdIsNotForwarded) {
  surface = pipeline::Surface::mcp;
  EXPECT_EQ(upstream_lines("demo/echo", "Content-Type: a/b+json\r\nMcp-Session-Id: s\r\n"),
            "Content-Type: a/b+json\r\nAccept-Encoding: identity\r\n");
}

TEST_F(Wire, WhatWasSaidOfABodyDoesNotGoOnWithAnother) {
  const std::string said = "Content-Digest: sha-256=:YQ==:\r\ncontent-md5: a\r\nX-Other: 1\r\n";
  const std::string ours = "Content-Type: application/json\r\nAccept-Encoding: identity\r\n";
  EXPECT_EQ(upstream_lines("demo/echo", said), said + ours);
  EXPECT_EQ(upstream_lines("demo/echo", said + "Content-Encoding: identity\r\n"), said + ours);
  EXPECT_EQ(upstream_lines("demo/echo", said + "Content-Encoding: gzip\r\n"),
            "X-Other: 1\r\n" + ours);
  json = R"({"model":"a","x":1})";
  EXPECT_EQ(upstream_lines("demo/echo", said), said + ours);
  masks = true;
  EXPECT_EQ(upstream_lines("demo/echo", said), "X-Other: 1\r\n" + ours);

  const std::string tag = "ETag: \"a\"\r\nServer: a\r\n";
  const std::string gateways = "x-request-id: req_1\r\nx-tollgate-attempts: 2\r\n";
  EXPECT_EQ(downstream_lines(tag), tag + gateways);
  EXPECT_EQ(downstream_lines(tag, true), "Server: a\r\n" + gateways);
}

TEST_F(Wire, AnAgentCardIsAskedForWithoutConditions) {
  const std::string sent = "If-None-Match: \"a\"\r\nIf-Modified-Since: x\r\nRange: bytes=0-1\r\n";
  const std::string ours = "Content-Type: application/json\r\nAccept-Encoding: identity\r\n";
  EXPECT_EQ(upstream_lines("demo/echo", sent), sent + ours);
  const config::A2aAgent agent_config;
  pipeline::PeerRuntime peer;
  peer.a2a = &agent_config;
  asked_for_card = &peer;
  EXPECT_EQ(upstream_lines("demo/echo", sent), ours + "x-tollgate-depth: 1\r\n");
}

TEST_F(Wire, OnlyServersAndAgentsAreToldTheDepthAndNeverTheCallers) {
  const std::string sent = "X-Tollgate-Depth: 41\r\n";
  const std::string ours = "Content-Type: application/json\r\nAccept-Encoding: identity\r\n";
  EXPECT_EQ(upstream_lines("demo/echo", sent), ours);
  const config::A2aAgent agent_config;
  pipeline::PeerRuntime peer;
  peer.a2a = &agent_config;
  asked_for_card = &peer;
  EXPECT_EQ(upstream_lines("demo/echo", sent), ours + "x-tollgate-depth: 1\r\n")
      << "of the call, as interpretation has read it";
}

TEST_F(Wire, EachCandidateIsSentTheCapInTheFieldItKnows) {
  using Bodies = std::vector<std::string>;
  const std::string rest = R"(,"messages":[]})";
  EXPECT_EQ(upstream_bodies("either", R"({"model":"either","max_completion_tokens":1)" + rest),
            (Bodies{R"({"model":"m","max_completion_tokens":1)" + rest,
                    R"({"model":"m2","max_tokens":1)" + rest}));
  EXPECT_EQ(upstream_bodies("either", R"({"model":"either","max_completion_tokens":99)" + rest, 7),
            (Bodies{R"({"model":"m","max_completion_tokens":7)" + rest,
                    R"({"model":"m2","max_tokens":7)" + rest}));
  EXPECT_EQ(
      upstream_bodies("either", R"({"model":"either","max_tokens":1)" + rest),
      (Bodies{R"({"model":"m","max_tokens":1)" + rest, R"({"model":"m2","max_tokens":1)" + rest}))
      << "who knows only the newer name refuses the older";
  EXPECT_EQ(upstream_bodies("either", R"({"model":"either","messages":[]})", 7),
            (Bodies{R"({"model":"m","messages":[],"max_completion_tokens":7})",
                    R"({"model":"m2","messages":[],"max_tokens":7})"}));
  EXPECT_EQ(
      upstream_bodies("either", R"({"model":"either","max_output_tokens":1)" + rest, 7),
      (Bodies{R"({"model":"m","max_output_tokens":1,"messages":[],"max_completion_tokens":7})",
              R"({"model":"m2","max_output_tokens":1,"messages":[],"max_tokens":7})"}));
  EXPECT_EQ(upstream_bodies("either",
                            R"({"model":"either","stream":true,"max_completion_tokens":1)" + rest),
            (Bodies{R"({"model":"m","stream":true,"max_completion_tokens":1,"messages":[],)"
                    R"("stream_options":{"include_usage":true}})",
                    R"({"model":"m2","stream":true,"max_tokens":1,"messages":[],)"
                    R"("stream_options":{"include_usage":true}})"}));
}

TEST_F(Wire, AnAnswerTellsWhatTheGatewayDid) {
  EXPECT_EQ(downstream_lines("X-Request-Id: theirs\r\nX-Tollgate-Attempts: 9\r\nServer: a\r\n"),
            "x-upstream-request-id: theirs\r\nServer: a\r\nx-request-id: req_1\r\n"
            "x-tollgate-attempts: 2\r\n");
}

TEST_F(Wire, AnAnswersFieldWithTheProvidersCredentialStaysHere) {
  const domain::policy::Secrets secrets{{"provider-credential-1"}};
  context.secrets = &secrets;
  EXPECT_EQ(downstream_lines("X-Echo: provider-credential-1\r\nServer: a\r\n"),
            "Server: a\r\nx-request-id: req_1\r\nx-tollgate-attempts: 2\r\n");
}

}  // namespace
}  // namespace tollgate::stages
