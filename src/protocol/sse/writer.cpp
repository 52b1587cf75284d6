#include "tollgate/protocol/sse/writer.hpp"

#include <cstdint>

#include "protocol/sse/line_scan.hpp"

namespace tollgate::protocol::sse {
namespace {

struct RawLine {
  std::string_view text, end;
};

/// Cuts the first line, with its line end, off `bytes`.
RawLine take_line(std::string_view& bytes) {
  const std::size_t at = find_line_end(bytes, 0);
  if (at == std::string_view::npos) {
    const RawLine last{bytes, {}};
    bytes = {};
    return last;
  }
  const bool is_crlf = bytes[at] == '\r' && at + 1 < bytes.size() && bytes[at + 1] == '\n';
  const RawLine line{bytes.substr(0, at), bytes.substr(at, is_crlf ? 2 : 1)};
  bytes.remove_prefix(at + line.end.size());
  return line;
}

void append_data(std::string& out, std::string_view data, std::string_view line_end) {
  do {
    out += "data: ";
    out += take_line(data).text;
    out += line_end;
  } while (!data.empty());
}

/// Where in the event's bytes the data stands that reads as it is, behind "data: "; npos when it is
/// spelled otherwise or joined from several lines.
std::size_t place_of_data(const Event& event) {
  constexpr std::string_view kName = "data: ";
  // Joined data stands elsewhere in memory: the difference is then of no meaning, and out of range.
  const std::size_t at = reinterpret_cast<std::uintptr_t>(event.data.data()) -
                         reinterpret_cast<std::uintptr_t>(event.raw.data());
  if (at < kName.size() || at > event.raw.size() || event.data.size() > event.raw.size() - at)
    return std::string_view::npos;
  return event.raw.substr(at - kName.size(), kName.size()) == kName ? at : std::string_view::npos;
}

}  // namespace

void append_event(std::string& out, std::string_view name, std::string_view data) {
  out.reserve(out.size() + name.size() + data.size() + 20);
  if (!name.empty()) {
    out += "event: ";
    out += name;
    out += '\n';
  }
  append_data(out, data, "\n");
  out += '\n';
}

void append_with_data(std::string& out, const Event& event, std::string_view data) {
  out.reserve(out.size() + event.raw.size() + data.size());
  std::string_view rest = event.raw;
  if (rest.starts_with(kByteOrderMark)) {
    out += kByteOrderMark;
    rest.remove_prefix(kByteOrderMark.size());
  }
  bool is_written = false;
  while (!rest.empty()) {
    const RawLine line = take_line(rest);
    const bool is_last = rest.empty();
    if (line.text.empty() && is_last && !is_written) append_data(out, data, line.end);
    if (!line.text.empty() && line.text.front() != ':' && split_field(line.text).name == "data") {
      if (!is_written) append_data(out, data, line.end);
      is_written = true;
      continue;
    }
    out += line.text;
    out += line.end;
  }
}

void append_with_edits(std::string& out, const Event& event, const json::Splicer& edits) {
  const std::size_t at = place_of_data(event);
  if (at != std::string_view::npos && edits.original().data() == event.data.data()) {
    const std::size_t begin = out.size();
    out += event.raw.substr(0, at);
    const std::size_t data = out.size();
    edits.append_to(out);
    // A line end in a replacement takes lines of its own.
    const std::string_view edited = std::string_view(out).substr(data);
    if (edited.find('\n') == edited.npos && edited.find('\r') == edited.npos) {
      out += event.raw.substr(at + event.data.size());
      return;
    }
    out.resize(begin);
  }
  append_with_data(out, event, edits.str());
}

}  // namespace tollgate::protocol::sse
