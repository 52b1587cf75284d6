#include "tollgate/protocol/http/forwarding.hpp"

#include <gtest/gtest.h>

#include "tollgate/protocol/http/head_writer.hpp"
#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/response_head.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;

std::string upstream_lines(const std::string& fields, ForwardOptions options = {},
                           const FieldNames& own = {}) {
  RequestParser parser;
  const std::string bytes = "POST / HTTP/1.1\r\nHost: a\r\n" + fields + "\r\n";
  const auto result = parser.feed(bytes);
  EXPECT_TRUE(result.has_value()) << fields;
  std::string out;
  append_upstream_fields(parser.head().headers, own, options, out);
  return out;
}

std::string downstream_lines(const std::string& fields, ForwardOptions options = {}) {
  ResponseParser parser;
  const std::string bytes = "HTTP/1.1 200 OK\r\n" + fields + "\r\n";
  const auto result = parser.feed(bytes);
  EXPECT_TRUE(result.has_value()) << fields;
  std::string out;
  append_downstream_fields(parser.head().headers, options, out);
  return out;
}

TEST(Forwarding, withholds_from_upstreams) {
  const std::string_view lines[] = {"Connection: keep-alive",
                                    "Keep-Alive: timeout=5",
                                    "Proxy-Connection: keep-alive",
                                    "Proxy-Authorization: Basic a",
                                    "Proxy-Authenticate: Basic",
                                    "proxy-anything: a",
                                    "TE: trailers",
                                    "Trailer: X-A",
                                    "Upgrade: h2c",
                                    "HTTP2-Settings: a",
                                    "Forwarded: for=1.2.3.4",
                                    "X-Forwarded-For: 1.2.3.4",
                                    "X-Forwarded-Host: a",
                                    "x-forwarded-proto: https",
                                    "X-FORWARDED-anything: a",
                                    "X-Forwarded: a",
                                    "X-Real-IP: 1.2.3.4",
                                    "Via: 1.1 a",
                                    "Content-Length: 3",
                                    "Accept-Encoding: gzip",
                                    "Content-Encoding: gzip",
                                    "Origin: https://a.example",
                                    "Expect: 100-continue",
                                    "Cookie: a=b",
                                    "Cookie2: a",
                                    "Authorization: Bearer tg",
                                    "X-API-KEY: tg",
                                    "api-key: tg",
                                    "x-goog-api-key: tg",
                                    "Ocp-Apim-Subscription-Key: tg",
                                    "x-tollgate-tag: a",
                                    "X-Tollgate-Anything: a",
                                    "X-HTTP-Method-Override: GET",
                                    "X-HTTP-Method: GET",
                                    "X-Method-Override: GET",
                                    "X-Original-URL: /admin",
                                    "X-Rewrite-URL: /admin",
                                    "X-Host: b",
                                    "X-Client-IP: 1.2.3.4",
                                    "True-Client-IP: 1.2.3.4",
                                    "CF-Connecting-IP: 1.2.3.4",
                                    "X-Cluster-Client-IP: 1.2.3.4",
                                    "X-Auth-Token: t",
                                    "X-Litellm-Api-Key: t",
                                    "X-Access-Token: t",
                                    "Cf-Access-Jwt-Assertion: t",
                                    "CF-Access-Client-Secret: t",
                                    "X-Auth-Request-Access-Token: t",
                                    "X-Amzn-Oidc-Data: t",
                                    "x-amzn-oidc-accesstoken: t",
                                    "X-Ms-Token-Aad-Access-Token: t",
                                    "X-MS-CLIENT-PRINCIPAL: t",
                                    "X-Goog-Iap-Jwt-Assertion: t",
                                    "X-Pomerium-Jwt-Assertion: t",
                                    "X-Authentik-Jwt: t",
                                    "X-Vault-Token: t",
                                    "Remote-User: u",
                                    "Remote-Addr: 1.2.3.4",
                                    "X-Remote-User: u",
                                    "X-Remote-IP: 1.2.3.4",
                                    "X-WebAuth-User: u",
                                    "X-Authenticated-Userid: u",
                                    "X-Consumer-Username: u",
                                    "X-Appengine-User-Email: u",
                                    "Tailscale-User-Login: u",
                                    "Client-IP: 1.2.3.4",
                                    "Fastly-Client-IP: 1.2.3.4",
                                    "WL-Proxy-Client-IP: 1.2.3.4",
                                    "CF-Connecting-IPv6: ::1",
                                    "X-Originating-IP: 1.2.3.4",
                                    "X-Azure-ClientIP: 1.2.3.4",
                                    "X-ProxyUser-Ip: 1.2.3.4",
                                    "Client-Cert: :YQ==:",
                                    "Client-Cert-Chain: :YQ==:",
                                    "X-Client-Cert: a",
                                    "X-Client-DN: CN=a",
                                    "X-Client-Verify: SUCCESS",
                                    "X-SSL-Client-Verify: SUCCESS",
                                    "SSL-Client-Cert: a",
                                    "X-ARR-ClientCert: a",
                                    "X-Amzn-Mtls-Clientcert: a",
                                    "Signature: a=:YQ==:",
                                    "Signature-Input: a=()",
                                    "OpenAI-Organization: o",
                                    "openai-project: p"};
  for (const std::string_view line : lines)
    EXPECT_EQ(upstream_lines(std::string(line) + "\r\n"), "") << line;
  EXPECT_EQ(upstream_lines("Transfer-Encoding: chunked\r\n"), "");
}

