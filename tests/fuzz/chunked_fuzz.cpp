// Chunked bodies: the outcome does not depend on the split; Beast reads what we accept alike; the
// payload, framed anew, reads the same.
#include "fuzz/beast_oracle.hpp"
#include "fuzz/fuzz.hpp"

using namespace tollgate;
using namespace tollgate::protocol::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  const std::string_view input = whole.view();
  static std::vector<std::string_view> views;

  ChunkedDecoder decoder;
  decoder.reset(1 << 20);
  views.clear();
  const auto result = decoder.feed(input, views);
  std::string payload;
  if (result.has_value())
    for (const std::string_view view : views) payload += view;

  ChunkedDecoder split_decoder;
  split_decoder.reset(1 << 20);
  const std::size_t cut = fuzz::cut_of(input);
  const fuzz::ExactCopy first(input.substr(0, cut)), second(input.substr(cut));
  views.clear();
  auto split = split_decoder.feed(first.view(), views);
  std::size_t consumed = split.has_value() ? split->consumed : 0;
  if (split.has_value() && !split->done) {
    split = split_decoder.feed(second.view(), views);
    if (split.has_value()) consumed += split->consumed;
  }
  fuzz::require(split.has_error() == result.has_error(), "the split changes acceptance", input);
  if (result.has_error()) return 0;
  std::string split_payload;
  for (const std::string_view view : views) split_payload += view;
  fuzz::require(
      split->done == result->done && consumed == result->consumed && split_payload == payload,
      "the split changes the outcome", input);
  if (!result->done) return 0;
  const std::string why = fuzz::chunked_disagreement(input.substr(0, result->consumed), payload);
  fuzz::require(why.empty(), why, input);

  std::string framed;
  if (!payload.empty()) {
    append_chunk_head(framed, payload.size());
    framed += payload;
    framed += kChunkEnd;
  }
  framed += kLastChunk;
  decoder.reset();
  views.clear();
  const auto again = decoder.feed(framed, views);
  fuzz::require(again.has_value() && again->done && again->consumed == framed.size(), "reframed",
                input);
  return 0;
}
