#include "tollgate/protocol/http/request_head.hpp"

#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "protocol/http/field_line.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http {

using base::ErrorCode;

namespace {

constexpr std::string_view kMethods[] = {"GET",   "HEAD",   "POST",   "PUT",
                                         "PATCH", "DELETE", "OPTIONS"};
/// Stands for the empty path of "http://host"; never moved with the buffer.
constexpr std::string_view kRootPath = "/";

bool parse_method(std::string_view text, Method& method) noexcept {
  for (std::size_t i = 0; i < std::size(kMethods); ++i) {
    if (text == kMethods[i]) {
      method = static_cast<Method>(i);
      return true;
    }
  }
  return false;
}

constexpr Fault kMethodFault{ErrorCode::method_not_allowed, "this method is not served"};

Fault parse_request_line(std::string_view line, RequestHead& head, bool& method_refused) noexcept {
  const std::size_t method_end = line.find(' ');
  const std::size_t target_end = line.rfind(' ');
  if (method_end == std::string_view::npos || target_end == method_end)
    return detail::bad_http("a request line is method, target and version");
  head.method_text = line.substr(0, method_end);
  head.target = line.substr(method_end + 1, target_end - method_end - 1);
  const bool is_served = parse_method(head.method_text, head.method);  // those are tokens
  if (!is_served && !is_token(head.method_text)) return detail::bad_http("a malformed method");
  // Also refuses the second space of a target with spaces in it.
  if (head.target.empty() || !detail::is_target_text(head.target))
    return detail::bad_http("a character not allowed in a request target");
  head.version_minor = detail::parse_version(line.substr(target_end + 1));
  if (head.version_minor < 0) return detail::bad_http("an HTTP version other than 1.0 and 1.1");
  method_refused = !is_served;
  return {};
}

/// Sets path_and_query; for the absolute form compares its authority with Host. CONNECT, which is
/// refused, may name an authority: its head is whole, so that its caller can be told.
Fault read_target(RequestHead& head) noexcept {
  const std::string_view target = head.target;
  if (target.front() == '/') {
    head.path_and_query = target;
    return {};
  }
  if (target == "*") {
    if (head.method != Method::options) return detail::bad_http("'*' is for OPTIONS only");
    head.path_and_query = target;
    return {};
  }
  if (head.method_text == "CONNECT" && is_valid_host(target)) {
    head.path_and_query = target;
    return {};
  }
  const std::size_t colon = target.find("://");
  const std::string_view scheme = target.substr(0, colon == std::string_view::npos ? 0 : colon);
  if (!base::iequals(scheme, "http") && !base::iequals(scheme, "https"))
    return detail::bad_http("a request target is a path");
  const std::string_view rest = target.substr(colon + 3);
  const std::size_t slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  if (head.host.empty() || !base::iequals(authority, head.host))
    return detail::bad_http("the target's authority differs from Host");
  head.path_and_query = slash == std::string_view::npos ? kRootPath : rest.substr(slash);
  return {};
}

/// The rules over the whole head, once all lines are in.
Fault finish(RequestHead& head) noexcept {
  HeaderSection& headers = head.headers;
  if (const HeaderField* host = headers.find(HeaderId::host)) {
    if (!is_valid_host(host->value)) return detail::bad_http("a malformed Host");
    head.host = host->value;
  } else if (head.version_minor == 1) {
    return detail::bad_http("HTTP/1.1 needs a Host");
  }
  if (const Fault fault = read_target(head)) return fault;

  detail::Framing framing;
  if (const Fault fault = detail::read_framing(headers, head.version_minor, framing)) return fault;
  head.content_length = framing.content_length;
  head.chunked = framing.chunked;

  detail::ConnectionFlags flags;
  if (const Fault fault = detail::read_connection(headers, flags)) return fault;
  head.keep_alive = !flags.close && (head.version_minor == 1 || flags.keep_alive);

  if (const HeaderField* expect = headers.find(HeaderId::expect)) {
    if (!base::iequals(expect->value, "100-continue"))
      return {ErrorCode::expectation_failed, "an Expect other than 100-continue"};
    // RFC 9110 10.1.1: ignored in HTTP/1.0.
    head.expect_continue = head.version_minor == 1 && head.body_kind() != BodyKind::none;
  }
  return {};
}

}  // namespace

