// The raw edge: what is ambiguous is refused on the real socket, and never reaches an upstream.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;

constexpr const char* kPath = "/v1/chat/completions";

struct Raw {
  const char* name;
  std::string bytes;  ///< @K is the key, @B a good body, @L its length
  int status;         ///< 0: the connection is closed without an answer, or with any 4xx
};

std::string post(const std::string& head_rest, const std::string& body = "@B") {
  return "POST /v1/chat/completions HTTP/1.1\r\nauthorization: Bearer @K\r\ncontent-type: "
         "application/json\r\n" +
         head_rest + "\r\n" + body;
}

std::vector<Raw> raw_cases() {
  const std::string host = "host: x\r\n";
  const std::string length = "content-length: @L\r\n";
  std::vector<Raw> out{
      {"cl_and_te", post(host + length + "transfer-encoding: chunked\r\n"), 400},
      {"te_and_cl", post(host + "transfer-encoding: chunked\r\n" + length), 400},
      {"equal_duplicate_cl", post(host + length + length), 400},
      {"different_duplicate_cl", post(host + length + "content-length: 3\r\n"), 400},
      {"cl_list", post(host + "content-length: @L, @L\r\n"), 400},
      {"cl_plus", post(host + "content-length: +@L\r\n"), 400},
      {"cl_negative", post(host + "content-length: -5\r\n"), 400},
      {"cl_hex", post(host + "content-length: 0x10\r\n"), 400},
      {"cl_empty", post(host + "content-length: \r\n"), 400},
      {"cl_underscore", post(host + "content-length: 1_0\r\n"), 400},
      {"cl_overflow", post(host + "content-length: 99999999999999999999999\r\n"), 400},
      {"te_gzip_chunked", post(host + "transfer-encoding: gzip, chunked\r\n"), 400},
      {"te_chunked_gzip", post(host + "transfer-encoding: chunked, gzip\r\n"), 400},
      {"te_twice", post(host + "transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n"),
       400},
      {"te_identity", post(host + "transfer-encoding: identity\r\n" + length), 400},
      {"te_quoted", post(host + "transfer-encoding: \"chunked\"\r\n"), 400},
      {"te_xchunked", post(host + "transfer-encoding: xchunked\r\n"), 400},
      {"te_vt",
       post(host + "transfer-encoding: \x0b"
                   "chunked\r\n"),
       400},
      {"te_http10",
       "POST /v1/chat/completions HTTP/1.0\r\nhost: x\r\nauthorization: Bearer @K\r\n"
       "transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
       400},
      {"obs_fold", post(host + "x-a: 1\r\n 2\r\n" + length), 400},
      {"obs_fold_tab", post(host + "x-a: 1\r\n\t2\r\n" + length), 400},
      {"fold_first_line", "POST /v1/chat/completions HTTP/1.1\r\n host: x\r\n\r\n", 400},
      {"bare_lf_lines", "POST /v1/chat/completions HTTP/1.1\nhost: x\nauthorization: Bearer @K\n\n",
       400},
      {"bare_lf_one", post("host: x\n" + length), 400},
      {"bare_cr_value", post(host + "x-a: 1\r2\r\n" + length), 400},
      {"space_before_colon", post(host + "content-length : @L\r\n"), 400},
      {"tab_before_colon", post(host + "content-length\t: @L\r\n"), 400},
      {"space_in_name", post(host + "x a: 1\r\n" + length), 400},
      {"no_colon", post(host + "garbage\r\n" + length), 400},
      {"empty_name", post(host + ": 1\r\n" + length), 400},
      {"nul_in_value", post(host + std::string("x-a: 1\0002\r\n", 9) + length), 400},
      {"nul_in_name", post(host + std::string("x\000a: 1\r\n", 8) + length), 400},
      {"control_in_value", post(host + "x-a: \x01\r\n" + length), 400},
      {"del_in_value", post(host + "x-a: \x7f\r\n" + length), 400},
      {"no_host", post(length), 400},
      {"two_hosts", post(host + host + length), 400},
      {"host_userinfo", post("host: a@b\r\n" + length), 400},
      {"host_slash", post("host: x/y\r\n" + length), 400},
      {"host_question", post("host: x?y\r\n" + length), 400},
      {"host_hash", post("host: x#y\r\n" + length), 400},
      {"host_space", post("host: x y\r\n" + length), 400},
      {"host_port_text", post("host: x:http\r\n" + length), 400},
      {"host_port_huge", post("host: x:99999\r\n" + length), 400},
      {"absolute_mismatch",
       "POST http://other/v1/chat/completions HTTP/1.1\r\n" + host +
           "authorization: Bearer @K\r\n" + length + "\r\n@B",
       400},
      {"fragment", "GET /v1/models#x HTTP/1.1\r\n" + host + "authorization: Bearer @K\r\n\r\n",
       400},
      {"target_control",
       "GET /v1/mo\x01"
       "dels HTTP/1.1\r\n" +
           host + "\r\n",
       400},
      {"target_high_byte", "GET /v1/\xffmodels HTTP/1.1\r\n" + host + "\r\n", 400},
      {"target_no_slash", "GET v1/models HTTP/1.1\r\n" + host + "\r\n", 400},
      {"encoded_slash_in_route",
       "GET /v1%2fmodels HTTP/1.1\r\n" + host + "authorization: Bearer @K\r\n\r\n", 0},
      {"dot_segments",
       "GET /v1/x/../models HTTP/1.1\r\n" + host + "authorization: Bearer @K\r\n\r\n", 0},
      {"connect", "CONNECT x:443 HTTP/1.1\r\nhost: x:443\r\n\r\n", 0},
      {"two_spaces", "GET  /v1/models HTTP/1.1\r\n" + host + "\r\n", 400},
      {"tab_separator", "GET\t/v1/models\tHTTP/1.1\r\n" + host + "\r\n", 400},
      {"lower_http", "GET /v1/models http/1.1\r\n" + host + "\r\n", 400},
      {"http_09", "GET /v1/models\r\n\r\n", 400},
      {"http_12", "GET /v1/models HTTP/1.2\r\n" + host + "\r\n", 0},
      {"http_2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
      {"chunk_size_0x", post(host + "transfer-encoding: chunked\r\n", "0x5\r\nhello\r\n0\r\n\r\n"),
       400},
      {"chunk_size_plus", post(host + "transfer-encoding: chunked\r\n", "+5\r\nhello\r\n0\r\n\r\n"),
       400},
      {"chunk_size_space",
       post(host + "transfer-encoding: chunked\r\n", " 5\r\nhello\r\n0\r\n\r\n"), 400},
      {"chunk_size_overflow",
       post(host + "transfer-encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
      {"chunk_bare_lf", post(host + "transfer-encoding: chunked\r\n", "5\nhello\n0\n\n"), 400},
      {"chunk_bad_end", post(host + "transfer-encoding: chunked\r\n", "5\r\nhelloXX0\r\n\r\n"),
       400},
      {"chunk_ext_nul",
       post(host + "transfer-encoding: chunked\r\n",
            std::string("5;a\000b\r\nhello\r\n0\r\n\r\n", 19)),
       400},
      {"expect_other", post(host + length + "expect: 200-maybe\r\n"), 417},
      {"method_lower", "get /v1/models HTTP/1.1\r\n" + host + "authorization: Bearer @K\r\n\r\n",
       0},
      {"garbage", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 0},
  };
  return out;
}

class Framing : public ::testing::Test {
 protected:
  Framing() { upstream.on("POST", kPath, {Answer::json(200, completion("ok"))}); }
  FakeUpstream upstream;
  Daemon daemon{
      std::string(kOneProvider) +
          "limits: {request_line_bytes: 1KiB, header_bytes: 8KiB, header_field_bytes: 2KiB, "
          "header_count: 40}\ntimeouts: {header: 700ms, body: 700ms, keep_alive_idle: 1s}\n",
      {.variables = {{"UP", upstream.url()}}}};
  const std::string body = chat_request("m", "hi");

  std::string fill(std::string text) {
    const auto replace = [&](const std::string& from, const std::string& to) {
      for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
        text.replace(at, from.size(), to);
      }
    };
    replace("@K", daemon.key());
    replace("@L", std::to_string(body.size()));
    replace("@B", body);
    return text;
  }
  void expect_alive() { EXPECT_EQ(daemon.post(kPath, body).status, 200) << "the daemon goes on"; }
};

TEST_F(Framing, AmbiguousRequestsAreRefusedAndTheConnectionCloses) {
  for (const Raw& raw : raw_cases()) {
    SCOPED_TRACE(raw.name);
    RawClient client = daemon.connect();
    // A smuggled second request behind each: it must never be answered.
    const Response response = client.exchange(
        fill(raw.bytes) +
            fill("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer @K\r\n\r\n"),
        3s);
    if (raw.status != 0) {
      EXPECT_EQ(response.status, raw.status) << response.failure << response.body;
    } else {
      EXPECT_TRUE(response.status == 0 || (response.status >= 400 && response.status < 600))
          << response.status;
    }
    if (raw.status == 400) {
      std::string rest;
      EXPECT_TRUE(client.wait_closed(3s));
    }
    EXPECT_EQ(upstream.request_count(), 0u) << "something reached the provider";
  }
  expect_alive();
  EXPECT_EQ(upstream.request_count(), 1u);
}

TEST_F(Framing, TheSameCasesSentByteByByteEndTheSame) {
  int checked = 0;
  for (const Raw& raw : raw_cases()) {
    if (raw.status != 400 || raw.bytes.size() > 260) continue;
    SCOPED_TRACE(raw.name);
    RawClient client = daemon.connect();
    for (const char byte : fill(raw.bytes)) {
      if (!client.send(std::string(1, byte))) break;
    }
    const int status = client.read_response(3s).status;
    // The writer may meet a connection that was refused and closed before all was sent.
    EXPECT_TRUE(status == 400 || status == 0) << status;
    ++checked;
  }
  EXPECT_GT(checked, 20);
  EXPECT_EQ(upstream.request_count(), 0u);
  expect_alive();
}

TEST_F(Framing, LimitsAnswerWithTheirOwnStatus) {
  const std::string host = "host: x\r\n";
  struct Limit {
    std::string bytes;
    int status;
  };
  std::string many;
  for (int i = 0; i < 60; ++i) many += "x-" + std::to_string(i) + ": 1\r\n";
  for (const Limit& limit : std::vector<Limit>{
           {"GET /" + std::string(4'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 414},
           {"GET /v1/models HTTP/1.1\r\n" + host + "x-a: " + std::string(4'000, 'a') + "\r\n\r\n",
            431},
           {"GET /v1/models HTTP/1.1\r\n" + host + many + "\r\n", 431}}) {
    const Response response = daemon.connect().exchange(limit.bytes, 3s);
    EXPECT_EQ(response.status, limit.status) << limit.bytes.substr(0, 40);
  }
  expect_alive();
}

TEST_F(Framing, RefusedHeadsAreToldInTheDialectOfTheirPath) {
  using nlohmann::json;
  struct Fault {
    std::string method, rest;  ///< around the path
    int status;
    std::string code;
  };
  const std::string line = " HTTP/1.1\r\n";
  const std::string host = line + "host: x\r\n";
  const std::vector<Fault> faults{
      {"POST ", host + "x-a: 1\r\n 2\r\n\r\n", 400, "bad_http"},
      {"POST ", host + "content-length: 0\r\ntransfer-encoding: chunked\r\n\r\n", 400, "bad_http"},
      {"POST ", line + "\r\n", 400, "bad_http"},
      {"POST ", " HTTP/3.0\r\n\r\n", 400, "bad_http"},
      {"POST ", "/%zz" + host + "\r\n", 400, "bad_http"},
      {"POST http://other", host + "\r\n", 400, "bad_http"},
      {"FOO ", line + "\r\n", 405, "method_not_allowed"},
      {"FOO ", host + "\r\n", 405, "method_not_allowed"},
      {"POST ", host, 408, "request_timeout"},
      {"POST ", "?" + std::string(4'000, 'a') + host + "\r\n", 414, "uri_too_long"},
      {"POST ", host + "expect: other\r\n\r\n", 417, "expectation_failed"},
      {"POST ", host + "x-a: " + std::string(4'000, 'a') + "\r\n\r\n", 431, "headers_too_large"}};
  for (const Fault& fault : faults) {
    for (const std::string path : {"/v1/chat/completions", "/v1/messages", "/anthropic/v1/messages",
                                   "/mcp/tools", "/a2a/planner"}) {
      const std::string bytes = fault.method + path + fault.rest;
      SCOPED_TRACE(bytes.substr(0, 80));
      const Response response = daemon.connect().exchange(bytes, 3s);
      EXPECT_EQ(response.status, fault.status) << response.failure;
      EXPECT_EQ(response.header("content-type"), "application/json");
      const json told = json::parse(response.body, nullptr, false);
      ASSERT_TRUE(told.is_object() && told["error"].is_object()) << response.body;
      const json& error = told["error"];
      const bool is_rpc = path == "/mcp/tools" || path == "/a2a/planner";
      EXPECT_EQ((is_rpc ? error["data"] : error)["code"], fault.code) << response.body;
      EXPECT_FALSE(error["message"].get<std::string>().empty());
      EXPECT_EQ(told.contains("jsonrpc"), is_rpc) << response.body;
      if (is_rpc) {
        EXPECT_TRUE(told.contains("id") && told["id"].is_null()) << response.body;
        EXPECT_TRUE(error["code"].is_number()) << response.body;
      }
      EXPECT_EQ(told.contains("type"), path.ends_with("/messages")) << response.body;
    }
  }
  EXPECT_EQ(upstream.request_count(), 0u);
  expect_alive();
}

TEST_F(Framing, SlowHeadsAndBodiesAreEndedByTheirTimers) {
  const SteadyTime start = std::chrono::steady_clock::now();
  RawClient head = daemon.connect();
  RawClient slow_body = daemon.connect();
  RawClient idle = daemon.connect();
  head.send("POST /v1/chat/comp");
  slow_body.send(fill(post("host: x\r\ncontent-length: 1000\r\n", "{\"model\"")));
  EXPECT_EQ(slow_body.read_response(5s).status, 408);
  const Response timed_out = head.read_response(5s);
  EXPECT_TRUE(timed_out.status == 408 || timed_out.status == 0) << timed_out.status;
  EXPECT_TRUE(idle.wait_closed(5s));
  EXPECT_LT(std::chrono::steady_clock::now() - start, 5s);
  expect_alive();
}

TEST_F(Framing, PipelinedRequestsAreAnsweredInOrder) {
  RawClient client = daemon.connect();
  std::string bytes;
  for (int i = 0; i < 5; ++i) bytes += daemon.post_bytes(kPath, body);
  bytes += http_request("GET", "/v1/models", {{"authorization", "Bearer " + daemon.key()}});
  client.send(bytes);
  for (int i = 0; i < 5; ++i) {
    const Response response = client.read_response(5s);
    ASSERT_EQ(response.status, 200) << i;
    EXPECT_EQ(response.body, completion("ok"));
  }
  EXPECT_NE(client.read_response(5s).body.find("\"data\""), std::string::npos);
}

TEST_F(Framing, ManyBrokenClientsLeaveNothingBehind) {
  expect_alive();
  const double before = daemon.metrics().value("tollgate_connections");
  for (int i = 0; i < 200; ++i) {
    RawClient client = daemon.connect();
    client.send(i % 2 == 0 ? "POST /v1/chat/completions HT"
                           : fill(post("host: x\r\ncontent-length: 900\r\n", "{")));
    if (i % 3 == 0) client.transport().arm_reset();
  }
  bool back = false;
  for (int i = 0; i < 100 && !back; ++i) {
    back = daemon.metrics().value("tollgate_connections") <= before;
    std::this_thread::sleep_for(50ms);
  }
  EXPECT_TRUE(back) << daemon.metrics().value("tollgate_connections");
  EXPECT_TRUE(daemon.metric_becomes("tollgate_in_flight", 0));
  expect_alive();
}

}  // namespace
}  // namespace tollgate::testing
