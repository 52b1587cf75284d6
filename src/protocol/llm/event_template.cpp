#include "protocol/llm/event_template.hpp"

#include <algorithm>

#include "protocol/llm/parse_limits.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol::llm {

EventTemplate::EventTemplate(std::string_view raw, json::Document& scratch)
    : parser_(raw.size() + 1) {
  parser_.feed(raw);
  parser_.finish();
  const sse::Event* event = parser_.next();
  if (event == nullptr || scratch.parse(event->data, upstream_limits()).has_error()) {
    scratch.clear();
    return;
  }
  name_ = event->name;
}

void EventTemplate::append_with_piece(std::string& out, const StreamEvent& event, Channel channel,
                                      std::string_view text) const {
  const auto wanted = std::find_if(event.pieces.begin(), event.pieces.end(),
                                   [&](const TextPiece& p) { return p.channel == channel; });
  if (wanted == event.pieces.end()) return;
  json::Splicer edits(*wanted->node.document());
  for (const TextPiece& piece : event.pieces) {
    if (piece.channel.index == kWholeText) continue;  // what surrounds the text
    edits.replace(piece.node, &piece == &*wanted ? json::quote(text) : "\"\"");
  }
  sse::append_event(out, name_, edits.str());
}

}  // namespace tollgate::protocol::llm
