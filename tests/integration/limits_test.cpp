// Each limit of the configuration is counted under its own name where it is hit.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <zlib.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kChat = "/v1/chat/completions";

std::string gzip(const std::string& plain) {
  std::string zipped(plain.size() + 1024, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string input = plain;
  stream.next_in = reinterpret_cast<Bytef*>(input.data());
  stream.avail_in = static_cast<uInt>(input.size());
  stream.next_out = reinterpret_cast<Bytef*>(zipped.data());
  stream.avail_out = static_cast<uInt>(zipped.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  zipped.resize(stream.total_out);
  deflateEnd(&stream);
  return zipped;
}

class Limits : public ::testing::Test {
 protected:
  Limits() { upstream.on("POST", kChat, {Answer::json(200, completion("ok"))}); }
  FakeUpstream upstream;
  Daemon daemon{std::string(kOneProvider) +
                    "limits: {request_line_bytes: 1KiB, header_bytes: 8KiB, header_field_bytes: "
                    "2KiB, header_count: 20, body_bytes: 2MiB, gzip_ratio: 10, json_depth: 10, "
                    "json_nodes: 200, requests_per_connection: 2, failed_auth_per_minute: 3, "
                    "upstream_header_bytes: 4KiB}\n"
                    "timeouts: {header: 500ms, body: 500ms, keep_alive_idle: 1s}\n"
                    "routing: {retries_per_deployment: 0, cooldown_failures: 1000}\n",
                {.variables = {{"UP", upstream.url()}}}};

  std::string head(const std::string& more) {
    return "POST " + std::string(kChat) + " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " +
           daemon.key() + "\r\ncontent-type: application/json\r\n" + more;
  }
  void expect_hit(const std::string& limit, double count = 1) {
    EXPECT_TRUE(daemon.wait_metric("tollgate_limit_hits_total", {{"limit", limit}}, count))
        << limit;
    expected_ += count;
    EXPECT_EQ(daemon.metrics().value("tollgate_limit_hits_total"), expected_)
        << "nothing else is counted with " << limit;
  }

 private:
  double expected_ = 0;
};

TEST_F(Limits, OfAHeadAreTold) {
  daemon.connect().exchange("GET /" + std::string(2'000, 'a') + " HTTP/1.1\r\nhost: x\r\n\r\n");
  expect_hit("request_line_bytes");
  daemon.connect().exchange(head("x-a: " + std::string(3'000, 'a') + "\r\n\r\n"));
  expect_hit("header_field_bytes");
  std::string many;
  for (int i = 0; i < 30; ++i) many += "x-" + std::to_string(i) + ": 1\r\n";
  daemon.connect().exchange(head(many + "\r\n"));
  expect_hit("header_count");
  std::string large;
  for (int i = 0; i < 10; ++i)
    large += "x-" + std::to_string(i) + ": " + std::string(1'500, 'a') + "\r\n";
  daemon.connect().exchange(head(large + "\r\n"));
  expect_hit("header_bytes");
}

TEST_F(Limits, OfABodyAreTold) {
  daemon.connect().exchange(head("content-length: 99999999\r\n\r\n"));
  expect_hit("body_bytes");
  const std::string bomb = gzip(std::string(3 << 19, '0'));
  const Response refused = daemon.post(kChat, bomb, "agent", {{"content-encoding", "gzip"}});
  EXPECT_EQ(refused.status, 413);
  EXPECT_NE(refused.body.find("limits.gzip_ratio"), std::string::npos) << refused.body;
  expect_hit("gzip_ratio");
  EXPECT_EQ(daemon.post(kChat, std::string(30, '[') + std::string(30, ']')).status, 400);
  expect_hit("json_depth");
  std::string values = "[1";
  for (int i = 0; i < 300; ++i) values += ",\"a\"";
  EXPECT_EQ(daemon.post(kChat, values + "]").status, 400);
  expect_hit("json_nodes");
}

TEST_F(Limits, OfTimeAreTold) {
  RawClient slow_head = daemon.connect();
  slow_head.send("POST /v1/chat");
  EXPECT_EQ(slow_head.read_response(3s).status, 408);
  expect_hit("timeouts.header");
  RawClient slow_body = daemon.connect();
  slow_body.send(head("content-length: 100\r\n\r\n{"));
  EXPECT_EQ(slow_body.read_response(3s).status, 408);
  expect_hit("timeouts.body");
  RawClient idle = daemon.connect();
  EXPECT_EQ(idle.exchange(daemon.post_bytes(kChat, chat_request("m", "hi"))).status, 200);
  EXPECT_TRUE(idle.wait_closed(3s));
  expect_hit("timeouts.keep_alive_idle");
}

TEST_F(Limits, OfConnectionsKeysAndUpstreamsAreTold) {
  RawClient client = daemon.connect();
  const std::string bytes = daemon.post_bytes(kChat, chat_request("m", "hi"));
  EXPECT_EQ(client.exchange(bytes).status, 200);
  EXPECT_EQ(client.exchange(bytes).status, 200);
  EXPECT_TRUE(client.wait_closed(3s));
  expect_hit("requests_per_connection");
  upstream.on("POST", kChat,
              {Answer::raw("HTTP/1.1 200 OK\r\nx-big: " + std::string(8'000, 'a') +
                           "\r\ncontent-length: 2\r\n\r\n{}")});
  EXPECT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 502);
  expect_hit("upstream_header_bytes");
  for (int i = 0; i < 4; ++i) daemon.post(kChat, chat_request("m", "hi"), "guess");
  expect_hit("failed_auth_per_minute");
}

TEST_F(Limits, WithoutDescriptorsAcceptingPausesAndGoesOnAfterwards) {
  // A call on record: what is opened when first used is open, the store's files too.
  ASSERT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  ASSERT_EQ(daemon.rows(1).size(), 1u);
  const auto is_open = [&](rlim_t descriptor) {
    return std::filesystem::is_symlink(std::filesystem::symlink_status(
        "/proc/" + std::to_string(daemon.pid()) + "/fd/" + std::to_string(descriptor)));
  };
  rlimit few{0, 4'096};
  for (int free = 0; free < 4; ++few.rlim_cur) free += is_open(few.rlim_cur) ? 0 : 1;
  const auto exhausted = [&] {
    for (rlim_t descriptor = 0; descriptor < few.rlim_cur; ++descriptor)
      if (!is_open(descriptor)) return false;
    return true;
  };
  ASSERT_EQ(::prlimit(daemon.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  const auto start = std::chrono::steady_clock::now();
  {
    std::vector<RawClient> clients;
    for (int i = 0; i < 40; ++i) clients.push_back(daemon.connect());
    while (!exhausted() && std::chrono::steady_clock::now() < start + 5s)
      std::this_thread::sleep_for(5ms);
    ASSERT_TRUE(exhausted());
    std::this_thread::sleep_for(300ms);
  }
  EXPECT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200) << "it accepts again";
  const double errors = daemon.metrics().value("tollgate_accept_errors_total");
  const auto pauses = (std::chrono::steady_clock::now() - start) / 50ms;
  EXPECT_GE(errors, 1);
  EXPECT_LE(errors, static_cast<double>(pauses) + 2) << "one per pause, not one per turn";
}

TEST_F(Limits, TheStoreTellsItsSize) {
  EXPECT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  EXPECT_TRUE(daemon.wait_metric("tollgate_audit_bytes", {{"part", "database"}}, 1));
  const MetricsText metrics = daemon.metrics();
  for (const char* name :
       {"tollgate_audit_bodies_dropped_total", "tollgate_audit_writer_errors_total",
        "tollgate_audit_rows_expired_total", "tollgate_accept_errors_total",
        "tollgate_hold_waiting"}) {
    EXPECT_TRUE(metrics.has(name)) << name;
    EXPECT_EQ(metrics.value(name), 0) << name;
  }
}

}  // namespace
}  // namespace tollgate::testing
