#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "support/fake_upstream.hpp"

/// The little HTTP/1.1 that the fake upstream and the raw client share. Trusting on purpose: it
/// reads what Tollgate writes, and a test that needs odd bytes looks at `raw_head`.
namespace tollgate::testing {

/// Reads more bytes into the buffer; false at the end.
using ReadMore = std::function<bool()>;

/// One chunk of chunked framing.
[[nodiscard]] std::string chunk(std::string_view payload);

/// Parses `Name: value` lines of a head (first line skipped).
[[nodiscard]] Headers parse_headers(std::string_view head);

/// Reads one request from the front of `buffer`. False: the peer left first.
bool read_request(std::string& buffer, const ReadMore& more, SeenRequest& into);

/// Takes the next piece of a chunked body off `buffer` and appends it to `body`.
enum class ChunkStep : std::uint8_t { data, done, need_more, broken };
ChunkStep take_chunk(std::string& buffer, std::string& body);

}  // namespace tollgate::testing
