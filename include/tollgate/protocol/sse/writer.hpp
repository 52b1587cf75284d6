#pragma once

#include <string>
#include <string_view>

#include "tollgate/json/splice.hpp"
#include "tollgate/protocol/sse/parser.hpp"

namespace tollgate::protocol::sse {

/// Appends `event: <name>` (unless empty), `data:` lines and a blank line. `data` may hold line
/// ends (JSON with white space): each gets its own `data:` line. `name` must not.
void append_event(std::string& out, std::string_view name, std::string_view data);

/// Appends `event` with other data; its name, id, retry and comments stay, in their order.
void append_with_data(std::string& out, const Event& event, std::string_view data);

/// The same with `edits` made to its data. Data that stands in one line, as nearly all does, is
/// spliced where it stands.
void append_with_edits(std::string& out, const Event& event, const json::Splicer& edits);

}  // namespace tollgate::protocol::sse
