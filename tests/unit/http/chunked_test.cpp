#include "tollgate/protocol/http/chunked.hpp"

#include <gtest/gtest.h>

#include <memory>

namespace tollgate::protocol::http {
namespace {

using namespace std::string_view_literals;

/// "done <consumed> <payload>", "more <payload>" or "error <code>"; pieces end at `cuts`.
std::string decode(ChunkedDecoder& decoder, std::string_view bytes, std::vector<std::size_t> cuts,
                   std::uint64_t max_body = UINT64_MAX) {
  decoder.reset(max_body);
  cuts.push_back(bytes.size());
  std::string payload;
  std::size_t from = 0;
  for (const std::size_t cut : cuts) {
    const std::size_t n = cut - from;
    auto piece = std::make_unique<char[]>(n + 1);
    bytes.copy(piece.get(), n, from);
    std::vector<std::string_view> views;
    const auto result = decoder.feed({piece.get(), n}, views);
    if (result.has_error()) return "error " + std::string(info(result.error().code()).name);
    for (const std::string_view view : views) payload += view;
    if (result->done) return "done " + std::to_string(from + result->consumed) + " " + payload;
    EXPECT_EQ(result->consumed, n);
    from = cut;
  }
  return "more " + payload;
}

std::string decode_every_way(ChunkedDecoder& decoder, std::string_view bytes,
                             std::uint64_t max_body = UINT64_MAX) {
  const std::string whole = decode(decoder, bytes, {}, max_body);
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < bytes.size(); ++i) every.push_back(i);
  EXPECT_EQ(decode(decoder, bytes, every, max_body), whole) << "byte by byte";
  for (std::size_t i = 1; i < bytes.size() && bytes.size() < 2'000; ++i)
    EXPECT_EQ(decode(decoder, bytes, {i}, max_body), whole) << "cut at " << i;
  return whole;
}

TEST(ChunkedDecoder, accepts) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"0\r\n\r\n"sv, "done 5 "},
      {"3\r\nabc\r\n0\r\n\r\n"sv, "done 13 abc"},
      {"3\r\nabc\r\n0\r\n\r\nGET /"sv, "done 13 abc"},
      {"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"sv, "done 20 abcde"},
      {"000A\r\n0123456789\r\n00\r\n\r\n"sv, "done 24 0123456789"},
      {"a\r\n0123456789\r\n0\r\n\r\n"sv, "done 20 0123456789"},
      {"4\r\n\r\n0\r\r\n0\r\n\r\n"sv, "done 14 \r\n0\r"},
      {"3;a\r\nabc\r\n0;b=c\r\n\r\n"sv, "done 19 abc"},
      {"3;a=\"x;\\\"y\"\r\nabc\r\n0\r\n\r\n"sv, "done 23 abc"},
      {"0\r\nX-A: b\r\nExpires: \tc\r\n\r\n"sv, "done 26 "},
      {"3\r\nab"sv, "more ab"},
      {"3\r\nabc\r\n0\r\n\r"sv, "more abc"},
      {""sv, "more "},
  };
  ChunkedDecoder decoder;
  for (const auto& [bytes, expected] : cases) {
    SCOPED_TRACE(bytes);
    EXPECT_EQ(decode_every_way(decoder, bytes), expected);
  }
}

