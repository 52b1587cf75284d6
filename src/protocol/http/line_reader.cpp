#include "tollgate/protocol/http/line_reader.hpp"

#include <cstring>

namespace tollgate::protocol::http {

base::Error to_error(Fault fault, Peer peer) {
  if (peer == Peer::client) return base::Error(fault.code, fault.message).with_limit(fault.limit);
  const bool head = fault.code == base::ErrorCode::headers_too_large;
  const bool size = fault.code == base::ErrorCode::request_too_large;
  return base::Error(size ? base::ErrorCode::stream_limit : base::ErrorCode::upstream_invalid,
                     "the upstream's answer is not acceptable HTTP", fault.message)
      .with_side(base::Side::upstream)
      .with_limit(head   ? std::optional(base::Limit::upstream_header_bytes)
                  : size ? std::optional(base::Limit::response_body_bytes)
                         : std::nullopt);
}

LineReader::Event LineReader::next(std::string_view all, std::size_t limit, std::string_view& line,
                                   Fault& fault) noexcept {
  const void* found = scanned_ < all.size()
                          ? std::memchr(all.data() + scanned_, '\n', all.size() - scanned_)
                          : nullptr;
  const std::size_t end =
      found == nullptr ? all.size()
                       : static_cast<std::size_t>(static_cast<const char*>(found) - all.data()) + 1;
  // The limit comes before anything in the line, so that the outcome is that of the first byte that
  // decides, in one piece or in many.
  if (end > limit) {
    fault = {base::ErrorCode::headers_too_large, "too many bytes", base::Limit::header_bytes};
    return Event::fault;
  }
  if (found == nullptr) {
    scanned_ = all.size();
    return Event::need_more;
  }
  if (end - start_ < 2 || all[end - 2] != '\r') {
    fault = {base::ErrorCode::bad_http, "a line ends in a bare LF"};
    return Event::fault;
  }
  line = all.substr(start_, end - 2 - start_);
  start_ = scanned_ = end;
  return Event::line;
}

}  // namespace tollgate::protocol::http
