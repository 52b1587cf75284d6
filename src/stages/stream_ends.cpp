#include "stages/stream_ends.hpp"

#include <algorithm>
#include <charconv>

#include "tollgate/domain/routing/attempt_loop.hpp"

namespace tollgate::stages {

bool is_cut_event(std::string_view rest) noexcept {
  while (!rest.empty()) {
    const std::string_view line = rest.substr(0, rest.find_first_of("\r\n"));
    if (!line.empty() && line.front() != ':') return true;
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
  }
  return false;
}

bool is_open_mark(std::string_view rest) {
  while (rest.ends_with('\n') || rest.ends_with('\r')) rest.remove_suffix(1);
  if (rest == "data: [DONE]" || rest == "data:[DONE]") return true;
  constexpr std::string_view kEvent = "event: message_stop", kData = "data:";
  if (!rest.starts_with(kEvent)) return false;
  rest.remove_prefix(kEvent.size());
  rest.remove_prefix(std::min(rest.find_first_not_of("\r\n"), rest.size()));
  if (!rest.starts_with(kData)) return false;
  rest.remove_prefix(kData.size());
  json::Document document;
  return !document.parse(rest).has_error() && document.root().find("type").text_is("message_stop");
}

bool answers(json::NodeRef message, json::NodeRef asked) {
  const auto text = [](json::NodeRef id) { return id.is_string() ? id.text() : id.raw(); };
  // 1 and 1.0 are one number.
  const auto same = [](std::string_view a, std::string_view b) {
    if (a == b) return true;
    const auto number = [](std::string_view digits, double& out) {
      const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out);
      return error == std::errc() && end == digits.data() + digits.size();
    };
    double x = 0, y = 0;
    return number(a, x) && number(b, y) && x == y;
  };
  const json::NodeRef id = message.find("id");
  if (message.find("error") && (!id || id.is_null())) return true;
  return id && asked && (message.find("result") || message.find("error")) &&
         same(text(id), text(asked));
}

base::Error error_of_break(pipeline::TransportFailure failure) {
  using base::Error;
  using base::ErrorCode;
  using pipeline::TransportFailure;
  constexpr std::string_view kCutText = "the upstream ended in the middle of the answer";
  switch (failure) {
    case TransportFailure::too_large:
      return Error(ErrorCode::stream_limit, kCutText);
    case TransportFailure::invalid:
      return Error(ErrorCode::upstream_invalid,
                   "the upstream's stream cannot be read: broken framing, or an event is not JSON");
    case TransportFailure::idle_timeout:
      return Error(ErrorCode::upstream_timeout,
                   "the upstream fell silent in the middle of the answer (timeouts.stream_idle)");
    case TransportFailure::total_timeout:
      return domain::routing::out_of_time();
    case TransportFailure::cancelled:
      return Error(ErrorCode::draining, "the gateway is shutting down");
    case TransportFailure::none:
    case TransportFailure::dns:
    case TransportFailure::connect:
    case TransportFailure::tls:
    case TransportFailure::pool_exhausted:
    case TransportFailure::stale_connection:
    case TransportFailure::reset:
    case TransportFailure::first_byte_timeout:
    case TransportFailure::cut:
      break;
  }
  return Error(ErrorCode::upstream_cut, kCutText);
}

}  // namespace tollgate::stages
