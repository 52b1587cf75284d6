// Bad input: a clear error in the caller's dialect, a row where the caller is known, and on it
// goes.
#include <gtest/gtest.h>

#include <zlib.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

constexpr const char* kChat = "/v1/chat/completions";
constexpr const char* kMessages = "/v1/messages";

struct Bad {
  const char* name;
  std::string method;
  std::string path;
  std::string body;
  int status;
  const char* code;
};

std::string deep(int levels) {
  return R"({"model":"m","max_tokens":5,"messages":[{"role":"user","content":"x"}],"x":)" +
         std::string(static_cast<std::size_t>(levels), '[') +
         std::string(static_cast<std::size_t>(levels), ']') + "}";
}

std::vector<Bad> cases() {
  const std::string ok = chat_request("m", "hi");
  std::vector<Bad> out{
      {"not_json", "POST", kChat, "this is not json", 400, "invalid_json"},
      {"empty_body", "POST", kChat, "", 400, "invalid_json"},
      {"cut_json", "POST", kChat, ok.substr(0, ok.size() - 3), 400, "invalid_json"},
      {"trailing_json", "POST", kChat, ok + "{}", 400, "invalid_json"},
      {"array", "POST", kChat, "[]", 400, "invalid_request"},
      {"no_model", "POST", kChat, R"({"messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"model_number", "POST", kChat, R"({"model":5,"messages":[]})", 400, "invalid_request"},
      {"no_messages", "POST", kChat, R"({"model":"m"})", 400, "invalid_request"},
      {"null_messages", "POST", kChat, R"({"model":"m","messages":null})", 400, "invalid_request"},
      {"no_messages_anthropic", "POST", kMessages, R"({"model":"m","max_tokens":5})", 400,
       "invalid_request"},
      {"no_input", "POST", "/v1/embeddings", R"({"model":"m"})", 400, "invalid_request"},
      {"duplicate_model", "POST", kChat,
       R"({"model":"m","model":"other","messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_json"},
      {"escaped_duplicate_model", "POST", kChat,
       R"({"model":"m","mod\u0065l":"other","messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_json"},
      {"max_tokens_text", "POST", kChat,
       R"({"model":"m","max_tokens":"many","messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"max_tokens_negative", "POST", kChat,
       R"({"model":"m","max_tokens":-1,"messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"max_tokens_none", "POST", kChat,
       R"({"model":"m","max_tokens":0,"messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"stream_text", "POST", kChat,
       R"({"model":"m","stream":"yes","messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"n_huge", "POST", kChat,
       R"({"model":"m","n":99999999999999999999,"messages":[{"role":"user","content":"x"}]})", 400,
       "invalid_request"},
      {"bad_utf8", "POST", kChat, chat_request("m", "hi").replace(60, 2, "\xC3\x28"), 400,
       "invalid_json"},
      {"too_deep", "POST", kChat, deep(2'000), 400, "invalid_json"},
      {"unknown_model", "POST", kChat, chat_request("nope", "hi"), 404, "model_not_found"},
      {"wrong_method", "GET", kChat, "", 405, "method_not_allowed"},
      {"unknown_path", "POST", "/v2/chat", ok, 404, "not_found"},
      {"root_post", "POST", "/", ok, 404, "not_found"},
      {"oversized", "POST", kChat, chat_request("m", std::string(300'000, 'x')), 413,
       "request_too_large"},
      {"anthropic_not_json", "POST", kMessages, "{", 400, "invalid_json"},
      {"anthropic_unknown_model", "POST", kMessages, chat_request("nope", "hi"), 404,
       "model_not_found"},
      {"wrong_dialect", "POST", kMessages, chat_request("m", "hi"), 501, "not_supported"},
      {"wrong_method_messages", "PUT", kMessages, ok, 405, "method_not_allowed"},
      {"mcp_unknown_server", "POST", "/mcp/none", R"({"jsonrpc":"2.0","id":1,"method":"ping"})",
       403, "permission_denied"},
      {"other_path_not_allowed", "POST", "/v1/files", "{}", 403, "permission_denied"},
  };
  return out;
}

class BadInput : public ::testing::Test {
 protected:
  FakeUpstream upstream;
  Daemon daemon{std::string(kOneProvider) + "limits: {body_bytes: 256KiB}\n",
                {.variables = {{"UP", upstream.url()}}}};
};

TEST_F(BadInput, EachGetsItsErrorInTheCallersDialectAndARow) {
  upstream.on("POST", kChat, {Answer::json(200, completion("ok"))});
  std::size_t rows = 0;
  for (const Bad& bad : cases()) {
    SCOPED_TRACE(bad.name);
    Headers headers{{"content-type", "application/json"},
                    {"authorization", "Bearer " + daemon.key()}};
    RawClient client = daemon.connect();
    const Response response =
        client.exchange(http_request(bad.method, bad.path, headers, bad.body));
    EXPECT_EQ(response.status, bad.status) << response.failure << response.body;
    const json answer = json::parse(response.body, nullptr, false);
    ASSERT_TRUE(answer.is_object()) << response.body;
    if (bad.path == kMessages) {
      EXPECT_EQ(answer["type"], "error");
      EXPECT_FALSE(answer["error"]["message"].get<std::string>().empty());
      EXPECT_EQ(answer["error"]["code"], bad.code);
      EXPECT_EQ(answer["request_id"], response.header("request-id"));
    } else if (bad.path.rfind("/mcp/", 0) == 0) {
      EXPECT_EQ(answer["error"]["data"]["code"], bad.code) << response.body;
    } else {
      EXPECT_EQ(answer["error"]["code"], bad.code);
      EXPECT_FALSE(answer["error"]["message"].get<std::string>().empty());
    }
    EXPECT_FALSE(response.header("x-request-id").empty());
    // The caller was known in every one of them.
    ++rows;
    const auto all = daemon.rows(rows);
    ASSERT_EQ(all.size(), rows) << "no row";
    EXPECT_EQ(all.back().at("error_code"), bad.code);
    EXPECT_EQ(all.back().at("key_id"), "k1");
    EXPECT_EQ(all.back().at("cost_nusd"), "0");
    EXPECT_EQ(all.back().at("request_id"), response.header("x-request-id"));
  }
  EXPECT_EQ(upstream.request_count(), 0u);
  // And it goes on.
  EXPECT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  const MetricsText metrics = daemon.metrics();
  EXPECT_EQ(metrics.value("tollgate_refusals_total"), static_cast<double>(rows));
  EXPECT_EQ(metrics.value("tollgate_holds_nusd"), 0);
  EXPECT_EQ(metrics.value("tollgate_in_flight"), 0);
}

TEST_F(BadInput, AMissingKeyIs401InEachDialect) {
  const Response openai = daemon.post(kChat, chat_request("m", "hi"), "");
  EXPECT_EQ(openai.status, 401);
  EXPECT_EQ(json::parse(openai.body)["error"]["code"], "invalid_api_key");
  const Response anthropic = daemon.post(kMessages, chat_request("m", "hi"), "");
  EXPECT_EQ(anthropic.status, 401);
  EXPECT_EQ(json::parse(anthropic.body)["error"]["type"], "authentication_error");
  const Response mcp = daemon.post("/mcp/x", "{}", "");
  EXPECT_EQ(mcp.status, 401);
  EXPECT_TRUE(json::parse(mcp.body).contains("jsonrpc")) << mcp.body;
}

TEST_F(BadInput, AnOversizedBodyIsRefusedFromItsLengthAlone) {
  RawClient client = daemon.connect();
  client.send("POST " + std::string(kChat) + " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " +
              daemon.key() +
              "\r\ncontent-type: application/json\r\ncontent-length: 999999999\r\n\r\n");
  EXPECT_EQ(client.read_response(std::chrono::seconds(3)).status, 413);
  EXPECT_TRUE(client.wait_closed());
}

TEST_F(BadInput, AChunkedBodyWithoutEndIsCutAtTheLimit) {
  RawClient client = daemon.connect();
  client.send("POST " + std::string(kChat) + " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " +
              daemon.key() +
              "\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n");
  const std::string piece = "10000\r\n" + std::string(0x10000, 'a') + "\r\n";
  for (int i = 0; i < 8 && client.send(piece); ++i) {
  }
  EXPECT_EQ(client.read_response(std::chrono::seconds(3)).status, 413);
}

/// gzip(1) as a library.
std::string gzipped(std::string plain) {
  std::string zipped(plain.size() + 4096, '\0');
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(plain.data());
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(zipped.data());
  stream.avail_out = static_cast<uInt>(zipped.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  zipped.resize(stream.total_out);
  deflateEnd(&stream);
  return zipped;
}

TEST_F(BadInput, AZipBombIsRefused) {
  const auto status = [this](const std::string& body, const std::string& encoding = "gzip") {
    return daemon.post(kChat, body, "agent", {{"content-encoding", encoding}}).status;
  };
  // 1 MiB of zeros deflates to about 1 KB: 1000 : 1. The CRC is not reached, nor is the end: what
  // is too large is so before it is known to be broken.
  const std::string bomb = gzipped(std::string(1 << 20, '0'));
  EXPECT_EQ(status(bomb), 413);
  EXPECT_EQ(status(bomb.substr(0, bomb.size() / 2)), 413);
  const std::string harmless = gzipped(chat_request("m", "hi"));
  EXPECT_EQ(status(harmless.substr(0, harmless.size() / 2)), 400) << "cut short";
  EXPECT_EQ(status("not gzip at all"), 400);
  EXPECT_EQ(status("x", "br"), 415);
}

struct BadAnswer {
  const char* name;
  std::string bytes;
};
class MalformedUpstream : public ::testing::TestWithParam<BadAnswer> {};

TEST_P(MalformedUpstream, Is502AndItsConnectionIsNotUsedAgain) {
  FakeUpstream upstream;
  upstream.on("POST", kChat,
              {Answer::raw(GetParam().bytes), Answer::json(200, completion("fine"))});
  Daemon daemon(std::string(kOneProvider) +
                    "routing: {retries_per_deployment: 0, cooldown_failures: 1000}\n"
                    "timeouts: {first_byte_json: 1s, stream_idle: 1s}\n",
                {.variables = {{"UP", upstream.url()}}});
  const Response bad = daemon.post(kChat, chat_request("m", "hi"));
  EXPECT_TRUE(bad.status == 502 || bad.status == 503 || bad.status == 504)
      << bad.status << " " << bad.body << bad.failure;
  EXPECT_EQ(daemon.post(kChat, chat_request("m", "hi")).status, 200);
  EXPECT_EQ(upstream.connection_count(), 2u);
  EXPECT_EQ(daemon.exactly(2).size(), 2u);
  EXPECT_TRUE(daemon.metric_becomes("tollgate_holds_nusd", 0));
}

const std::string kOk = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
std::string interim_flood() {
  std::string out;
  for (int i = 0; i < 100; ++i) out += "HTTP/1.1 102 Processing\r\n\r\n";
  return out + kOk + "content-length: 2\r\n\r\n{}";
}
INSTANTIATE_TEST_SUITE_P(
    Answers, MalformedUpstream,
    ::testing::Values(
        BadAnswer{
            "te_and_cl",
            kOk + "transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n2\r\n{}\r\n0\r\n\r\n"},
        BadAnswer{"two_lengths", kOk + "content-length: 2\r\ncontent-length: 3\r\n\r\n{} "},
        BadAnswer{"list_of_lengths", kOk + "content-length: 2, 2\r\n\r\n{}"},
        BadAnswer{"negative_length", kOk + "content-length: -2\r\n\r\n{}"},
        BadAnswer{"plus_length", kOk + "content-length: +2\r\n\r\n{}"},
        BadAnswer{"te_twice",
                  kOk + "transfer-encoding: chunked, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"},
        BadAnswer{"te_gzip", kOk + "transfer-encoding: gzip\r\n\r\nxx"},
        BadAnswer{"obs_fold", kOk + "x-a: 1\r\n folded\r\ncontent-length: 2\r\n\r\n{}"},
        BadAnswer{"space_before_colon", kOk + "content-length : 2\r\n\r\n{}"},
        BadAnswer{"bare_lf", "HTTP/1.1 200 OK\ncontent-length: 2\n\n{}"},
        BadAnswer{"nul", kOk + std::string("x-a: 1\0002\r\n", 9) + "content-length: 2\r\n\r\n{}"},
        BadAnswer{"status_word", "HTTP/1.1 abc OK\r\ncontent-length: 2\r\n\r\n{}"},
        BadAnswer{"version_2", "HTTP/2.0 200 OK\r\ncontent-length: 2\r\n\r\n{}"},
        BadAnswer{"switching",
                  "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"},
        BadAnswer{"flood_of_1xx", interim_flood()},
        BadAnswer{"huge_header",
                  kOk + "x-big: " + std::string(200'000, 'a') + "\r\ncontent-length: 2\r\n\r\n{}"},
        BadAnswer{"many_headers", kOk +
                                      [] {
                                        std::string out;
                                        for (int i = 0; i < 20'000; ++i) out += "a: b\r\n";
                                        return out;
                                      }() +
                                      "content-length: 2\r\n\r\n{}"},
        BadAnswer{"gzip_unasked",
                  kOk + "content-encoding: gzip\r\ncontent-length: 2\r\n\r\n\x1f\x8b"},
        BadAnswer{"bad_chunk", kOk + "transfer-encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n"},
        BadAnswer{"short_body", kOk + "content-length: 50\r\n\r\n{}"}),
    [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace tollgate::testing
