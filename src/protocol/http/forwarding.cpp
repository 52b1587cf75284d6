#include "tollgate/protocol/http/forwarding.hpp"

#include "tollgate/base/strings.hpp"
#include "tollgate/protocol/http/head_writer.hpp"

namespace tollgate::protocol::http {
namespace {

bool starts_with(std::string_view name, std::string_view lower_prefix) noexcept {
  return name.size() >= lower_prefix.size() &&
         base::iequals(name.substr(0, lower_prefix.size()), lower_prefix);
}

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) noexcept {
  for (const std::string_view candidate : names)
    if (base::iequals(name, candidate)) return true;
  return false;
}

/// Names that begin with "x-" and carry claims about the client, the URL or the gateway itself, or
/// credentials: those of an identity-aware proxy in front of it, and where other gateways look for
/// keys.
bool is_withheld_x_name(std::string_view name) noexcept {
  if (name.size() < 3) return false;
  switch (base::ascii_lower(name[2])) {
    case 'a':
      return starts_with(name, "x-auth-request-") || starts_with(name, "x-amzn-oidc-") ||
             starts_with(name, "x-authentik-") || starts_with(name, "x-authenticated-") ||
             starts_with(name, "x-amzn-mtls-") || starts_with(name, "x-appengine-") ||
             is_one_of(name,
                       {"x-auth-token", "x-access-token", "x-amz-security-token", "x-api-token",
                        "x-arr-clientcert", "x-azure-clientip", "x-azure-socketip"});
    case 'c':
      return starts_with(name, "x-client-cert") || starts_with(name, "x-consumer-") ||
             is_one_of(name, {"x-cluster-client-ip", "x-client-dn", "x-client-verify"});
    case 'e':
      return is_one_of(name, {"x-envoy-original-path", "x-envoy-external-address"});
    case 'f':
      return starts_with(name, "x-forwarded-") || is_one_of(name, {"x-forwarded"});
    case 'g':
      return starts_with(name, "x-goog-iap-") || starts_with(name, "x-goog-authenticated-user-");
    case 'h':
      return is_one_of(name, {"x-http-method", "x-host"});
    case 'i':
      return is_one_of(name, {"x-id-token"});
    case 'l':
      return is_one_of(name, {"x-litellm-api-key"});
    case 'm':
      return starts_with(name, "x-ms-token-") || starts_with(name, "x-ms-client-principal") ||
             is_one_of(name, {"x-method-override"});
    case 'o':
      return is_one_of(name, {"x-original-host", "x-original-forwarded-for", "x-originating-ip"});
    case 'p':
      return starts_with(name, "x-pomerium-") || is_one_of(name, {"x-proxyuser-ip"});
    case 'r':
      return starts_with(name, "x-remote-");
    case 's':
      return starts_with(name, "x-ssl-");
    case 't':
      return starts_with(name, "x-tollgate-");
    case 'v':
      return is_one_of(name, {"x-vault-token", "x-virtual-key"});
    case 'w':
      return starts_with(name, "x-webauth-");
    default:
      return false;
  }
}

/// Bytes that all fields of a section have as lines, those that do not pass included: the room to
/// make for writing them.
std::size_t field_bytes(const HeaderSection& section) noexcept {
  std::size_t bytes = 0;
  for (const HeaderField& field : section.fields())
    bytes += field.name.size() + field.value.size() + LineAppender::kLineExtra;
  return bytes;
}

/// Fields that vouch for, or name, the bytes of one body.
bool is_about_bytes(const HeaderField& field) noexcept {
  if (field.id != HeaderId::other || field.name.empty()) return false;
  switch (base::ascii_lower(field.name.front())) {
    case 'c':
      return is_one_of(field.name, {"content-md5", "content-digest"});
    case 'd':
      return is_one_of(field.name, {"digest"});
    case 'e':
      return is_one_of(field.name, {"etag"});
    case 'r':
      return is_one_of(field.name, {"repr-digest"});
    case 's':
      return is_one_of(field.name, {"signature", "signature-input"});
    default:
      return false;
  }
}

/// RFC 9110 13 and 14.2: what turns an answer into none, or into a part of it.
bool is_condition(const HeaderField& field) noexcept {
  return field.id == HeaderId::other &&
         (starts_with(field.name, "if-") || is_one_of(field.name, {"range"}));
}

bool passes_upstream(const HeaderField& field, const HeaderSection& section) noexcept {
  if ((header_flags(field.id) & (kHeaderHop | kHeaderNotUpstream)) != 0) return false;
  if (!section.connection_options().empty() && section.nominated(field.name)) return false;
  if (field.id != HeaderId::other || field.name.empty()) return field.id != HeaderId::other;
  switch (base::ascii_lower(field.name.front())) {  // most names need no comparison at all
    case 'c':
      return !starts_with(field.name, "cf-access-") &&
             !starts_with(field.name, "cf-connecting-ip") &&
             !starts_with(field.name, "client-cert") &&
             !is_one_of(field.name, {"cookie2", "client-ip"});
    case 'f':
      return !starts_with(field.name, "fastly-client");
    case 'o':
      // Whose account pays is the configuration's to say.
      return !is_one_of(field.name,
                        {"ocp-apim-subscription-key", "openai-organization", "openai-project"});
    case 'p':
      return !starts_with(field.name, "proxy-");
    case 'r':
      return !is_one_of(field.name, {"remote-user", "remote-groups", "remote-email", "remote-name",
                                     "remote-addr"});
    case 's':
      // What the agent signed is not what the gateway sends: other host, credential and fields.
      return !starts_with(field.name, "ssl-client-") &&
             !is_one_of(field.name, {"signature", "signature-input", "signature-agent"});
    case 't':
      return !starts_with(field.name, "tailscale-user-") &&
             !is_one_of(field.name, {"true-client-ip"});
    case 'w':
      return !starts_with(field.name, "wl-proxy-");
    case 'x':
      return !is_withheld_x_name(field.name);
    default:
      return true;
  }
}

}  // namespace

