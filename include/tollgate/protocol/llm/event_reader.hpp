#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tollgate/json/outline.hpp"
#include "tollgate/protocol/llm/dialect.hpp"

namespace tollgate::protocol::llm {

/// Reads the events of one stream, faster when one is like the one before it.
///
/// Purpose:  nearly every event of a stream is the one before with other words in it. Such an event
///           is neither parsed nor read again: what the Dialect said of the one before holds, the
///           free pieces (TextPiece::is_free) aside, and StreamEvent::repeats says so. Everything
///           else (another member, number or spelling, an end, usage, an empty piece) goes to
///           Dialect::read_event.
/// Exact:    apart from `repeats` the result is the Dialect's (property-tested).
/// Lifetime: of one stream, with one Dialect, Document and Usage. Threads: one.
class EventReader {
 public:
  /// As Dialect::read_event. `document` must be the same one, and nobody else's, in every call.
  void read(const Dialect& dialect, const sse::Event& event, json::Document& document, Usage& usage,
            StreamEvent& out);

 private:
  void keep(const sse::Event& event, const json::Document& document, const StreamEvent& said);

  json::Outline outline_;
  // What was said of the event that the outline was made of.
  std::string name_, model_;
  std::vector<TextPiece> pieces_;
  std::uint32_t misses_ = 0;  ///< events that could be kept, since one was like the kept one
  std::vector<json::NodeRef> slots_;  ///< scratch
};

}  // namespace tollgate::protocol::llm
