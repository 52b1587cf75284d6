#pragma once

#include <string_view>

#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

/// What request and response heads share. Private to src/protocol/http.
namespace tollgate::protocol::http::detail {

/// A fault against the grammar. Cold, so that the compiler keeps whatever leads to it out of the
/// way of heads that have none.
[[nodiscard]] [[gnu::cold, gnu::noinline]] Fault bad_http(const char* message) noexcept;

/// Checks one field line (without CRLF) and adds it to `section`; options of a Connection field are
/// added to its options, except close and keep-alive, which set the flags.
struct ConnectionFlags {
  bool close = false;
  bool keep_alive = false;
};
[[nodiscard]] Fault add_field_line(std::string_view line, const HeadLimits& limits,
                                   HeaderSection& section) noexcept;

/// Adds the ordinary field lines at `at`, as many as are complete; returns the offset behind them.
///
/// Nearly every line of every head is ordinary: a name, a colon, a value, CRLF, nothing wrong with
/// it. Those are read here in one go, sixteen bytes at a time. Whatever is not (the empty line, one
/// that is cut, over a limit, or against any rule) is left where it is, for LineReader and
/// add_field_line, which say what is wrong with it: this never refuses, and it adds nothing that
/// they would not add, in the same form.
/// @param section_end  no line may end beyond this offset
[[nodiscard]] std::size_t add_plain_fields(std::string_view all, std::size_t at,
                                           std::size_t section_end, const HeadLimits& limits,
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
