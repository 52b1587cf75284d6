#include "tollgate/protocol/llm/event_reader.hpp"

#include <algorithm>

#include "protocol/llm/parse_limits.hpp"

namespace tollgate::protocol::llm {
namespace {
/// Where this many events in a row were like none before them (choices taking turns, counts in each
/// event), only one of as many is kept from then on: keeping costs a tenth of reading.
constexpr std::uint32_t kPatience = 8;
}  // namespace

void EventReader::read(const Dialect& dialect, const sse::Event& event, json::Document& document,
                       Usage& usage, StreamEvent& out) {
  if (!outline_.empty() && event.has_data && event.name == name_ &&
      outline_.fit(document, event.data, upstream_limits().allow_lone_surrogates)) {
    misses_ = 0;
    out.reset();
    out.kind = EventClass::content;
    out.has_content = out.is_json = out.repeats = true;
    out.pieces.assign(pieces_.begin(), pieces_.end());
    out.model = model_;
    return;
  }
  dialect.read_event(event, document, usage, out);
  // A keep-alive says nothing: the next event may still be like the one before it.
  if (!event.is_keep_alive) keep(event, document, out);
}

/// Only events that do nothing but carry pieces: no ends, no counts, nothing that is said once.
void EventReader::keep(const sse::Event& event, const json::Document& document,
                       const StreamEvent& said) {
  outline_.clear();
  if (!said.is_json || said.kind != EventClass::content || !said.has_content || said.ends_all ||
      said.has_usage || !said.ended.empty() || !said.finish_reason.empty())
    return;
  if (++misses_ > kPatience && misses_ % kPatience != 0) return;
  slots_.clear();
  // Of the texts around the answer (ids, paddings, times) only those that were seen to differ: the
  // others are then known not to have changed, and need no second look.
  pieces_.assign(said.pieces.begin(), said.pieces.end());
  for (TextPiece& piece : pieces_) {
    piece.is_free =
        piece.is_free && (piece.channel.index != kWholeText || outline_.varies(piece.node));
    if (piece.is_free) slots_.push_back(piece.node);
  }
  // The pieces of one event are few, and nearly always in document order.
  std::sort(slots_.begin(), slots_.end(),
            [](json::NodeRef a, json::NodeRef b) { return a.index() < b.index(); });
  if (!outline_.keep(document, slots_)) return;
  name_.assign(event.name);
  model_.assign(said.model);
}

}  // namespace tollgate::protocol::llm
