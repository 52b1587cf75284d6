// Server-sent events: the bytes of all events and the rest are the stream; the split changes
// nothing; an event written anew has the same data.
#include <vector>

#include "fuzz/fuzz.hpp"
#include "tollgate/protocol/sse/parser.hpp"
#include "tollgate/protocol/sse/writer.hpp"

using namespace tollgate;
using namespace tollgate::protocol::sse;

namespace {

struct Outcome {
  std::string bytes;
  std::vector<std::string> data;
  bool failed = false;
  bool operator==(const Outcome&) const = default;
};

void drain(Parser& parser, Outcome& out) {
  while (const Event* event = parser.next()) {
    out.bytes += event->raw;
    if (event->has_data) out.data.emplace_back(event->data);
  }
}

Outcome read_all(std::string_view input, std::size_t cut) {
  Parser parser(256);
  Outcome out;
  const fuzz::ExactCopy first(input.substr(0, cut)), second(input.substr(cut));
  parser.feed(first.view());
  drain(parser, out);
  parser.feed(second.view());
  drain(parser, out);
  parser.finish();
  drain(parser, out);
  out.failed = parser.failed();
  if (!out.failed) out.bytes += parser.rest();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Outcome whole = read_all(input, 0);
  fuzz::require(whole == read_all(input, fuzz::cut_of(input)), "the split changes events", input);
  if (whole.failed) return 0;
  fuzz::require(whole.bytes == input, "bytes lost", input);
  for (const std::string& text : whole.data) {
    // The writer takes a last line end for the end of the last line, not for an empty line more;
    // in JSON, the one kind of data it is for, both mean the same.
    if (!text.empty() && text.back() == '\n') continue;
    std::string written;
    append_event(written, "x", text);
    Parser parser;
    parser.feed(written);
    const Event* event = parser.next();
    parser.finish();
    if (event == nullptr) event = parser.next();
    fuzz::require(event != nullptr && event->data == text, "data changed by the writer", input);
  }
  return 0;
}