TEST(Forwarding, withholds_what_connection_names) {
  EXPECT_EQ(upstream_lines("Connection: close, X-Secret\r\nx-secret: 1\r\nX-Other: 2\r\n"),
            "X-Other: 2\r\n");
  EXPECT_EQ(upstream_lines("X-A: 1\r\nX-B: 2\r\nConnection: x-a\r\nConnection: x-b\r\n"), "");
  EXPECT_EQ(downstream_lines("Connection: x-a\r\nX-A: 1\r\nX-B: 2\r\n"), "X-B: 2\r\n");
}

TEST(Forwarding, passes_to_upstreams) {
  const std::string_view lines[] = {"Content-Type: application/json\r\n",
                                    "Accept: text/event-stream\r\n",
                                    "User-Agent: a/1\r\n",
                                    "anthropic-version: 2023-06-01\r\n",
                                    "anthropic-beta: a,b\r\n",
                                    "anthropic-new-thing: 1\r\n",
                                    "x-stainless-lang: js\r\n",
                                    "x-stainless-retry-count: 0\r\n",
                                    "Mcp-Session-Id: s\r\n",
                                    "MCP-Protocol-Version: 2025-11-25\r\n",
                                    "Mcp-Param-Region: eu\r\n",
                                    "A2A-Version: 1.0\r\n",
                                    "A2A-Extensions: u\r\n",
                                    "traceparent: 00-1-2-01\r\n",
                                    "tracestate: a=b\r\n",
                                    "x-goog-api-client: gl\r\n",
                                    "x-request-id: r\r\n",
                                    "Idempotency-Key: i\r\n",
                                    "x-app: cli\r\n",
                                    "x-amzn-trace-id: a\r\n",
                                    "x-auth: a\r\n",
                                    "remote: a\r\n",
                                    "X-Forwarder: a\r\n",
                                    "X-Tollgat: a\r\n",
                                    "Cookies: a\r\n",
                                    "X-Client-Name: a\r\n",
                                    "Content-Digest: a=:YQ==:\r\n",
                                    "If-None-Match: a\r\n",
                                    "Sign: a\r\n",
                                    "odd: \t\xc3\xa4\r\n"};
  for (const std::string_view line : lines) {
    std::string expected(line);
    if (line.substr(0, 4) == "odd:") expected = "odd: \xc3\xa4\r\n";
    EXPECT_EQ(upstream_lines(std::string(line)), expected);
  }
}