void FieldNames::add(std::string_view name) {
  if (const HeaderId id = header_id(name); id != HeaderId::other) {
    add(id);
  } else {
    others_.emplace_back(name);
  }
}

bool FieldNames::has_other(std::string_view name) const noexcept {
  for (const std::string& other : others_)
    if (base::iequals(name, other)) return true;
  return false;
}

bool passes_downstream(const HeaderField& field, const HeaderSection& section) noexcept {
  if ((header_flags(field.id) & (kHeaderHop | kHeaderNotDownstream)) != 0) return false;
  if (!section.connection_options().empty() && section.nominated(field.name)) return false;
  if (field.id != HeaderId::other || field.name.empty()) return field.id != HeaderId::other;
  return !starts_with(field.name, "x-tollgate-") && !starts_with(field.name, "proxy-") &&
         !starts_with(field.name, "access-control-") &&
         !is_one_of(field.name, {"set-cookie2", "public-key-pins"});
}

/// What a provider says of the limits of the gateway's account there.
static bool is_rate_limit(const HeaderField& field) noexcept {
  return starts_with(field.name, "x-ratelimit-") || starts_with(field.name, "anthropic-ratelimit-");
}

void append_upstream_fields(const HeaderSection& sent, const FieldNames& own,
                            ForwardOptions options, std::string& out) {
  LineAppender lines(out, field_bytes(sent));
  for (const HeaderField& field : sent.fields()) {
    if (!passes_upstream(field, sent) || own.has(field)) continue;
    if (options.replaces_content_type && field.id == HeaderId::content_type) continue;
    if (options.replaces_mcp_session_id && field.id == HeaderId::mcp_session_id) continue;
    if (options.changes_body && is_about_bytes(field)) continue;
    if (options.withholds_conditions && is_condition(field)) continue;
    lines.field(field);
  }
}

void append_downstream_fields(const HeaderSection& sent, ForwardOptions options, std::string& out) {
  constexpr FieldName kTheirId("x-upstream-request-id");
  LineAppender lines(out, field_bytes(sent) + kTheirId.text().size());
  for (const HeaderField& field : sent.fields()) {
    if (!passes_downstream(field, sent)) continue;
    if (options.replaces_mcp_session_id && field.id == HeaderId::mcp_session_id) continue;
    if (options.changes_body && is_about_bytes(field)) continue;
    if (options.replaces_rate_limits && is_rate_limit(field)) continue;
    if (options.withholds_locations &&
        (field.id == HeaderId::location || field.id == HeaderId::content_location))
      continue;
    if (field.id == HeaderId::x_request_id) {
      lines.field(kTheirId, field.value);
    } else {
      lines.field(field);
    }
  }
}

}  // namespace tollgate::protocol::http