std::string_view to_string(Method method) noexcept {
  return kMethods[static_cast<std::size_t>(method)];
}

std::string_view unchecked_path(std::string_view bytes) noexcept {
  if (bytes.starts_with("\r\n")) bytes.remove_prefix(2);
  const std::string_view line = bytes.substr(0, bytes.find_first_of("\r\n"));
  const std::size_t method_end = line.find(' ');
  if (method_end == std::string_view::npos) return {};
  std::string_view target = line.substr(method_end + 1);
  target = target.substr(0, target.find(' '));
  if (target.starts_with('/')) return target;
  const std::size_t colon = target.find("://");
  if (colon == std::string_view::npos) return {};
  const std::size_t slash = target.find('/', colon + 3);
  return slash == std::string_view::npos ? std::string_view{} : target.substr(slash);
}

void RequestHead::clear() noexcept {
  method = Method::get;
  method_text = target = path_and_query = host = {};
  version_minor = 1;
  headers.clear();
  content_length.reset();
  chunked = expect_continue = false;
  keep_alive = true;
}

void RequestHead::rebase(const char* from, const char* to) noexcept {
  if (from == to) return;
  method_text = detail::moved(method_text, from, to);
  target = detail::moved(target, from, to);
  if (path_and_query.data() != kRootPath.data())
    path_and_query = detail::moved(path_and_query, from, to);
  host = detail::moved(host, from, to);
  headers.rebase(from, to);
}

void RequestParser::reset() noexcept {
  lines_.reset();
  head_.clear();
  base_ = nullptr;
  section_start_ = 0;
  started_ = have_start_line_ = skipped_empty_line_ = complete_ = method_refused_ = false;
}

void RequestParser::rebase(const char* to) noexcept {
  head_.rebase(base_, to);
  base_ = to;
}

base::Result<HeadProgress> RequestParser::feed(std::string_view all) {
  if (all.empty()) return HeadProgress{};
  if (base_ == nullptr) base_ = all.data();  // nothing points anywhere yet
  if (base_ != all.data()) rebase(all.data());
  started_ = true;
  // A TLS hello or other binary noise on a plain port has no line end to wait for.
  if (!detail::has_class(all.front(), detail::kToken) && all.front() != '\r')
    return to_error({ErrorCode::bad_http, "this is not an HTTP request"}, Peer::client);
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
        if (fault.code == ErrorCode::headers_too_large && !have_start_line_) {
          fault = {ErrorCode::uri_too_long, "the request line is too long",
                   base::Limit::request_line_bytes};
        } else if (fault.code == ErrorCode::headers_too_large && limit == line_limit) {
          fault = {ErrorCode::headers_too_large, "a header field is too long",
                   base::Limit::header_field_bytes};
        }
        return to_error(fault, Peer::client);
      case LineReader::Event::line:
        break;
    }
    if (!have_start_line_) {
      if (line.empty() && !skipped_empty_line_) {  // RFC 9112 2.2: one stray CRLF after a body
        skipped_empty_line_ = true;
        continue;
      }
      fault = parse_request_line(line, head_, method_refused_);
      have_start_line_ = true;
      section_start_ = lines_.position();
    } else if (line.empty()) {
      fault = finish(head_);
      if (!fault && !method_refused_) return HeadProgress{HeadState::done, lines_.position()};
      complete_ = !fault || fault.code == ErrorCode::expectation_failed;
    } else {
      fault = detail::add_field_line(line, limits_, head_.headers);
    }
    // The method was the first fault: it is the one to name.
    if (method_refused_ && (fault || line.empty())) fault = kMethodFault;
    if (fault) return to_error(fault, Peer::client);
  }
}

}  // namespace tollgate::protocol::http