TEST(ChunkedDecoder, refuses) {
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"empty size", "\r\nabc"sv},
      {"sign", "+3\r\nabc\r\n0\r\n\r\n"sv},
      {"minus", "-3\r\nabc\r\n0\r\n\r\n"sv},
      {"0x", "0x3\r\nabc\r\n0\r\n\r\n"sv},
      {"underscore", "1_0\r\n0123456789abcdef\r\n0\r\n\r\n"sv},
      {"leading space", " 3\r\nabc\r\n0\r\n\r\n"sv},
      {"trailing space", "3 \r\nabc\r\n0\r\n\r\n"sv},
      {"trailing tab", "3\t\r\nabc\r\n0\r\n\r\n"sv},
      {"space before the extension", "3 ;a\r\nabc\r\n0\r\n\r\n"sv},
      {"space behind the semicolon", "3; a\r\nabc\r\n0\r\n\r\n"sv},
      {"not hex", "g\r\nabc"sv},
      {"letters behind", "3h\r\nabc"sv},
      {"comma", "3,3\r\nabc"sv},
      {"quoted", "\"3\"\r\nabc"sv},
      {"NUL", "3\0\r\nabc"sv},
      {"17 digits", "00000000000000003\r\nabc"sv},
      {"overflow", "10000000000000003\r\nabc"sv},
      {"bare LF behind the size", "3\nabc\r\n0\r\n\r\n"sv},
      {"CR and no LF behind the size", "3\rabc\r\n0\r\n\r\n"sv},
      {"CR CR LF", "3\r\r\nabc\r\n0\r\n\r\n"sv},
      {"bare LF behind the data", "3\r\nabc\n0\r\n\r\n"sv},
      {"CR and no LF behind the data", "3\r\nabc\rX0\r\n\r\n"sv},
      {"two other bytes behind the data", "3\r\nabcXX0\r\n\r\n"sv},
      {"data longer than the size", "3\r\nabcd\r\n0\r\n\r\n"sv},
      {"data shorter than the size", "4\r\nabc\r\n0\r\n\r\n"sv},
      {"extra CRLF before the last chunk", "3\r\nabc\r\n\r\n0\r\n\r\n"sv},
      {"empty extension", "3;\r\nabc"sv},
      {"extension without value", "3;a=\r\nabc"sv},
      {"bare LF in an extension", "3;a\nabc"sv},
      {"bare CR in an extension", "3;a\rb\r\nabc"sv},
      {"CR in a quoted extension", "3;a=\"\r\n\"\r\nabc"sv},
      {"LF in a quoted extension", "3;a=\"\n\"\r\nabc"sv},
      {"NUL in an extension", "3;a\0\r\nabc"sv},
      {"escaped LF in an extension", "3;a=\"\\\n\"\r\nabc"sv},
      {"text behind a quoted extension", "3;a=\"b\"c\r\nabc"sv},
      {"bare LF as the end", "0\r\n\n"sv},
      {"bare LF behind the last size", "0\n\r\n"sv},
      {"trailer without colon", "0\r\nabc\r\n\r\n"sv},
      {"trailer without name", "0\r\n: a\r\n\r\n"sv},
      {"folded trailer", "0\r\nA: b\r\n c\r\n\r\n"sv},
      {"trailer with space before the colon", "0\r\nA : b\r\n\r\n"sv},
      {"bare LF in a trailer", "0\r\nA: b\n\r\n"sv},
      {"NUL in a trailer", "0\r\nA: \0\r\n\r\n"sv},
      {"CR in a trailer", "0\r\nA: b\rc\r\n\r\n"sv},
  };
  ChunkedDecoder decoder;
  for (const auto& [rule, bytes] : cases) {
    SCOPED_TRACE(rule);
    EXPECT_EQ(decode_every_way(decoder, bytes), "error bad_http");
  }
  ChunkedDecoder upstream(Peer::upstream);
  EXPECT_EQ(decode_every_way(upstream, "x"), "error upstream_invalid");
}

TEST(ChunkedDecoder, bounds) {
  ChunkedDecoder decoder;
  // Extensions: 256 bytes of one chunk, the semicolon included.
  const auto with_extension = [](std::size_t n) {
    return "3;" + std::string(n - 1, 'a') + "\r\nabc\r\n0;" + std::string(n - 1, 'b') + "\r\n\r\n";
  };
  EXPECT_EQ(decode_every_way(decoder, with_extension(256)).substr(0, 4), "done");
  EXPECT_EQ(decode_every_way(decoder, with_extension(257)), "error bad_http");
  // Trailers: 8 KiB in all.
  const auto with_trailers = [](std::size_t n) {
    std::string out = "0\r\n";
    for (std::size_t i = 0; i < n; ++i) out += "A: " + std::string(95, 'b') + "\r\n";
    return out + "\r\n";
  };
  EXPECT_EQ(decode_every_way(decoder, with_trailers(81)).substr(0, 4), "done");
  EXPECT_EQ(decode_every_way(decoder, with_trailers(82)), "error bad_http");
  // The body: refused by the announced size, before its bytes come.
  EXPECT_EQ(decode_every_way(decoder, "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 5).substr(0, 4), "done");
  EXPECT_EQ(decode_every_way(decoder, "3\r\nabc\r\n3\r\n", 5), "error request_too_large");
  EXPECT_EQ(decode_every_way(decoder, "ffffffffffffffff\r\n", 5), "error request_too_large");
  EXPECT_EQ(decode_every_way(decoder, "3\r\nabc\r\nfffffffffffffffe\r\n"),
            "error request_too_large");
  EXPECT_EQ(decode_every_way(decoder, "ffffffffffffffff\r\nabc"), "more abc");
  ChunkedDecoder upstream(Peer::upstream);
  EXPECT_EQ(decode_every_way(upstream, "3\r\nabc\r\n3\r\n", 5), "error stream_limit");
}

TEST(ChunkedDecoder, frames_what_it_reads) {
  for (const std::size_t n : {1u, 15u, 16u, 255u, 4096u, 70'000u}) {
    std::string out;
    append_chunk_head(out, n);
    out += std::string(n, 'x');
    out += kChunkEnd;
    out += kLastChunk;
    ChunkedDecoder decoder;
    EXPECT_EQ(decode(decoder, out, {}),
              "done " + std::to_string(out.size()) + " " + std::string(n, 'x'));
  }
}

}  // namespace
}  // namespace tollgate::protocol::http
