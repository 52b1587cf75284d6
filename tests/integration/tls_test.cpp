// TLS on both sides: the gateway's own certificate, client certificates, own CAs upstream.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/canned.hpp"
#include "support/daemon.hpp"
#include "support/fake_upstream.hpp"
#include "support/test_ca.hpp"

namespace tollgate::testing {
namespace {

using namespace std::chrono_literals;
using nlohmann::json;

constexpr const char* kPath = "/v1/chat/completions";

class Tls : public ::testing::Test {
 protected:
  TempDir files;
  TestCa ca{files.path()};

  std::string listeners(const CertificateFiles& server, const std::string& more = "") {
    return "listeners:\n  - {name: main, address: \"127.0.0.1:0\", port_file: main.port}\n"
           "  - name: front\n    address: \"127.0.0.1:0\"\n    port_file: front.port\n    tls: "
           "{certificate_file: " +
           server.certificate + ", private_key_file: " + server.private_key + more + "}\n";
  }
};

TEST_F(Tls, FrontServesTls13And12AndNothingOlder) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const CertificateFiles server = ca.issue("server");
  Daemon daemon(kOneProvider,
                {.variables = {{"UP", upstream.url()}}, .listeners = listeners(server)});
  const SslCtxPtr context = client_context(ca.ca_file());
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
  {
    RawClient client(daemon.port("front"), context.get());
    ASSERT_TRUE(client.connected()) << client.error();
    EXPECT_STREQ(SSL_get_version(client.transport().ssl()), "TLSv1.3");
    for (int i = 0; i < 3; ++i) EXPECT_EQ(client.exchange(bytes).status, 200) << "kept alive";
  }
  SSL_CTX_set_max_proto_version(context.get(), TLS1_2_VERSION);
  {
    RawClient client(daemon.port("front"), context.get());
    ASSERT_TRUE(client.connected()) << client.error();
    const std::string cipher = SSL_get_cipher_name(client.transport().ssl());
    EXPECT_NE(cipher.find("ECDHE"), std::string::npos) << cipher;
    EXPECT_TRUE(cipher.find("GCM") != std::string::npos ||
                cipher.find("CHACHA") != std::string::npos);
    EXPECT_EQ(client.exchange(bytes).status, 200);
  }
  SSL_CTX_set_cipher_list(context.get(), "AES128-SHA:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES128-SHA");
  EXPECT_FALSE(RawClient(daemon.port("front"), context.get()).connected()) << "a weak cipher";
  const SslCtxPtr old = client_context(ca.ca_file());
  SSL_CTX_set_security_level(old.get(), 0);
  SSL_CTX_set_min_proto_version(old.get(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.get(), TLS1_1_VERSION);
  EXPECT_FALSE(RawClient(daemon.port("front"), old.get()).connected());
  // Plain HTTP on the TLS port, and nothing at all, harm nobody.
  RawClient plain(daemon.port("front"));
  plain.send(bytes);
  EXPECT_TRUE(plain.wait_closed(3s));
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
}

TEST_F(Tls, AStreamOverTlsArrivesEventByEvent) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::sse(chat_stream({"a ", "b ", "c "}), 50ms)});
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}},
                               .listeners = listeners(ca.issue("server"))});
  const SslCtxPtr context = client_context(ca.ca_file());
  RawClient client(daemon.port("front"), context.get());
  client.send(
      daemon.post_bytes(kPath, chat_request("m", "hi", R"(,"max_tokens":9,"stream":true)")));
  ASSERT_EQ(client.read_head().status, 200);
  const auto events = client.all_events();
  ASSERT_GE(events.size(), 5u);
  EXPECT_GE(events.back().at - events.front().at, 150ms);
  EXPECT_TRUE(client.body_complete());
}

TEST_F(Tls, ASlowBodyIsToldSoOverTlsToo) {
  FakeUpstream upstream;
  Daemon daemon(
      std::string(kOneProvider) + "timeouts: {body: 300ms}\n",
      {.variables = {{"UP", upstream.url()}}, .listeners = listeners(ca.issue("server"))});
  const SslCtxPtr context = client_context(ca.ca_file());
  RawClient client(daemon.port("front"), context.get());
  client.send("POST " + std::string(kPath) + " HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " +
              daemon.key() + "\r\ncontent-length: 100\r\n\r\n{");
  EXPECT_EQ(client.read_response(3s).status, 408);
  EXPECT_TRUE(client.wait_closed(3s));
  EXPECT_EQ(daemon.exactly(1).at(0).at("error_code"), "request_timeout");
}