TEST(Forwarding, the_call_and_the_configuration_take_the_place_of_an_agents_fields) {
  const std::string sent = "Content-Type: a/b\r\nMcp-Session-Id: s\r\nX: 1\r\nLocation: /a\r\n";
  EXPECT_EQ(upstream_lines(sent), sent);
  ForwardOptions options;
  options.replaces_content_type = true;
  EXPECT_EQ(upstream_lines(sent, options), "Mcp-Session-Id: s\r\nX: 1\r\nLocation: /a\r\n");
  options.replaces_mcp_session_id = true;
  EXPECT_EQ(upstream_lines(sent, options), "X: 1\r\nLocation: /a\r\n");
  FieldNames own;
  own.add("x");
  own.add("CONTENT-Type");
  EXPECT_EQ(upstream_lines(sent, {}, own), "Mcp-Session-Id: s\r\nLocation: /a\r\n");
  EXPECT_EQ(upstream_lines("X-A: 1\r\nXx: 2\r\n", {}, own), "X-A: 1\r\nXx: 2\r\n");
}

TEST(Forwarding, what_is_said_of_bytes_does_not_go_on_with_others) {
  const std::string said =
      "Content-MD5: a\r\nDigest: a\r\nContent-Digest: a\r\nREPR-DIGEST: a\r\nETag: a\r\n";
  const std::string other = "Content-Type: a/b\r\nEtags: 1\r\nIf-Match: a\r\n";
  ForwardOptions options;
  EXPECT_EQ(upstream_lines(said + other, options), said + other);
  EXPECT_EQ(downstream_lines(said + other, options), said + other);
  options.changes_body = true;
  EXPECT_EQ(upstream_lines(said + other, options), other);
  EXPECT_EQ(downstream_lines(said + other, options), other);
  EXPECT_EQ(downstream_lines("Signature: a\r\nSignature-Input: a\r\n", options), "");
  options = {};
  options.withholds_conditions = true;
  EXPECT_EQ(upstream_lines("If-None-Match: a\r\nif-match: b\r\nIf-Unmodified-Since: c\r\n"
                           "Range: bytes=0-1\r\nIffy: d\r\n",
                           options),
            "Iffy: d\r\n");
}

TEST(FieldNames, know_fields_by_number_and_by_name) {
  FieldNames names;
  EXPECT_FALSE(names.has(HeaderId::accept));
  EXPECT_FALSE(names.has(HeaderField{"x-a", "", HeaderId::other}));
  names.add("Accept");
  names.add(HeaderId::x_should_retry);  // the last number
  names.add("X-A");
  names.add(HeaderId::other);  // no field
  EXPECT_TRUE(names.has(HeaderId::accept));
  EXPECT_TRUE(names.has(HeaderId::x_should_retry));
  EXPECT_TRUE(names.has(HeaderField{"ACCEPT", "", HeaderId::accept}));
  EXPECT_TRUE(names.has(HeaderField{"x-a", "", HeaderId::other}));
  EXPECT_FALSE(names.has(HeaderField{"x-b", "", HeaderId::other}));
  EXPECT_FALSE(names.has(HeaderId::other));
  EXPECT_FALSE(names.has(HeaderId::a2a_version));
}

