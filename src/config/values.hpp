#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/names.hpp"

/// Spellings of single values in the YAML: text to value, and defaults back to text. Pure
/// functions.
namespace tollgate::config {

/// "500ms", "30s", "5m", "1h", "30d", or a bare "0". Absent on anything else or on overflow.
[[nodiscard]] std::optional<std::chrono::milliseconds> parse_duration(std::string_view text);
/// In the largest unit that divides it: 60 000 ms = "1m".
[[nodiscard]] std::string format_duration(std::chrono::milliseconds value);

/// "512B", "64KiB", "16MiB", "10GiB" (powers of 1024), "64KB", "16MB", "10GB" (powers of 1000), or
/// a bare "0".
[[nodiscard]] std::optional<std::uint64_t> parse_size(std::string_view text);
[[nodiscard]] std::string format_size(std::uint64_t bytes);

struct Address {
  std::string host;  ///< an IP address, IPv6 without brackets
  std::uint16_t port = 0;
};
/// "127.0.0.1:8080", "[::1]:8080"; "localhost" becomes 127.0.0.1. Port 0 is allowed.
[[nodiscard]] std::optional<Address> parse_address(std::string_view text);
/// host:port with IPv6 in brackets.
[[nodiscard]] std::string format_address(std::string_view host, std::uint16_t port);

/// "10.0.0.0/8", "fd00::/8", or one address.
[[nodiscard]] bool is_cidr(std::string_view text);
[[nodiscard]] bool is_ip(std::string_view text);
/// localhost, 127.0.0.0/8 or ::1.
[[nodiscard]] bool is_loopback(std::string_view host);

struct Url {
  std::string scheme;    ///< "http" or "https"
  std::string userinfo;  ///< "user:password" as written, still percent-encoded
  std::string host;      ///< lower case, IPv6 without brackets
  std::uint16_t port = 0;
  std::string path;  ///< as written, "" or from "/"
};
struct UrlParts {
  bool userinfo = false;  ///< a userinfo part is allowed
  bool query = false;     ///< a query is allowed (kept in `path`)
};
/// Absent on failure, with `why` = what is wrong ("has no scheme"). Never quotes the text.
[[nodiscard]] std::optional<Url> parse_url(std::string_view text, UrlParts allowed,
                                           std::string& why);

/// An Origin header's value: scheme://host[:port] and nothing after it.
[[nodiscard]] bool is_web_origin(std::string_view text);
/// RFC 9110 token: what a header name is made of.
[[nodiscard]] bool is_token(std::string_view text);
/// Free of control characters: safe as a header value.
[[nodiscard]] bool is_field_value(std::string_view text);
/// 1 to 128 letters, digits, `.`, `_`, `-`, starting with a letter or digit: names that stand in
/// URLs, metrics and ids.
[[nodiscard]] bool is_name(std::string_view text);
/// As is_name, and `/`, `:`, `@`, `+`: what models are called.
[[nodiscard]] bool is_model_name(std::string_view text);

[[nodiscard]] std::string base64(std::string_view bytes);
/// Undoes %XX; other text stays.
[[nodiscard]] std::string percent_decode(std::string_view text);

}  // namespace tollgate::config
