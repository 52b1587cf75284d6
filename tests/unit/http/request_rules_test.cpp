// The rules of a request head, one case a rule and spelling (ADR 0004).
#include "tollgate/protocol/http/request_head.hpp"

#include <gtest/gtest.h>

#include <string>

#include "unit/http/feeding.hpp"

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;
using testing::feed_every_way;
using testing::feed_in_pieces;

struct Refusal {
  std::string_view rule;
  std::string_view bytes;
  std::string_view code = "bad_http";
};

/// One entry per rule and spelling. Those without an end of head show that the refusal does not
/// wait for one.
const Refusal kRefusals[] = {
    // request line
    {"no spaces", "GET\r\n\r\n"sv},
    {"no version (HTTP/0.9)", "GET /\r\n\r\n"sv},
    {"empty method", " / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"method with a colon", "GE:T / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"method with a tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"two spaces before the target", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"two spaces before the version", "GET /  HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"space at the end of the line", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n"sv},
    {"space in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"empty target", "GET  HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"unknown method", "BREW / HTTP/1.1\r\nHost: a\r\n\r\n"sv, "method_not_allowed"},
    {"lower-case method", "get / HTTP/1.1\r\nHost: a\r\n\r\n"sv, "method_not_allowed"},
    {"TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"sv, "method_not_allowed"},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"sv, "method_not_allowed"},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"sv},
    {"HTTP/1.2", "GET / HTTP/1.2\r\nHost: a\r\n\r\n"sv},
    {"HTTP/0.9 spelled out", "GET / HTTP/0.9\r\nHost: a\r\n\r\n"sv},
    {"HTTP/11", "GET / HTTP/11\r\nHost: a\r\n\r\n"sv},
    {"HTTP/1.10", "GET / HTTP/1.10\r\nHost: a\r\n\r\n"sv},
    {"HTTP/1.", "GET / HTTP/1.\r\nHost: a\r\n\r\n"sv},
    {"HTTP/01.1", "GET / HTTP/01.1\r\nHost: a\r\n\r\n"sv},
    {"version wraps at 8 bits", "GET / HTTP/257.257\r\nHost: a\r\n\r\n"sv},
    {"lower-case http", "GET / http/1.1\r\nHost: a\r\n\r\n"sv},
    {"other protocol", "GET / HTTPS/1.1\r\nHost: a\r\n\r\n"sv},
    {"sign in the version", "GET / HTTP/+1.1\r\nHost: a\r\n\r\n"sv},
    {"two leading empty lines", "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"leading bare LF", "\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"leading space", " GET / HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"TLS hello on a plain port", "\x16\x03\x01\x02"sv},
    {"NUL first", "\0"sv},
    // target
    {"no leading slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"byte over 0x7e", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"DEL", "GET /a\x7f HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"NUL", "GET /a\0b HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"control", "GET /a\x01 HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"tab", "GET /a\tb HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"CR in the line", "GET /a\rb HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"asterisk without OPTIONS", "GET * HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"asterisk with more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"authority form", "GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n"sv},
    {"absolute: other host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: other port", "GET http://a:81/ HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: user info", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: no authority", "GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: query at once", "GET http://a?x HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    {"absolute: no Host to compare", "GET http://a/ HTTP/1.0\r\n\r\n"sv},
    {"absolute with one slash", "GET http:/a HTTP/1.1\r\nHost: a\r\n\r\n"sv},
    // line ends
    {"bare LF after the request line", "GET / HTTP/1.1\nHost: a\r\n\r\n"sv},
    {"bare LF after a field", "GET / HTTP/1.1\r\nHost: a\n\r\n"sv},
    {"bare LF as the empty line", "GET / HTTP/1.1\r\nHost: a\r\n\n"sv},
    {"bare LF, head never ends", "GET / HTTP/1.1\r\nHost: a\nX: y"sv},
    {"bare CR in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n"sv},
    {"CR CR LF", "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"sv},
    {"bare CR between fields", "GET / HTTP/1.1\r\nHost: a\rX: y\r\n\r\n"sv},
    // field lines
    {"obs-fold with space", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n"sv},
    {"obs-fold with tab", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n\tc\r\n\r\n"sv},
    {"folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"sv},
    {"folded Transfer-Encoding",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n"sv},
    {"line of spaces", "GET / HTTP/1.1\r\nHost: a\r\n  \r\n\r\n"sv},
    {"space before the colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n"sv},
    {"tab before the colon", "GET / HTTP/1.1\r\nHost: a\r\nA\t: b\r\n\r\n"sv},
    {"space in a name", "GET / HTTP/1.1\r\nHost: a\r\nA b: c\r\n\r\n"sv},
    {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nabc\r\n\r\n"sv},
    {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n"sv},
    {"parenthesis in a name", "GET / HTTP/1.1\r\nHost: a\r\nA(b): c\r\n\r\n"sv},
    {"byte over 0x7f in a name", "GET / HTTP/1.1\r\nHost: a\r\nTransfer\xadxncoding: c\r\n\r\n"sv},
    {"NUL in a name", "GET / HTTP/1.1\r\nHost: a\r\nA\0b: c\r\n\r\n"sv},
    {"underscore in a name", "GET / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\n"sv},
    {"quote in a name", "GET / HTTP/1.1\r\nHost: a\r\n\"A\": c\r\n\r\n"sv},
    {"NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n"sv},
    {"NUL in a long value", "GET / HTTP/1.1\r\nHost: a\r\nA: 0123456789abc\0ef0123456\r\n\r\n"sv},
    {"control in a value",
     "GET / HTTP/1.1\r\nHost: a\r\nA: b\x0b"
     "c\r\n\r\n"sv},
    {"DEL in a long value",
     "GET / HTTP/1.1\r\nHost: a\r\nA: 0123456789a\x7f"
     "b0123\r\n\r\n"sv},
    {"escape in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: \x1b[2J\r\n\r\n"sv},
    {"form feed around a value",
     "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: \x0c"
     "5\r\n\r\n"sv},
    // Host
    {"no Host in 1.1", "GET / HTTP/1.1\r\n\r\n"sv},
    {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"sv},
    {"two equal Hosts", "GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n"sv},
    {"empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"sv},
    {"slash in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"sv},
    {"question mark in Host", "GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"sv},
    {"hash in Host", "GET / HTTP/1.1\r\nHost: a#b\r\n\r\n"sv},
    {"user info in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"sv},
    {"space in Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n"sv},
    {"comma in Host", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n"sv},
    {"percent in Host", "GET / HTTP/1.1\r\nHost: a%2e\r\n\r\n"sv},
    {"byte over 0x7f in Host", "GET / HTTP/1.1\r\nHost: \xc3\xa4\r\n\r\n"sv},
    {"port not a number", "GET / HTTP/1.1\r\nHost: a:x\r\n\r\n"sv},
    {"empty port", "GET / HTTP/1.1\r\nHost: a:\r\n\r\n"sv},
    {"port too large", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n"sv},
    {"port with a sign", "GET / HTTP/1.1\r\nHost: a:+80\r\n\r\n"sv},
    {"two ports", "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n"sv},
    {"only a port", "GET / HTTP/1.1\r\nHost: :80\r\n\r\n"sv},
    {"bracket not closed", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n"sv},
    {"bad IPv6", "GET / HTTP/1.1\r\nHost: [::g]\r\n\r\n"sv},
    {"IPv4 in brackets", "GET / HTTP/1.1\r\nHost: [1.2.3.4]\r\n\r\n"sv},
    {"IPv6 with zone", "GET / HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n"sv},
    {"text behind the bracket", "GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n"sv},
    {"bare IPv6", "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n"sv},
    {"bad Host in 1.0", "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"sv},
    // Content-Length
    {"two Content-Lengths",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"sv},
    {"two equal Content-Lengths",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\ncontent-length: 1\r\n\r\n"sv},
    {"list", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n"sv},
    {"plus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n"sv},
    {"minus", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n"sv},
    {"hex", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n"sv},
    {"letters behind", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1a\r\n\r\n"sv},
    {"fraction", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1.0\r\n\r\n"sv},
    {"underscore", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1_0\r\n\r\n"sv},
    {"inner space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\n"sv},
    {"empty", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n"sv},
    {"only white space", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  \t \r\n\r\n"sv},
    {"overflow", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n"sv},
    {"far overflow",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n"sv},
    {"no-break space",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \xa0"
     "1\r\n\r\n"sv},
    {"quoted", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \"1\"\r\n\r\n"sv},
    {"CL with TE",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"TE with CL",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n"sv},
    // Transfer-Encoding
    {"gzip, chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"sv},
    {"chunked, identity",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n"sv},
    {"chunked twice in one",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n"sv},
    {"chunked twice in two",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"chunked and identity in two",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n"sv},
    {"identity", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n"sv},
    {"xchunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n"sv},
    {"chunkedx", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunkedx\r\n\r\n"sv},
    {"comma before", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ,chunked\r\n\r\n"sv},
    {"comma behind", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n"sv},
    {"quoted chunked", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n"sv},
    {"parameter", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n"sv},
    {"empty TE", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n"sv},
    {"vertical tab",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0b"
     "chunked\r\n\r\n"sv},
    {"next line (NEL)",
     "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x85"
     "chunked\r\n\r\n"sv},
    {"byte 0xff", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\xff\r\n\r\n"sv},
    {"TE in 1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    {"TE in 1.0, keep-alive",
     "POST / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"sv},
    // other fields
    {"Expect: something",
     "POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\nContent-Length: 1\r\n\r\n"sv,
     "expectation_failed"},
    {"Expect: 100-continue, x", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue, x\r\n\r\n"sv,
     "expectation_failed"},
    {"empty Expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect:\r\n\r\n"sv, "expectation_failed"},
    {"Expect twice",
     "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n"sv},
    {"malformed Connection", "GET / HTTP/1.1\r\nHost: a\r\nConnection: clo se\r\n\r\n"sv},
    {"quoted Connection", "GET / HTTP/1.1\r\nHost: a\r\nConnection: \"close\"\r\n\r\n"sv},
    {"two Content-Types",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: a/b\r\nContent-Type: c/d\r\n\r\n"sv},
    {"two Content-Encodings",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Encoding: gzip\r\n\r\n"sv},
    {"two Authorizations",
     "GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n"sv},
    {"two x-api-keys", "GET / HTTP/1.1\r\nHost: a\r\nx-api-key: a\r\nX-Api-Key: a\r\n\r\n"sv},
    {"two api-keys", "GET / HTTP/1.1\r\nHost: a\r\napi-key: a\r\napi-key: a\r\n\r\n"sv},
    {"two x-goog-api-keys",
     "GET / HTTP/1.1\r\nHost: a\r\nx-goog-api-key: a\r\nx-goog-api-key: a\r\n\r\n"sv},
    {"two Mcp-Session-Ids",
     "GET / HTTP/1.1\r\nHost: a\r\nMcp-Session-Id: a\r\nMcp-Session-Id: b\r\n\r\n"sv},
    {"two Mcp-Methods", "GET / HTTP/1.1\r\nHost: a\r\nMcp-Method: a\r\nMcp-Method: b\r\n\r\n"sv},
    {"two Mcp-Names", "GET / HTTP/1.1\r\nHost: a\r\nMcp-Name: a\r\nMcp-Name: b\r\n\r\n"sv},
    {"two Origins", "GET / HTTP/1.1\r\nHost: a\r\nOrigin: a\r\nOrigin: b\r\n\r\n"sv},
};

TEST(RequestParser, refuses) {
  RequestParser parser;
  for (const Refusal& c : kRefusals) {
    SCOPED_TRACE(c.rule);
    EXPECT_EQ(feed_every_way(parser, c.bytes), "error " + std::string(c.code));
  }
}

struct Acceptance {
  std::string_view rule;
  std::string_view bytes;
  std::string_view outcome;
};

const Acceptance kAcceptances[] = {
    {"the least", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "done 27 GET / [/] 1.1 host=a length=- keep|Host=a"},
    {"bytes behind the head are not read", "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET \n\0"sv,
     "done 27 GET / [/] 1.1 host=a length=- keep|Host=a"},
    {"one leading empty line", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "done 29 GET / [/] 1.1 host=a length=- keep|Host=a"},
    {"HTTP/1.0 without Host", "GET / HTTP/1.0\r\n\r\n"sv, "done 18 GET / [/] 1.0 host= length=-"},
    {"HTTP/1.0 keep-alive", "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"sv,
     "done 42 GET / [/] 1.0 host= length=- keep|Connection=Keep-Alive"},
    {"close wins", "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, CLOSE\r\n\r\n"sv,
     "done 58 GET / [/] 1.1 host=a length=-|Host=a|Connection=keep-alive, CLOSE"},
    {"Connection options",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: ,X-A,, TE\r\nConnection: close\r\n\r\n"sv,
     "done 69 GET / [/] 1.1 host=a length=-|Host=a|Connection=,X-A,, "
     "TE|Connection=close|option=X-A|option=TE"},
    {"length", "POST /v1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"sv,
     "done 50 POST /v1 [/v1] 1.1 host=a length=10 keep|Host=a|Content-Length=10"},
    {"the largest length",
     "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:18446744073709551615\r\n\r\n"sv,
     "done 65 POST / [/] 1.1 host=a length=18446744073709551615 "
     "keep|Host=a|Content-Length=18446744073709551615"},
    {"white space around a value", "POST / HTTP/1.1\r\nHost:a\r\nContent-Length: \t 3\t \r\n\r\n"sv,
     "done 50 POST / [/] 1.1 host=a length=3 keep|Host=a|Content-Length=3"},
    {"chunked", "PUT / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n"sv,
     "done 55 PUT / [/] 1.1 host=a length=- chunked keep|Host=a|transfer-encoding=Chunked"},
    {"expect", "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n"sv,
     "done 69 POST / [/] 1.1 host=a length=1 keep "
     "expect|Host=a|Expect=100-Continue|Content-Length=1"},
    {"expect is ignored in 1.0",
     "POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n"sv,
     "done 60 POST / [/] 1.0 host= length=1|Expect=100-continue|Content-Length=1"},
    {"Upgrade is ignored",
     "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"sv,
     "done 62 GET / [/] 1.1 host=a length=- "
     "keep|Host=a|Connection=Upgrade|Upgrade=h2c|option=Upgrade"},
    {"absolute form", "GET http://A.b:80/c?d HTTP/1.1\r\nHost: a.B:80\r\n\r\n"sv,
     "done 48 GET http://A.b:80/c?d [/c?d] 1.1 host=a.B:80 length=- keep|Host=a.B:80"},
    {"absolute form without path", "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "done 35 GET HTTPS://a [/] 1.1 host=a length=- keep|Host=a"},
    {"asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "done 31 OPTIONS * [*] 1.1 host=a length=- keep|Host=a"},
    {"query survives", "POST /v1/messages?beta=true HTTP/1.1\r\nHost: a\r\n\r\n"sv,
     "done 49 POST /v1/messages?beta=true [/v1/messages?beta=true] 1.1 host=a length=- "
     "keep|Host=a"},
    {"IPv6 Host", "HEAD / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n"sv,
     "done 45 HEAD / [/] 1.1 host=[2001:db8::1]:8080 length=- keep|Host=[2001:db8::1]:8080"},
    {"obs-text and tab in a value",
     "GET / HTTP/1.1\r\nHost: a\r\nA: b\tc\xc3\xa4 0123456789\r\n\r\n"sv,
     "done 48 GET / [/] 1.1 host=a length=- keep|Host=a|A=b\tc\xc3\xa4 0123456789"},
    {"empty value", "GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB: \r\n\r\n"sv,
     "done 36 GET / [/] 1.1 host=a length=- keep|Host=a|A=|B="},
    {"repeated list field",
     "GET / HTTP/1.1\r\nHost: a\r\nanthropic-beta: a\r\nanthropic-beta: b\r\n\r\n"sv,
     "done 65 GET / [/] 1.1 host=a length=- keep|Host=a|anthropic-beta=a|anthropic-beta=b"},
    {"odd token characters in a name",
     "DELETE / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^`|~1: b\r\n\r\n"sv,
     "done 50 DELETE / [/] 1.1 host=a length=- keep|Host=a|!#$%&'*+-.^`|~1=b"},
    {"not complete", "GET / HTTP/1.1\r\nHost: a\r\n"sv, "need_more"},
    {"not complete, in the last CRLF", "GET / HTTP/1.1\r\nHost: a\r\n\r"sv, "need_more"},
};

TEST(RequestParser, accepts) {
  RequestParser parser;
  for (const Acceptance& c : kAcceptances) {
    SCOPED_TRACE(c.rule);
    EXPECT_EQ(feed_every_way(parser, c.bytes), c.outcome);
  }
}

// Ordinary lines are read sixteen bytes at a time, wherever so many follow.
TEST(RequestParser, what_follows_a_head_changes_nothing) {
  RequestParser parser;
  const std::string body = "{\"model\": \"m\", \"messages\": [{\"role\": \"user\"}]}";
  const auto with_body = [&](std::string_view bytes) {
    parser.reset();
    return feed_in_pieces(parser, std::string(bytes) + body, {});
  };
  for (const Refusal& c : kRefusals) {
    SCOPED_TRACE(c.rule);
    EXPECT_EQ(with_body(c.bytes), "error " + std::string(c.code));
  }
  for (const Acceptance& c : kAcceptances) {
    SCOPED_TRACE(c.rule);
    if (c.outcome == "need_more") continue;
    EXPECT_EQ(with_body(c.bytes), c.outcome);
  }
}

}  // namespace
}  // namespace tollgate::protocol::http
