#include "tollgate/protocol/http/gzip_inflater.hpp"

#include <gtest/gtest.h>
#include <zlib.h>

namespace tollgate::protocol::http {
namespace {

std::string deflate_text(const std::string& text, int window_bits = 15 + 16) {
  z_stream z{};
  EXPECT_EQ(deflateInit2(&z, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string in = text;
  std::string out(deflateBound(&z, static_cast<uLong>(text.size())) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(in.data());
  z.avail_in = static_cast<uInt>(in.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&z, Z_FINISH), Z_STREAM_END);
  out.resize(out.size() - z.avail_out);
  deflateEnd(&z);
  return out;
}

std::string noise(std::size_t n) {
  std::string out;
  std::uint32_t state = 1;
  while (out.size() < n) {
    state = state * 1664525u + 1013904223u;
    out.push_back(static_cast<char>('a' + (state >> 24) % 26));
  }
  return out;
}

std::string inflate_in_steps(GzipInflater& inflater, std::string_view bytes, std::size_t step,
                             GzipInflater::Limits limits = {}) {
  inflater.reset(limits);
  std::string out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    const auto result = inflater.feed(bytes.substr(at, step), out);
    if (result.has_error()) return "error " + std::string(info(result.error().code()).name);
  }
  const auto end = inflater.finish();
  return end.has_error() ? "error " + std::string(info(end.error().code()).name) : "ok " + out;
}

TEST(GzipInflater, inflates_whatever_the_split) {
  GzipInflater inflater;
  for (const std::string& text : {std::string(), std::string("a"), noise(100'000)}) {
    const std::string gz = deflate_text(text);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4'096}, gz.size()})
      EXPECT_TRUE(inflate_in_steps(inflater, gz, step) == "ok " + text)
          << text.size() << " " << step;
  }
}

TEST(GzipInflater, refuses_what_is_not_one_gzip_member) {
  GzipInflater inflater;
  const std::string text = noise(5'000);
  const std::string gz = deflate_text(text);
  std::string damaged = gz;
  damaged[gz.size() / 2] = static_cast<char>(damaged[gz.size() / 2] ^ 0x55);
  std::string bad_sum = gz;
  bad_sum[gz.size() - 6] = static_cast<char>(bad_sum[gz.size() - 6] ^ 1);
  const std::pair<std::string_view, std::string> cases[] = {
      {"plain text", "{\"model\":\"x\"}"},
      {"zlib format", deflate_text(text, 15)},
      {"raw deflate", deflate_text(text, -15)},
      {"damaged", damaged},
      {"wrong checksum", bad_sum},
      {"cut", gz.substr(0, gz.size() - 3)},
      {"empty", ""},
      {"trailing byte", gz + "x"},
      {"two members", gz + gz},
  };
  for (const auto& [rule, bytes] : cases)
    for (const std::size_t step : {std::size_t{1}, bytes.size() + 1})
      EXPECT_EQ(inflate_in_steps(inflater, bytes, step), "error invalid_request") << rule;
}

TEST(GzipInflater, bounds_ratio_and_size) {
  GzipInflater inflater;
  const std::string bomb = deflate_text(std::string(4 << 20, 'a'));
  EXPECT_LT(bomb.size(), 8'000u);
  for (const std::size_t step : {std::size_t{64}, bomb.size()}) {
    EXPECT_EQ(inflate_in_steps(inflater, bomb, step), "error request_too_large");
    EXPECT_EQ(inflate_in_steps(inflater, bomb, step, {1 << 20, 100'000, 0}),
              "error request_too_large");
  }
  EXPECT_EQ(inflate_in_steps(inflater, bomb, bomb.size(), {4 << 20, 100'000, 0}).size(),
            3u + (4 << 20));
  // Under the floor the ratio does not count: short bodies repeat themselves a lot.
  EXPECT_EQ(inflate_in_steps(inflater, deflate_text(std::string(1 << 20, 'a')), 4'096).size(),
            3u + (1 << 20));
  const std::string text = noise(1'000);
  EXPECT_EQ(inflate_in_steps(inflater, deflate_text(text), 4'096, {999, 20, 65'536}),
            "error request_too_large");
  EXPECT_EQ(inflate_in_steps(inflater, deflate_text(text), 4'096, {1'000, 20, 65'536}),
            "ok " + text);
}

TEST(GzipInflater, memory_stays_near_the_bound) {
  GzipInflater inflater;
  inflater.reset({1 << 20, 1'000'000, 0});
  std::string out;
  EXPECT_TRUE(inflater.feed(deflate_text(std::string(16 << 20, 'a')), out).has_error());
  EXPECT_LE(out.size(), (1u << 20) + 16u * 1024u);
}

}  // namespace
}  // namespace tollgate::protocol::http