TEST(Forwarding, withholds_from_agents) {
  const std::string_view lines[] = {"Connection: keep-alive",
                                    "Keep-Alive: timeout=5",
                                    "Trailer: X",
                                    "Upgrade: h2c",
                                    "Proxy-Authenticate: Basic",
                                    "Content-Length: 0",
                                    "Set-Cookie: a=b",
                                    "Set-Cookie2: a",
                                    "Via: 1.1 a",
                                    "Alt-Svc: h3=\":443\"",
                                    "Strict-Transport-Security: max-age=1",
                                    "Clear-Site-Data: *",
                                    "WWW-Authenticate: Bearer",
                                    "Access-Control-Allow-Origin: *",
                                    "Public-Key-Pins: a",
                                    "X-Tollgate-Request-Id: fake",
                                    "Authorization: Bearer a",
                                    "x-api-key: a"};
  for (const std::string_view line : lines)
    EXPECT_EQ(downstream_lines(std::string(line) + "\r\n"), "") << line;
  EXPECT_EQ(downstream_lines("Transfer-Encoding: chunked\r\n"), "");
}

TEST(Forwarding, passes_to_agents) {
  const std::string lines =
      "Content-Type: text/event-stream\r\nopenai-processing-ms: 12\r\n"
      "request-id: r\r\nx-ratelimit-remaining-tokens: 5\r\nanthropic-ratelimit-requests-limit: "
      "1\r\n"
      "retry-after: 3\r\nretry-after-ms: 3000\r\nx-should-retry: false\r\nMcp-Session-Id: s\r\n"
      "Date: x\r\nServer: y\r\nCache-Control: no-cache\r\nETag: z\r\nContent-Encoding: identity\r\n"
      "Location: /a\r\nContent-Location: /a\r\n";
  EXPECT_EQ(downstream_lines(lines), lines);
  EXPECT_EQ(downstream_lines("X-Request-ID: r\r\n"), "x-upstream-request-id: r\r\n");
}

TEST(Forwarding, the_call_withholds_more_from_an_agent) {
  const std::string sent =
      "Mcp-Session-Id: s\r\nLocation: /a\r\ncontent-location: /a\r\nContent-Type: a/b\r\n";
  ForwardOptions options;
  options.replaces_mcp_session_id = true;
  EXPECT_EQ(downstream_lines(sent, options),
            "Location: /a\r\ncontent-location: /a\r\nContent-Type: a/b\r\n");
  options.withholds_locations = true;
  EXPECT_EQ(downstream_lines(sent, options), "Content-Type: a/b\r\n");
}

TEST(HeadWriter, writes_heads) {
  HeadWriter writer;
  EXPECT_TRUE(writer.request_line("POST", "/v1/x?y=1"));
  EXPECT_TRUE(writer.field("Host", "a:80"));
  writer.field("Content-Length", 12u);
  writer.raw_lines("X: 1\r\n");
  writer.end();
  EXPECT_EQ(writer.view(),
            "POST /v1/x?y=1 HTTP/1.1\r\nHost: a:80\r\nContent-Length: 12\r\nX: 1\r\n\r\n");
  RequestParser parser;
  EXPECT_TRUE(parser.feed(writer.view()).has_value());
  writer.clear();
  writer.status_line(429);
  writer.end();
  EXPECT_EQ(writer.view(), "HTTP/1.1 429 Too Many Requests\r\n\r\n");
  writer.clear();
  writer.status_line(299);
  EXPECT_EQ(writer.view(), "HTTP/1.1 299 \r\n");
}

TEST(HeadWriter, cannot_be_made_to_break_a_line) {
  const std::string_view bad_values[] = {"a\r\nX: y", "a\nb", "a\rb", "a\0b"sv, "\x01", "a\x7f"};
  for (const std::string_view value : bad_values) {
    HeadWriter writer;
    EXPECT_FALSE(writer.field("X", value));
    EXPECT_EQ(writer.view(), "");
  }
  const std::string_view bad_names[] = {"", "a b", "a:", "a\r\n", "a\0"sv, "\xc3\xa4"};
  for (const std::string_view name : bad_names) {
    HeadWriter writer;
    EXPECT_FALSE(writer.field(name, "v"));
    writer.field(name, 1u);
    EXPECT_EQ(writer.view(), "");
  }
  const std::string_view bad_targets[] = {"", "/a b", "/a\r\nX: y", "/\x7f", "/a#b", "/\xc3\xa4"};
  for (const std::string_view target : bad_targets) {
    HeadWriter writer;
    EXPECT_FALSE(writer.request_line("GET", target));
    EXPECT_EQ(writer.view(), "");
  }
  HeadWriter writer;
  EXPECT_FALSE(writer.request_line("GE T", "/"));
}

