#include "tollgate/protocol/sse/writer.hpp"

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

}  // namespace tollgate::protocol::sse
