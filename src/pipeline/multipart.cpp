#include "pipeline/multipart.hpp"

#include <optional>
#include <string>

#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/media_type.hpp"

namespace tollgate::pipeline {
namespace {

base::Error malformed() {
  return base::Error(base::ErrorCode::invalid_request,
                     "the multipart/form-data body is not well formed");
}

/// Cuts the next `; name=value` off `rest`; false when none is left or it is malformed (then `rest`
/// is not empty).
bool next_parameter(std::string_view& rest, std::string_view& name, std::string_view& value) {
  std::string_view text = base::trim_ows(rest);
  if (text.empty() || text.front() != ';') {
    rest = text;
    return false;
  }
  text = base::trim_ows(text.substr(1));
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    rest = text.empty() ? ";" : text;
    return false;
  }
  name = base::trim_ows(text.substr(0, equals));
  text.remove_prefix(equals + 1);
  if (text.starts_with('"')) {
    const std::size_t end = text.find('"', 1);
    if (end == std::string_view::npos) return false;
    value = text.substr(1, end - 1);
    text.remove_prefix(end + 1);
  } else {
    const std::size_t end = std::min(text.find(';'), text.size());
    value = base::trim_ows(text.substr(0, end));
    text.remove_prefix(end);
  }
  rest = text;
  return true;
}

std::optional<std::string_view> boundary_of(std::string_view content_type) {
  const std::size_t semicolon = content_type.find(';');
  if (semicolon == std::string_view::npos ||
      !protocol::http::is_media_type(content_type, "multipart/form-data"))
    return std::nullopt;
  std::optional<std::string_view> found;
  std::string_view rest = content_type.substr(semicolon), name, value;
  while (next_parameter(rest, name, value)) {
    if (!base::iequals(name, "boundary")) continue;
    if (found) return std::nullopt;
    found = value;
  }
  if (!rest.empty() || !found || found->empty() || found->size() > 70) return std::nullopt;
  return found;
}

/// The field name in a part's header lines; nothing when two readers could differ about it.
std::optional<std::string_view> part_name(std::string_view head) {
  std::optional<std::string_view> found;
  bool seen = false;
  while (!head.empty()) {
    const std::size_t end = head.find("\r\n");
    if (end == std::string_view::npos) return std::nullopt;
    const std::string_view line = head.substr(0, end);
    head.remove_prefix(end + 2);
    if (line.empty() || line.front() == ' ' || line.front() == '\t') return std::nullopt;  // folded
    if (line.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos)
      return std::nullopt;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return std::nullopt;
    if (!base::iequals(base::trim_ows(line.substr(0, colon)), "content-disposition")) continue;
    if (seen || colon != base::trim_ows(line.substr(0, colon)).size()) return std::nullopt;
    seen = true;
    const std::string_view value = line.substr(colon + 1);
    if (!protocol::http::is_media_type(value, "form-data")) return std::nullopt;
    std::string_view rest = value.substr(std::min(value.find(';'), value.size())), name, text;
    while (next_parameter(rest, name, text)) {
      if (name.starts_with("name*") || text.find('\\') != std::string_view::npos)
        return std::nullopt;
      if (!base::iequals(name, "name")) continue;
      if (found || text.find('%') != std::string_view::npos) return std::nullopt;
      found = text;
    }
    if (!rest.empty()) return std::nullopt;
  }
  return found;
}

}  // namespace

base::Result<std::string_view> form_field(std::string_view content_type, std::string_view body,
                                          std::string_view name) {
  const auto boundary = boundary_of(content_type);
  if (!boundary) return malformed();
  const std::string delimiter = "\r\n--" + std::string(*boundary);
  const std::string_view first = std::string_view(delimiter).substr(2);
  if (!body.starts_with(first)) return malformed();  // no preamble: not everybody skips one
  body.remove_prefix(first.size());
  std::string_view value;
  bool found = false;
  for (;;) {
    if (body == "--" || body == "--\r\n") return value;
    if (!body.starts_with("\r\n")) return malformed();
    body.remove_prefix(2);
    const std::size_t head_end = body.find("\r\n\r\n");
    const std::size_t part_end = body.find(delimiter);
    if (head_end == std::string_view::npos || part_end == std::string_view::npos ||
        head_end + 2 > part_end)
      return malformed();
    const auto part = part_name(body.substr(0, head_end + 2));
    if (!part) return malformed();
    if (base::iequals(*part, name)) {
      if (found || *part != name) return malformed();
      found = true;
      value = head_end + 4 > part_end ? std::string_view{}
                                      : body.substr(head_end + 4, part_end - head_end - 4);
    }
    body.remove_prefix(part_end + delimiter.size());
  }
}

}  // namespace tollgate::pipeline
