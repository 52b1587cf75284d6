#include "stages/stream_ends.hpp"

#include <algorithm>

namespace tollgate::stages {

bool is_cut_event(std::string_view rest) noexcept {
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find_first_of("\r\n"));
    if (!line.empty() && line.front() != ':') return true;
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return false;
}

bool is_open_mark(std::string_view rest) noexcept {
  while (rest.ends_with('\n') || rest.ends_with('\r')) rest.remove_suffix(1);
  return rest == "data: [DONE]" || rest == "data:[DONE]";
}

bool answers(json::NodeRef message, json::NodeRef asked) {
  const auto text = [](json::NodeRef id) { return id.is_string() ? id.text() : id.raw(); };
  const json::NodeRef id = message.find("id");
  if (message.find("error") && (!id || id.is_null())) return true;
  return id && asked && (message.find("result") || message.find("error")) &&
         text(id) == text(asked);
}

}  // namespace tollgate::stages
