#pragma once

#include <string>
#include <string_view>

#include "tollgate/protocol/llm/types.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::protocol::llm {

/// An earlier event of a stream, parsed again to build another one after it.
class EventTemplate {
 public:
  /// `scratch` is empty afterwards when the event has no JSON. Both arguments must live while this
  /// does.
  EventTemplate(std::string_view raw, json::Document& scratch);

  [[nodiscard]] std::string_view name() const noexcept { return name_; }

  /// Appends the event with the piece of `channel` replaced by `text` and every other piece
  /// emptied; nothing when it has no such piece.
  void append_with_piece(std::string& out, const StreamEvent& event, Channel channel,
                         std::string_view text) const;

 private:
  sse::Parser parser_;
  std::string_view name_;
};

}  // namespace tollgate::protocol::llm
