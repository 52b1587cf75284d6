#pragma once

#include <string>

#include "tollgate/protocol/http/request_head.hpp"
#include "tollgate/protocol/http/response_head.hpp"

namespace tollgate::protocol::http {

/// Whether an agent's field may reach an upstream.
///
/// Withheld: hop-by-hop fields and those Connection names; Forwarded, X-Forwarded-*, X-Real-IP, Via
/// and other claims about the client's address; Host, Content-Length, Accept-Encoding, Expect
/// (made anew); Cookie and every client credential, tokens and claims of identity-aware proxies
/// too; OpenAI-Organization and -Project; overrides of method or URL; x-tollgate-*. Everything else
/// passes, known or not: vendors add fields faster than gateways learn them.
[[nodiscard]] bool passes_upstream(const HeaderField& field, const HeaderSection& section) noexcept;

/// Whether an upstream's field may reach an agent.
///
/// Withheld: hop-by-hop fields and those Connection names; Content-Length (made anew); Set-Cookie,
/// WWW-Authenticate, Alt-Svc, Strict-Transport-Security, Clear-Site-Data and Access-Control-*,
/// which would speak for the gateway's own origin; credentials; Via; x-tollgate-*.
[[nodiscard]] bool passes_downstream(const HeaderField& field,
                                     const HeaderSection& section) noexcept;

/// Bytes that all fields of a section have as lines, those that do not pass included: the room to
/// make for writing them.
[[nodiscard]] std::size_t field_bytes(const HeaderSection& section) noexcept;

/// What else to leave out: fields the gateway makes itself for this message.
struct ForwardOptions {
  bool drop_content_encoding = false;  ///< the body was decoded
  bool drop_content_type = false;
};

/// Appends "name: value\r\n" for each field that passes, names as sent.
void append_upstream_fields(const RequestHead& head, ForwardOptions options, std::string& out);
void append_downstream_fields(const ResponseHead& head, ForwardOptions options, std::string& out);

}  // namespace tollgate::protocol::http
