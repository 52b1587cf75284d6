#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/response_head.hpp"

/// Feeds a parser the same bytes in every way that matters and demands one outcome.
namespace tollgate::protocol::http::testing {

/// What came out, as text: comparable and readable in a failure.
inline std::string outcome_of_fields(const HeaderSection& headers) {
  std::string out;
  for (const HeaderField& field : headers.fields()) {
    out += "|";
    out += field.name;
    out += "=";
    out += field.value;
  }
  for (const std::string_view option : headers.connection_options()) {
    out += "|option=";
    out += option;
  }
  return out;
}

inline std::string outcome_of(const RequestHead& head) {
  std::string out(head.method_text);
  out += " " + std::string(head.target) + " [" + std::string(head.path_and_query) + "] 1.";
  out += std::to_string(head.version_minor) + " host=" + std::string(head.host);
  out += " length=" + (head.content_length ? std::to_string(*head.content_length) : "-");
  if (head.chunked) out += " chunked";
  if (head.keep_alive) out += " keep";
  if (head.expect_continue) out += " expect";
  return out + outcome_of_fields(head.headers);
}

inline std::string outcome_of(const ResponseHead& head) {
  std::string out = std::to_string(head.status) + " " + std::string(head.reason);
  out += " 1." + std::to_string(head.version_minor) + " kind=";
  out += std::to_string(static_cast<int>(head.body_kind));
  if (head.keep_alive) out += " keep";
  return out + outcome_of_fields(head.headers);
}

/// Gives the parser growing prefixes that end at `cuts` and then the whole, each in a fresh buffer
/// of exactly that size (so that a stale view or a read past the end is seen by the sanitizer).
template <class Parser>
std::string feed_in_pieces(Parser& parser, std::string_view bytes, std::vector<std::size_t> cuts) {
  cuts.push_back(bytes.size());
  std::unique_ptr<char[]> buffer;
  for (const std::size_t cut : cuts) {
    auto next = std::make_unique<char[]>(cut + 1);
    bytes.copy(next.get(), cut);
    buffer.swap(next);
    next.reset();
    auto result = parser.feed({buffer.get(), cut});
    if (result.has_error()) return "error " + std::string(base::info(result.error().code()).name);
    if (result->state != HeadState::need_more) {
      return (result->state == HeadState::interim ? "interim " : "done ") +
             std::to_string(result->head_size) + " " + outcome_of(parser.head());
    }
  }
  return "need_more";
}

/// The outcome in one piece, after checking that byte by byte and every cut in two give the same.
template <class Parser>
std::string feed_every_way(Parser& parser, std::string_view bytes) {
  parser.reset();
  const std::string whole = feed_in_pieces(parser, bytes, {});
  std::vector<std::size_t> every;
  for (std::size_t i = 1; i < bytes.size(); ++i) every.push_back(i);
  parser.reset();
  EXPECT_EQ(feed_in_pieces(parser, bytes, every), whole) << "byte by byte: " << bytes;
  for (std::size_t i = 1; i < bytes.size() && bytes.size() < 2'000; ++i) {
    parser.reset();
    const std::string split = feed_in_pieces(parser, bytes, {i});
    EXPECT_EQ(split, whole) << "cut at " << i << ": " << bytes;
    if (split != whole) break;
  }
  return whole;
}

}  // namespace tollgate::protocol::http::testing
