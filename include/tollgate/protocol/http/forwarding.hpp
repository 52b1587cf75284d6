#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/protocol/http/header_section.hpp"

/// Which fields of a head go on, in each direction. This is the only place that decides it.
namespace tollgate::protocol::http {

/// A set of field names: those that a message carries in the gateway's own words, so that the
/// sender's do not pass.
class FieldNames {
 public:
  FieldNames() = default;
  void add(HeaderId id) noexcept {
    if (id != HeaderId::other) known_ |= bit(id);
  }
  /// Any name; letter case is ignored.
  void add(std::string_view name);
  [[nodiscard]] bool has(HeaderId id) const noexcept {
    return id != HeaderId::other && (known_ & bit(id)) != 0;
  }
  [[nodiscard]] bool has(const HeaderField& field) const noexcept {
    if (field.id != HeaderId::other) return has(field.id);
    return !others_.empty() && has_other(field.name);
  }

 private:
  static constexpr std::uint64_t bit(HeaderId id) noexcept {
    return std::uint64_t{1} << static_cast<unsigned>(id);
  }
  [[nodiscard]] bool has_other(std::string_view name) const noexcept;

  std::uint64_t known_ = 0;
  std::vector<std::string> others_;
};

/// What the kind of a call adds to the rules of one message.
struct ForwardOptions {
  bool replaces_content_type = false;    ///< the gateway names the body's type itself
  bool replaces_mcp_session_id = false;  ///< an agent's is sealed, the server's is not
  bool withholds_locations = false;      ///< a redirection would lead the agent past the gateway
  bool changes_body = false;             ///< ETag, digests and signatures do not hold for it
  bool replaces_rate_limits = false;     ///< the gateway tells the caller its own
  bool withholds_conditions = false;     ///< If-*, Range: what they were made from was not theirs
};

/// Appends "name: value\r\n" for each of an agent's fields that an upstream may see, names as sent.
///
/// Withheld: hop-by-hop fields and those Connection names; Forwarded, X-Forwarded-*, X-Real-IP, Via
/// and other claims about the client's address, certificate or identity, and Signature; Host,
/// Content-Length, Accept-Encoding, Expect (made anew) and Content-Encoding (bodies go on decoded);
/// Origin; Cookie and every client credential, tokens and claims of identity-aware proxies too;
/// OpenAI-Organization and -Project; overrides of method or URL; x-tollgate-*; what is in `own`,
/// and what `options` say. Everything else passes, known or not: vendors add fields faster than
/// gateways learn them.
/// @param own  names of the fields that the configuration sends to this upstream
void append_upstream_fields(const HeaderSection& sent, const FieldNames& own,
                            ForwardOptions options, std::string& out);

/// The same for an upstream's fields on their way to an agent.
///
/// Withheld: hop-by-hop fields and those Connection names; Content-Length (made anew); Set-Cookie,
/// WWW-Authenticate, Alt-Svc, Strict-Transport-Security, Clear-Site-Data and Access-Control-*,
/// which would speak for the gateway's own origin; credentials; Via; x-tollgate-*; what `options`
/// say. X-Request-Id goes on as X-Upstream-Request-Id: the id that finds the call in this gateway's
/// log is the gateway's own.
void append_downstream_fields(const HeaderSection& sent, ForwardOptions options, std::string& out);

/// Whether an upstream's field may reach an agent, by the rules that hold for every call: for a
/// field that goes on in the gateway's words.
[[nodiscard]] bool passes_downstream(const HeaderField& field,
                                     const HeaderSection& section) noexcept;

}  // namespace tollgate::protocol::http
