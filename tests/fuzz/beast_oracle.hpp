#pragma once

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/chunked.hpp"
#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/response_head.hpp"

/// Boost.Beast as a second opinion: whatever our parsers accept, Beast must accept and read alike.
/// The converse does not hold; Beast accepts much that we refuse. Each function returns an empty
/// string, or what differs.
namespace tollgate::fuzz {

namespace beast_http = boost::beast::http;
namespace http = tollgate::protocol::http;

/// Beast puts fields of one name together: compared are the sequences of each name.
template <class Parser>
std::string compare_fields(const Parser& beast, const http::HeaderSection& ours) {
  std::vector<const http::HeaderField*> left;
  for (const http::HeaderField& field : ours.fields()) left.push_back(&field);
  for (const auto& theirs : beast.get()) {
    const auto same = std::find_if(left.begin(), left.end(), [&](const http::HeaderField* field) {
      return base::iequals(field->name, std::string_view(theirs.name_string()));
    });
    if (same == left.end()) return "Beast sees another field";
    if (std::string_view(theirs.value()) != (*same)->value)
      return "value of " + std::string((*same)->name);
    left.erase(same);
  }
  return left.empty() ? std::string() : "Beast sees fewer fields";
}

template <class Parser>
std::string feed_beast(Parser& beast, std::string_view head) {
  beast.header_limit(1 << 20);
  beast.body_limit(boost::none);
  boost::system::error_code error;
  const std::size_t used = beast.put(boost::asio::buffer(head.data(), head.size()), error);
  if (error && error != beast_http::error::need_more) return "Beast refuses: " + error.message();
  if (!beast.is_header_done()) return "Beast waits for more";
  if (used != head.size()) return "Beast ends the head elsewhere";
  return {};
}

/// @param head  the bytes our parser took, accepted
inline std::string disagreement(const http::RequestHead& ours, std::string_view head) {
  // Beast reads the never standardised Proxy-Connection as Connection; we only withhold it.
  if (ours.headers.has(http::HeaderId::proxy_connection)) return {};
  if (head.substr(0, 2) == "\r\n") head.remove_prefix(2);  // Beast knows no leading empty line
  beast_http::request_parser<beast_http::empty_body> beast;
  // Beast takes a trailing body for an error of empty_body only once there is one.
  if (std::string why = feed_beast(beast, head); !why.empty()) return why;
  const auto& theirs = beast.get();
  if (std::string_view(theirs.method_string()) != ours.method_text) return "method";
  if (std::string_view(theirs.target()) != ours.target) return "target";
  if (theirs.version() != 10 + static_cast<unsigned>(ours.version_minor)) return "version";
  if (std::string why = compare_fields(beast, ours.headers); !why.empty()) return why;
  if (beast.chunked() != ours.chunked) return "chunked";
  const auto length = beast.content_length();
  if (length.has_value() != ours.content_length.has_value()) return "presence of a length";
  if (length && *length != *ours.content_length) return "length";
  // In HTTP/1.0 "close" beats "keep-alive" for us and not for Beast: closing is never wrong.
  if (ours.version_minor == 1 ? beast.keep_alive() != ours.keep_alive
                              : ours.keep_alive && !beast.keep_alive())
    return "keep-alive";
  return {};
}

inline std::string disagreement(const http::ResponseHead& ours, std::string_view head,
                                bool head_request) {
  if (ours.headers.has(http::HeaderId::proxy_connection)) return {};
  // Our only leniency: a status line that ends behind the code.
  std::string patched;
  if (head.size() > 12 && head[12] == '\r') {
    patched = std::string(head.substr(0, 12)) + " " + std::string(head.substr(12));
    head = patched;
  }
  beast_http::response_parser<beast_http::empty_body> beast;
  beast.skip(head_request);
  if (std::string why = feed_beast(beast, head); !why.empty()) return why;
  const auto& theirs = beast.get();
  if (theirs.result_int() != static_cast<unsigned>(ours.status)) return "status";
  if (theirs.version() != 10 + static_cast<unsigned>(ours.version_minor)) return "version";
  // For an empty reason Beast answers with the standard one.
  if (!ours.reason.empty() && std::string_view(theirs.reason()) != ours.reason) return "reason";
  return compare_fields(beast, ours.headers);
}

/// @param framed   the bytes our decoder took for a whole body
/// @param payload  what it made of them
inline std::string chunked_disagreement(std::string_view framed, std::string_view payload) {
  std::string all = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  all += framed;
  beast_http::request_parser<beast_http::string_body> beast;
  beast.header_limit(1 << 20);
  beast.body_limit(boost::none);
  beast.eager(true);
  std::size_t at = 0;
  while (!beast.is_done()) {
    boost::system::error_code error;
    const std::size_t used =
        beast.put(boost::asio::buffer(all.data() + at, all.size() - at), error);
    at += used;
    if (error && error != beast_http::error::need_more) return "Beast refuses: " + error.message();
    if (used == 0) break;
  }
  if (!beast.is_done()) return "Beast waits for more";
  if (at != all.size()) return "Beast ends the body elsewhere";
  if (std::string_view(beast.get().body()) != payload) return "payload";
  return {};
}

}  // namespace tollgate::fuzz
