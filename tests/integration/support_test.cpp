// The test tools themselves: a fake that cannot misbehave as told would make every other test lie.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/fake_upstream.hpp"
#include "support/raw_client.hpp"
#include "support/temp_dir.hpp"
#include "support/test_ca.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

TEST(FakeUpstream, AnswersInTurnAndRecordsWhatItSaw) {
  FakeUpstream upstream;
  upstream.on(
      "POST", "/v1/x",
      {Answer::json(429, "{}").header("retry-after", "3"), Answer::json(200, R"({"ok":true})")});
  RawClient client(upstream.port());
  Response first = client.exchange(http_request("POST", "/v1/x?a=b", {{"x-k", "v"}}, "hello"));
  EXPECT_EQ(first.status, 429);
  EXPECT_EQ(first.header("Retry-After"), "3");
  Response second = client.exchange(http_request("POST", "/v1/x", {}, ""));
  EXPECT_EQ(second.body, R"({"ok":true})");
  EXPECT_TRUE(second.complete);
  Response third = client.exchange(http_request("POST", "/v1/x", {}, ""));
  EXPECT_EQ(third.status, 200) << "the last answer repeats";
  Response missing = client.exchange(http_request("GET", "/nowhere", {}));
  EXPECT_EQ(missing.status, 404);

  const auto seen = upstream.requests();
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].method, "POST");
  EXPECT_EQ(seen[0].target, "/v1/x?a=b");
  EXPECT_EQ(seen[0].header("X-K"), "v");
  EXPECT_EQ(seen[0].body, "hello");
  EXPECT_EQ(seen[3].connection, 0u) << "one kept-alive connection";
}

TEST(FakeUpstream, StreamsEventsWithPausesAndEndsCleanly) {
  FakeUpstream upstream;
  upstream.on("GET", "/s",
              {Answer::sse({sse_data("1"), sse_data("2", "named"), sse_data("3")}, 30ms)});
  RawClient client(upstream.port());
  client.send(http_request("GET", "/s", {}));
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_EQ(events.size(), 3u);
  EXPECT_EQ(events[0].data, "1");
  EXPECT_EQ(events[1].event, "named");
  EXPECT_TRUE(client.body_complete());
  EXPECT_GE(events[2].at - events[0].at, 50ms);
}

TEST(FakeUpstream, CutsResetsAndKeepsSilentAsTold) {
  FakeUpstream upstream;
  upstream.on("GET", "/cut",
              {Answer::sse({sse_data("1"), sse_data("2")}).cut_at(12, Answer::End::reset)});
  upstream.on("GET", "/short", {Answer::text("0123456789").cut_at(4, Answer::End::close)});
  upstream.on("GET", "/reset", {Answer::reset_before_first_byte()});
  upstream.on("GET", "/close", {Answer::close_before_first_byte()});
  upstream.on("GET", "/silent", {Answer::silence()});
  {
    RawClient client(upstream.port());
    client.send(http_request("GET", "/cut", {}));
    ASSERT_EQ(client.read_head().status, 200);
    EXPECT_EQ(client.all_events().size(), 1u);
    EXPECT_FALSE(client.body_complete());
  }
  {
    const Response out = RawClient(upstream.port()).exchange(http_request("GET", "/short", {}));
    EXPECT_EQ(out.body, "0123");
    EXPECT_FALSE(out.complete);
  }
  EXPECT_EQ(RawClient(upstream.port()).exchange(http_request("GET", "/reset", {})).failure,
            "reset");
  EXPECT_EQ(RawClient(upstream.port()).exchange(http_request("GET", "/close", {})).failure, "eof");
  {
    RawClient client(upstream.port());
    EXPECT_EQ(client.exchange(http_request("GET", "/silent", {}), 100ms).failure, "timeout");
  }
  EXPECT_TRUE(upstream.wait_for_peer_left(4, 2s).has_value()) << "the leaving peer was noticed";
}

TEST(FakeUpstream, SeesAPeerLeaveMidStream) {
  FakeUpstream upstream;
  upstream.on("GET", "/s", {Answer::sse(std::vector<std::string>(1000, sse_data("x")), 10ms)});
  SteadyTime left;
  {
    RawClient client(upstream.port());
    client.send(http_request("GET", "/s", {}));
    client.read_head();
    ASSERT_TRUE(client.next_event().has_value());
    left = std::chrono::steady_clock::now();
  }
  const auto noticed = upstream.wait_for_peer_left(0, 2s);
  ASSERT_TRUE(noticed.has_value());
  EXPECT_LT(*noticed - left, 100ms);
}

TEST(FakeUpstream, SpeaksTlsAndChecksClientCertificates) {
  const TempDir dir;
  TestCa ca(dir.path());
  const CertificateFiles server = ca.issue("server");
  const CertificateFiles agent = ca.issue("agent", {"agent-7", "DNS:agent-7"});
  FakeUpstream upstream(server_context(server, ca.ca_file()));
  upstream.on("GET", "/", {Answer::text("ok")});

  const SslCtxPtr without = client_context(ca.ca_file());
  RawClient stranger(upstream.port(), without.get());
  EXPECT_EQ(stranger.exchange(http_request("GET", "/", {})).status, 0);

  const SslCtxPtr with = client_context(ca.ca_file(), agent);
  RawClient known(upstream.port(), with.get());
  ASSERT_TRUE(known.connected()) << known.error();
  EXPECT_EQ(known.exchange(http_request("GET", "/", {})).body, "ok");
  EXPECT_EQ(upstream.requests().at(0).sni, "localhost");
  EXPECT_EQ(upstream.requests().at(0).client_subject, "agent-7");
}

TEST(FakeUpstream, UnusedPortRefuses) {
  EXPECT_FALSE(RawClient(unused_port()).connected());
}

}  // namespace
}  // namespace tollgate::testing
