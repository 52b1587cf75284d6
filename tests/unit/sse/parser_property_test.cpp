#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "support/property_seeds.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::protocol::sse {
namespace {

using tollgate::test::property_seeds;

std::string random_stream(std::mt19937_64& random) {
  static constexpr const char* kPieces[] = {
      "data: {\"a\":1}",
      "data:x",
      "data",
      "event: ping",
      "id: 5",
      "retry: 10",
      ": keep",
      "\n",
      "\n",
      "\n\n",
      "\r\n",
      "\r\n\r\n",
      "\r",
      "\r\r",
      "\xEF\xBB\xBF",
      "unknown: y",
      "\xC3\xA9",
      "\xE2\x82\xAC",
      "data: a much longer line that goes over sixteen bytes, to be found in blocks",
      ":",
      " "};
  std::string stream;
  for (std::uint64_t n = random() % 40; n > 0; --n)
    stream += kPieces[random() % std::size(kPieces)];
  return stream;
}

/// Everything the parser says of a stream fed in pieces of up to `largest` bytes, as text.
std::vector<std::string> events_of(const std::string& stream, std::mt19937_64& random,
                                   std::size_t largest) {
  Parser parser;
  std::vector<std::string> events;
  std::string raw;
  const auto take = [&] {
    while (const Event* event = parser.next()) {
      raw += event->raw;
      events.push_back(std::string(event->raw) + "|" + std::string(event->name) + "|" +
                       std::string(event->data) + "|" + std::string(event->id) + "|" +
                       std::to_string(event->retry_ms.value_or(0)) + (event->has_data ? "d" : "") +
                       (event->has_id ? "i" : "") + (event->is_keep_alive ? "k" : "") +
                       (event->has_other ? "o" : ""));
    }
  };
  std::string chunk;
  for (std::size_t at = 0; at < stream.size();) {
    chunk = stream.substr(at, largest == 0 ? stream.size() : 1 + random() % largest);
    at += chunk.size();
    parser.feed(chunk);
    take();
    // What was fed may be overwritten now: nothing may depend on it.
    chunk.assign(chunk.size(), '#');
  }
  parser.finish();
  take();
  EXPECT_EQ(raw + std::string(parser.rest()), stream);
  events.push_back("rest|" + std::string(parser.rest()));
  return events;
}

TEST(SseParserProperty, AnyChunkingGivesTheSameEvents) {
  for (std::uint64_t seed = 1; seed <= property_seeds(500); ++seed) {
    std::mt19937_64 random(seed);
    const std::string stream = random_stream(random);
    const auto whole = events_of(stream, random, 0);
    for (const std::size_t largest : {1u, 2u, 3u, 17u, 64u}) {
      ASSERT_EQ(events_of(stream, random, largest), whole)
          << "seed " << seed << " pieces of up to " << largest << "\n"
          << testing::PrintToString(stream);
    }
  }
}

}  // namespace
}  // namespace tollgate::protocol::sse
