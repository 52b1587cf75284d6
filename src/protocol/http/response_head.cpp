#include "tollgate/protocol/http/response_head.hpp"

#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "protocol/http/field_line.hpp"

namespace tollgate::protocol::http {

using base::ErrorCode;

namespace {

Fault parse_status_line(std::string_view line, ResponseHead& head) noexcept {
  head.version_minor = detail::parse_version(line.substr(0, 8));
  if (head.version_minor < 0) return detail::bad_http("an HTTP version other than 1.0 and 1.1");
  // The space after the code is required, but servers forget it and nothing hangs on it.
  if (line.size() < 12 || line[8] != ' ' || (line.size() > 12 && line[12] != ' '))
    return detail::bad_http("a malformed status line");
  int status = 0;
  for (const char c : line.substr(9, 3)) {
    if (c < '0' || c > '9') return detail::bad_http("a malformed status");
    status = status * 10 + (c - '0');
  }
  if (status < 100 || status > 599) return detail::bad_http("a status outside 100..599");
  head.status = status;
  head.reason = line.substr(std::min<std::size_t>(13, line.size()));
  if (!detail::is_value_text(head.reason))
    return detail::bad_http("a control character in the status line");
  return {};
}

Fault finish(ResponseHead& head, bool head_request) noexcept {
  detail::Framing framing;
  if (const Fault fault = detail::read_framing(head.headers, head.version_minor, framing))
    return fault;
  detail::ConnectionFlags flags;
  if (const Fault fault = detail::read_connection(head.headers, flags)) return fault;
  head.keep_alive = !flags.close && (head.version_minor == 1 || flags.keep_alive);
  head.content_length = framing.content_length;

  const int status = head.status;
  if (status == 101) return detail::bad_http("a switch of protocols that nobody asked for");
  const bool says_body = framing.chunked || framing.content_length.value_or(0) != 0;
  if (status < 200) {
    if (says_body) return detail::bad_http("an interim response with a body");
    head.body_kind = BodyKind::none;
  } else if (head_request || status == 304) {
    head.body_kind = BodyKind::none;
  } else if (status == 204) {
    head.body_kind = BodyKind::none;
    // It must not announce a body. If it does, the bytes may follow: never read them as an answer.
    if (says_body) head.keep_alive = false;
  } else if (framing.chunked) {
    head.body_kind = BodyKind::chunked;
  } else if (framing.content_length) {
    head.body_kind = *framing.content_length == 0 ? BodyKind::none : BodyKind::length;
  } else {
    head.body_kind = BodyKind::until_close;
    head.keep_alive = false;
  }
  return {};
}

}  // namespace

void ResponseHead::clear() noexcept {
  status = 0;
  reason = {};
  version_minor = 1;
  headers.clear();
  content_length.reset();
  body_kind = BodyKind::none;
  keep_alive = true;
}

void ResponseHead::rebase(const char* from, const char* to) noexcept {
  if (from == to) return;
  reason = detail::moved(reason, from, to);
  headers.rebase(from, to);
}

void ResponseParser::begin_head() noexcept {
  lines_.reset();
  head_.clear();
  base_ = nullptr;
  section_start_ = 0;
  have_start_line_ = finished_ = false;
}

void ResponseParser::reset(bool head_request) noexcept {
  begin_head();
  head_request_ = head_request;
  interim_ = 0;
}

void ResponseParser::rebase(const char* to) noexcept {
  head_.rebase(base_, to);
  base_ = to;
}

base::Result<HeadProgress> ResponseParser::feed(std::string_view all) {
  if (finished_) begin_head();  // after an interim head
  if (all.empty()) return HeadProgress{};
  if (base_ == nullptr) base_ = all.data();  // nothing points anywhere yet
  if (base_ != all.data()) rebase(all.data());
  if (all.front() != 'H')
    return to_error({ErrorCode::bad_http, "this is not an HTTP response"}, Peer::upstream);
  for (;;) {
    if (have_start_line_ && !lines_.in_line())
      lines_.skip_to(detail::add_plain_fields(
          all, lines_.position(), section_start_ + limits_.section_bytes, limits_, head_.headers));
    const std::size_t line_limit =
        lines_.position() + 2 + (have_start_line_ ? limits_.field_bytes : limits_.start_line_bytes);
    const std::size_t limit = have_start_line_
                                  ? std::min(line_limit, section_start_ + limits_.section_bytes)
                                  : line_limit;
    std::string_view line;
    Fault fault;
    switch (lines_.next(all, limit, line, fault)) {
      case LineReader::Event::need_more:
        return HeadProgress{};
      case LineReader::Event::fault:
        return to_error(fault, Peer::upstream);
      case LineReader::Event::line:
        break;
    }
    if (!have_start_line_) {
      fault = parse_status_line(line, head_);
      have_start_line_ = true;
      section_start_ = lines_.position();
    } else if (!line.empty()) {
      fault = detail::add_field_line(line, limits_, head_.headers);
    } else {
      fault = finish(head_, head_request_);
      const bool interim = head_.status < 200;
      if (!fault && interim && ++interim_ > kMaxInterim)
        fault = {ErrorCode::bad_http, "too many interim responses"};
      if (!fault) {
        finished_ = interim;
        return HeadProgress{interim ? HeadState::interim : HeadState::done, lines_.position()};
      }
    }
    if (fault) return to_error(fault, Peer::upstream);
  }
}

}  // namespace tollgate::protocol::http