TEST(LineAppender, writes_behind_what_is_there_and_takes_more_than_expected) {
  std::string out = "A: 1\r\n";
  constexpr FieldName kName("X-Name");
  {
    LineAppender lines(out, 3);
    EXPECT_TRUE(lines.field(kName, "v"));
    lines.field(kName, 18'446'744'073'709'551'615u);
    EXPECT_TRUE(lines.field("other", std::string(500, 'w')));
    lines.field(kName, 0u);
  }
  EXPECT_EQ(out, "A: 1\r\nX-Name: v\r\nX-Name: 18446744073709551615\r\nother: " +
                     std::string(500, 'w') + "\r\nX-Name: 0\r\n");
  { const LineAppender nothing(out, 1'000); }
  EXPECT_EQ(out.substr(out.size() - 11), "X-Name: 0\r\n");
}

TEST(LineAppender, leaves_out_what_cannot_be_a_line) {
  std::string out;
  {
    LineAppender lines(out, 100);
    EXPECT_FALSE(lines.field(FieldName("a"), "b\r\nc: d"));
    EXPECT_FALSE(lines.field("a b", "c"));
    EXPECT_FALSE(lines.field("", "c"));
    EXPECT_FALSE(lines.field(HeaderField{"a", "b\n", HeaderId::other}));
    EXPECT_FALSE(lines.field(HeaderField{"a b", "c", HeaderId::other}));
    // A head made by hand whose name is not that of its number.
    EXPECT_FALSE(lines.field(HeaderField{"a\r\nb", "c", HeaderId::accept}));
    EXPECT_FALSE(lines.field(HeaderField{"ac\r\npt", "c", HeaderId::accept}));
    EXPECT_FALSE(lines.field(HeaderField{"t\n", "c", HeaderId::te}));
    EXPECT_FALSE(lines.field(HeaderField{"content-\rype", "c", HeaderId::content_type}));
    EXPECT_FALSE(lines.field(HeaderField{"server", "c", HeaderId::accept}));
    EXPECT_TRUE(lines.field(HeaderField{"Accept", "c", HeaderId::accept}));
    EXPECT_TRUE(lines.field(HeaderField{"x", {}, HeaderId::other}));
  }
  EXPECT_EQ(out, "Accept: c\r\nx: \r\n");
}

TEST(HeadWriter, a_field_survives_the_round_trip) {
  RequestParser parser;
  const std::string bytes =
      "POST / HTTP/1.1\r\nHost: a\r\nX-A:  b\tc \r\nanthropic-beta:\r\nx-app: \xe2\x82\xac\r\n\r\n";
  ASSERT_TRUE(parser.feed(bytes).has_value());
  HeadWriter writer;
  ASSERT_TRUE(writer.request_line(parser.head().method_text, parser.head().target));
  for (const HeaderField& field : parser.head().headers.fields())
    ASSERT_TRUE(writer.field(field.name, field.value));
  writer.end();
  RequestParser again;
  ASSERT_TRUE(again.feed(writer.view()).has_value());
  ASSERT_EQ(again.head().headers.fields().size(), parser.head().headers.fields().size());
  for (std::size_t i = 0; i < again.head().headers.fields().size(); ++i) {
    EXPECT_EQ(again.head().headers.fields()[i].name, parser.head().headers.fields()[i].name);
    EXPECT_EQ(again.head().headers.fields()[i].value, parser.head().headers.fields()[i].value);
  }
}

}  // namespace
}  // namespace tollgate::protocol::http
