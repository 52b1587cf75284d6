#pragma once

#include <string_view>

#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

/// What request and response heads share. Private to src/protocol/http.
namespace tollgate::protocol::http::detail {

/// Checks one field line (without CRLF) and adds it to `section`; options of a Connection field are
/// added to its options, except close and keep-alive, which set the flags.
struct ConnectionFlags {
  bool close = false;
  bool keep_alive = false;
};
[[nodiscard]] Fault add_field_line(std::string_view line, const HeadLimits& limits,
                                   HeaderSection& section) noexcept;
/// Reads all Connection fields of the section.
[[nodiscard]] Fault read_connection(HeaderSection& section, ConnectionFlags& flags) noexcept;

/// What the section says about the body, before method or status are looked at.
struct Framing {
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
};
[[nodiscard]] Fault read_framing(const HeaderSection& section, int version_minor,
                                 Framing& framing) noexcept;

/// "HTTP/1.0" or "HTTP/1.1" exactly; -1 otherwise.
[[nodiscard]] int parse_version(std::string_view text) noexcept;

[[nodiscard]] std::string_view moved(std::string_view view, const char* from,
                                     const char* to) noexcept;

}  // namespace tollgate::protocol::http::detail
