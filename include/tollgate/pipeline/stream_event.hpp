#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/error.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/protocol/llm/types.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::pipeline {

/// One event of a stream on its way to the agent, as the stages see it.
///
/// The relay sends `before`, then the event itself unless dropped (spliced with `edits` when there
/// are any, verbatim otherwise), then nothing; `end_with` replaces the rest of the stream by the
/// dialect's error event. Reused from event to event.
class StreamEvent {
 public:
  const protocol::sse::Event* event = nullptr;  ///< null in on_stream_end
  /// Model dialects: what the event says. Its NodeRefs point into `document`.
  protocol::llm::StreamEvent llm;
  json::Document document;  ///< the event's data, when it is JSON
  bool has_document = false;
  /// The bytes of the data may hold a credential of the upstream's (policy stage).
  bool has_credential = false;
  json::Splicer edits;    ///< over the event's data, or over `rewritten`
  std::string rewritten;  ///< other data for the event; empty = its own
  std::string before;     ///< whole events to send first
  bool drop = false;
  std::optional<base::Error> end_with;

  void reset() {
    event = nullptr;
    llm.reset();
    has_document = has_credential = false;
    edits.reset({});
    rewritten.clear();
    before.clear();
    drop = false;
    end_with.reset();
  }
};

}  // namespace tollgate::pipeline