TEST_F(Tls, ClientCertificatesAreRequiredWhenSaid) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  TempDir other_files;
  TestCa other(other_files.path());
  Daemon daemon(kOneProvider, {.variables = {{"UP", upstream.url()}},
                               .listeners = listeners(
                                   ca.issue("server"),
                                   ", client_auth: require, client_ca_file: " + ca.ca_file())});
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
  const SslCtxPtr none = client_context(ca.ca_file());
  EXPECT_EQ(RawClient(daemon.port("front"), none.get()).exchange(bytes).status, 0);
  const SslCtxPtr foreign = client_context(ca.ca_file(), other.issue("agent"));
  EXPECT_EQ(RawClient(daemon.port("front"), foreign.get()).exchange(bytes).status, 0);
  const SslCtxPtr known = client_context(ca.ca_file(), ca.issue("agent"));
  EXPECT_EQ(RawClient(daemon.port("front"), known.get()).exchange(bytes).status, 200);
}

TEST_F(Tls, ACertificateIsExchangedOnReloadWithoutLosingConnections) {
  FakeUpstream upstream;
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  CertificateFiles server = ca.issue("server");
  Daemon daemon(kOneProvider,
                {.variables = {{"UP", upstream.url()}}, .listeners = listeners(server)});
  const SslCtxPtr context = client_context(ca.ca_file());
  const std::string bytes = daemon.post_bytes(kPath, chat_request("m", "hi"));
  RawClient before(daemon.port("front"), context.get());
  ASSERT_EQ(before.exchange(bytes).status, 200);
  LeafOptions renewed;
  renewed.common_name = "renewed";
  (void)ca.issue("server", renewed);  // the same files
  daemon.send(SIGHUP);
  ASSERT_TRUE(daemon.wait_metric("tollgate_config_generation", {}, 2));
  EXPECT_EQ(before.exchange(bytes).status, 200) << "an open connection lives on";
  RawClient after(daemon.port("front"), context.get());
  ASSERT_TRUE(after.connected()) << after.error();
  X509* peer = SSL_get1_peer_certificate(after.transport().ssl());
  std::array<char, 64> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(peer), NID_commonName, name.data(), 64);
  X509_free(peer);
  EXPECT_STREQ(name.data(), "renewed");
}

/// An upstream over TLS with the given provider keys.
std::string secure_provider(const std::string& more) {
  return R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-key-1, proxy: none)" +
         more + R"(}
models:
  m: {deployments: [{provider: up, model: m, price: {input: 2.5, output: 10}}]}
keys: [{id: k1, digest: "@{digest:agent}"}]
routing: {retries_per_deployment: 0}
)";
}

TEST_F(Tls, AnUpstreamIsVerifiedByItsOwnCaWithSniAndClientCertificate) {
  FakeUpstream upstream(server_context(ca.issue("server"), ca.ca_file()));
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  const CertificateFiles gateway = ca.issue("gateway", {"gateway-7", "DNS:gateway"});
  Daemon daemon(secure_provider(", ca_file: " + ca.ca_file() + ", client_certificate_file: " +
                                gateway.certificate + ", client_key_file: " + gateway.private_key) +
                    "workers: 1\n",  // each has a pool of its own
                {.variables = {{"UP", upstream.url()}}});
  for (int i = 0; i < 3; ++i) {
    const Response response = daemon.post(kPath, chat_request("m", "hi"));
    ASSERT_EQ(response.status, 200) << response.body;
  }
  const SeenRequest seen = upstream.requests().at(0);
  EXPECT_EQ(seen.sni, "localhost");
  EXPECT_EQ(seen.client_subject, "gateway-7");
  EXPECT_EQ(upstream.connection_count(), 1u);
}

TEST_F(Tls, AnAnswerUntilCloseIsCompleteOnlyWhenTheUpstreamSaysSo) {
  FakeUpstream upstream(server_context(ca.issue("server")));
  std::string yaml = secure_provider(", ca_file: " + ca.ca_file());
  yaml.replace(yaml.find("}\"}]"), 4, "}\", allow: {surfaces: [other], paths: [\"/v1/*\"]}}]");
  Daemon daemon(yaml + "spending: {other_path_price: 0.001}\n",
                {.variables = {{"UP", upstream.url()}}});
  const std::string path = "/v1/audio/speech";
  const std::string sound(3'000, 'x');
  for (const Answer::End end : {Answer::End::close, Answer::End::truncate}) {
    upstream.on("POST", path,
                {Answer::text(sound, "audio/wav").framing(Answer::Framing::until_close).end(end)});
    const Response response = daemon.post(path, R"({"model":"m","input":"hi"})");
    EXPECT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.body, sound);
    EXPECT_EQ(response.complete, end == Answer::End::close);
  }
  const auto rows = daemon.exactly(2);
  EXPECT_EQ(rows.at(0).at("outcome"), "ok");
  EXPECT_EQ(rows.at(1).at("outcome"), "upstream_cut");
  EXPECT_EQ(json::parse(rows.at(1).at("attempts"))[0]["outcome"], "cut");
}

struct BadPeer {
  const char* name;
  LeafOptions leaf;
  bool trusted;
};
class BadUpstreamTls : public Tls, public ::testing::WithParamInterface<BadPeer> {};

