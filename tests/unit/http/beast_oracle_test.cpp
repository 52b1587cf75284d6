#include <gtest/gtest.h>

#include <random>

#include "fuzz/beast_oracle.hpp"
#include "support/property_seeds.hpp"

/// Differential property: mutated messages that we accept, Beast accepts and reads alike.
/// TOLLGATE_PROPERTY_SEEDS sets the number of seeds (default 20, each 500 messages).
namespace tollgate::protocol::http {
namespace {

using Random = std::mt19937_64;

std::size_t below(Random& random, std::size_t n) {
  return static_cast<std::size_t>(random() % n);
}

template <std::size_t N>
std::string_view pick(Random& random, const std::string_view (&from)[N]) {
  return from[below(random, N)];
}

constexpr std::string_view kNames[] = {"Host",
                                       "host",
                                       "Content-Length",
                                       "content-length",
                                       "Transfer-Encoding",
                                       "Connection",
                                       "Expect",
                                       "X-A",
                                       "x-b",
                                       "Content-Type",
                                       "Authorization",
                                       "Upgrade",
                                       "TE",
                                       "Cookie",
                                       "Proxy-Connection"};
constexpr std::string_view kValues[] = {"a",
                                        "a:80",
                                        "[::1]",
                                        "3",
                                        "0",
                                        "10",
                                        "+3",
                                        "3,3",
                                        "chunked",
                                        "Chunked",
                                        "gzip, chunked",
                                        "close",
                                        "keep-alive",
                                        "keep-alive, x-a",
                                        "upgrade",
                                        "100-continue",
                                        "",
                                        " \t",
                                        "a b",
                                        "Bearer x",
                                        "\xc3\xa4",
                                        "18446744073709551615",
                                        "close, close",
                                        ",close,",
                                        "TE, close"};
constexpr std::string_view kOwsBefore[] = {" ", " ", " ", "", "\t", "  "};
constexpr std::string_view kNoise[] = {"\r", "\n", "\r\n", " ",    "\t",   ":",    "\0",
                                       "0",  ",",  ";",    "\x7f", "\x0b", "\xa0", "#",
                                       "?",  "/",  "%",    "=",    "\"",   "_"};

std::string mutate(Random& random, std::string text) {
  for (std::size_t n = below(random, 4); n != 0 && !text.empty(); --n) {
    const std::size_t at = below(random, text.size());
    switch (below(random, 4)) {
      case 0:
        text.erase(at, 1 + below(random, 3));
        break;
      case 1:
        text.insert(at, pick(random, kNoise));
        break;
      case 2:
        text[at] = static_cast<char>(random());
        break;
      default: {  // repeat a piece: duplicated fields and lines
        const std::string piece = text.substr(at, 1 + below(random, 30));
        text.insert(below(random, text.size()), piece);
      }
    }
  }
  return text;
}

std::string fields(Random& random) {
  std::string out;
  for (std::size_t n = below(random, 6); n != 0; --n) {
    out += pick(random, kNames);
    out += ':';
    out += pick(random, kOwsBefore);
    out += pick(random, kValues);
    if (below(random, 6) == 0) out += " \t";
    out += "\r\n";
  }
  return out;
}

TEST(BeastOracle, requests) {
  constexpr std::string_view methods[] = {"GET", "POST", "HEAD", "PUT", "OPTIONS", "DELETE"};
  constexpr std::string_view targets[] = {"/", "/v1/messages?beta=true", "*", "http://a/b",
                                          "/a%20b"};
  constexpr std::string_view versions[] = {"HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"};
  RequestParser parser;
  std::size_t accepted = 0, total = 0;
  for (std::uint64_t seed = 1; seed <= test::property_seeds(20); ++seed) {
    Random random(seed);
    for (int i = 0; i < 500; ++i, ++total) {
      std::string text(pick(random, methods));
      text += " " + std::string(pick(random, targets)) + " " + std::string(pick(random, versions));
      text += "\r\n";
      if (below(random, 4) != 0) text += "Host: a\r\n";
      text = mutate(random, text + fields(random) + "\r\n");
      parser.reset();
      const auto result = parser.feed(text);
      if (result.has_error() || result->state != HeadState::done) continue;
      ++accepted;
      ASSERT_EQ(fuzz::disagreement(parser.head(), text.substr(0, result->head_size)), "")
          << "seed " << seed << ":\n"
          << text;
    }
  }
  EXPECT_GT(accepted, total / 20) << "the generator makes too few valid requests to mean anything";
}

TEST(BeastOracle, responses) {
  constexpr std::string_view lines[] = {"HTTP/1.1 200 OK",
                                        "HTTP/1.1 204 No Content",
                                        "HTTP/1.0 200 OK",
                                        "HTTP/1.1 304 Not Modified",
                                        "HTTP/1.1 429 Slow down",
                                        "HTTP/1.1 529 ",
                                        "HTTP/1.1 500"};
  ResponseParser parser;
  std::size_t accepted = 0, total = 0;
  for (std::uint64_t seed = 1; seed <= test::property_seeds(20); ++seed) {
    Random random(seed);
    for (int i = 0; i < 500; ++i, ++total) {
      const std::string text =
          mutate(random, std::string(pick(random, lines)) + "\r\n" + fields(random) + "\r\n");
      parser.reset();
      const auto result = parser.feed(text);
      if (result.has_error() || result->state != HeadState::done) continue;
      ++accepted;
      ASSERT_EQ(fuzz::disagreement(parser.head(), text.substr(0, result->head_size), false), "")
          << "seed " << seed << ":\n"
          << text;
    }
  }
  EXPECT_GT(accepted, total / 20);
}

TEST(BeastOracle, chunked_bodies) {
  constexpr std::string_view chunks[] = {"3\r\nabc\r\n",
                                         "1\r\n\r\r\n",
                                         "A\r\n0123456789\r\n",
                                         "02;a=b\r\n\r\n\r\n",
                                         "3;x=\"y;\\\"z\"\r\n0\r\n\r\n",
                                         "1;q\r\nz\r\n"};
  constexpr std::string_view ends[] = {"0\r\n\r\n", "000\r\nX-A: b\r\n\r\n", "0;a\r\n\r\n"};
  ChunkedDecoder decoder;
  std::size_t accepted = 0, total = 0;
  std::vector<std::string_view> views;
  for (std::uint64_t seed = 1; seed <= test::property_seeds(20); ++seed) {
    Random random(seed);
    for (int i = 0; i < 500; ++i, ++total) {
      std::string text;
      for (std::size_t n = below(random, 4); n != 0; --n) text += pick(random, chunks);
      text = mutate(random, text + std::string(pick(random, ends)));
      decoder.reset();
      views.clear();
      const auto result = decoder.feed(text, views);
      if (result.has_error() || !result->done) continue;
      ++accepted;
      std::string payload;
      for (const std::string_view view : views) payload += view;
      ASSERT_EQ(fuzz::chunked_disagreement(text.substr(0, result->consumed), payload), "")
          << "seed " << seed << ":\n"
          << text;
    }
  }
  EXPECT_GT(accepted, total / 20);
}

}  // namespace
}  // namespace tollgate::protocol::http