TEST_P(BadUpstreamTls, IsRefusedAndNamedWithoutSecrets) {
  TempDir other_files;
  TestCa other(other_files.path());
  TestCa& issuer = GetParam().trusted ? ca : other;
  FakeUpstream upstream(server_context(issuer.issue("bad", GetParam().leaf)));
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(secure_provider(", ca_file: " + ca.ca_file()),
                {.variables = {{"UP", upstream.url()}}});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_TRUE(response.status == 502 || response.status == 503) << response.status;
  EXPECT_EQ(upstream.request_count(), 0u) << "the credential never left";
  const Row row = daemon.exactly(1).at(0);
  EXPECT_EQ(json::parse(row.at("attempts"))[0]["outcome"], "tls");
  EXPECT_EQ(row.at("cost_nusd"), "0");
  EXPECT_EQ(daemon.log().find("provider-key-1"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Peers, BadUpstreamTls,
    ::testing::Values(BadPeer{"expired",
                              {"localhost", "DNS:localhost,IP:127.0.0.1", std::chrono::hours(-48),
                               std::chrono::hours(-1)},
                              true},
                      BadPeer{"not_yet",
                              {"localhost", "DNS:localhost", std::chrono::hours(24),
                               std::chrono::hours(48)},
                              true},
                      BadPeer{"wrong_host", {"elsewhere", "DNS:elsewhere.example"}, true},
                      BadPeer{"unknown_ca", {}, false}),
    [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(Tls, VerificationCanOnlyBeSwitchedOffLoudly) {
  TempDir other_files;
  TestCa other(other_files.path());
  FakeUpstream upstream(server_context(other.issue("server")));
  upstream.on("POST", kPath, {Answer::json(200, completion("ok"))});
  Daemon daemon(secure_provider(", verify_tls: false"), {.variables = {{"UP", upstream.url()}}});
  EXPECT_EQ(daemon.post(kPath, chat_request("m", "hi")).status, 200);
  EXPECT_NE(daemon.log().find("verify_tls"), std::string::npos);
}

TEST_F(Tls, AnEgressProxyIsAskedToConnectAndSeesNoCredential) {
  FakeUpstream proxy;
  proxy.fallback([](const SeenRequest&) {
    return Answer::raw("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
        .end(Answer::End::close);
  });
  std::string yaml = secure_provider("");
  const std::string proxy_url =
      "\"http://user:proxy-pass@127.0.0.1:" + std::to_string(proxy.port()) + "\"";
  yaml.replace(yaml.find("proxy: none"), 11, "proxy: " + proxy_url);
  Daemon daemon(yaml, {.variables = {{"UP", "https://upstream.example"}}});
  const Response response = daemon.post(kPath, chat_request("m", "hi"));
  EXPECT_TRUE(response.status == 502 || response.status == 503) << response.status;
  ASSERT_EQ(proxy.request_count(), 1u);
  const SeenRequest seen = proxy.requests().at(0);
  EXPECT_EQ(seen.method, "CONNECT");
  EXPECT_EQ(seen.target, "upstream.example:443");
  EXPECT_EQ(seen.header("proxy-authorization"), "Basic dXNlcjpwcm94eS1wYXNz");
  EXPECT_EQ(seen.raw_head.find("provider-key-1"), std::string::npos);
  EXPECT_EQ(daemon.log().find("proxy-pass"), std::string::npos);
  EXPECT_EQ(response.body.find("proxy-pass"), std::string::npos);
}

TEST_F(Tls, APlainUpstreamIsAskedForThroughTheProxyInAbsoluteForm) {
  FakeUpstream proxy;
  proxy.fallback([](const SeenRequest&) { return Answer::json(200, completion("ok")); });
  std::string yaml = secure_provider(", allow_plain_http: true");
  const std::string proxy_url =
      "\"http://user:proxy-pass@127.0.0.1:" + std::to_string(proxy.port()) + "\"";
  yaml.replace(yaml.find("proxy: none"), 11, "proxy: " + proxy_url);
  Daemon daemon(yaml, {.variables = {{"UP", "http://upstream.example:8000"}}});
  const Response response = daemon.post(kPath, chat_request("m", "hi"), "agent",
                                        {{"proxy-authorization", "Basic of-the-agent"}});
  ASSERT_EQ(response.status, 200) << response.body;
  const SeenRequest seen = proxy.requests().at(0);
  EXPECT_EQ(seen.target, "http://upstream.example:8000/v1/chat/completions");
  EXPECT_EQ(seen.header("host"), "upstream.example:8000");
  EXPECT_EQ(seen.header("proxy-authorization"), "Basic dXNlcjpwcm94eS1wYXNz");
  EXPECT_EQ(seen.raw_head.find("of-the-agent"), std::string::npos);
  EXPECT_EQ(daemon.log().find("proxy-pass"), std::string::npos);
}

}  // namespace
}  // namespace tollgate::testing
