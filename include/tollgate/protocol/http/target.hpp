#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "tollgate/base/result.hpp"

namespace tollgate::protocol::http {

/// The one reading of a request target: authentication, routing and the log all use this object.
///
/// The path is decoded once, and every path on which a second decoding or a clean-up by another
/// server could differ is refused: escapes of '/', '\', '?', '#', '%' and control characters, bad
/// escapes, invalid UTF-8, "//", segments "." and ".." (raw, escaped or with ";parameters").
/// So decode(decode(p)) == decode(p) for every accepted path.
///
/// Reused from request to request; views point into the input or into this object.
class Target {
 public:
  Target() = default;
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;

  /// @param path_and_query  RequestHead::path_and_query
  /// Errors: bad_http.
  [[nodiscard]] base::Result<void> parse(std::string_view path_and_query);

  /// Decoded; for matching, policy and logs.
  [[nodiscard]] std::string_view path() const noexcept { return decoded_ ? storage_ : raw_path_; }
  /// As sent; for forwarding.
  [[nodiscard]] std::string_view raw_path() const noexcept { return raw_path_; }
  /// As sent, without '?'.
  [[nodiscard]] std::string_view raw_query() const noexcept { return raw_query_; }
  [[nodiscard]] bool has_query() const noexcept { return has_query_; }

  /// The still escaped value of the first parameter of that (decoded) name.
  [[nodiscard]] std::optional<std::string_view> query_param(std::string_view name) const noexcept;
  /// How many parameters have that name; more than one credential must be refused.
  [[nodiscard]] std::size_t count_query_param(std::string_view name) const noexcept;
  /// Appends '?' and the query without any parameter of that name (escaped spellings included, and
  /// after ';' too) to `out`; nothing when no parameter is left.
  void append_query_without(std::string_view name, std::string& out) const;
  /// Appends '?' and the query as sent; nothing when there was none.
  void append_query(std::string& out) const;

 private:
  std::string_view raw_path_;
  std::string_view raw_query_;
  std::string storage_;
  bool decoded_ = false;
  bool has_query_ = false;
};

/// Decodes %XX and '+' of a query value to `out`; false on a bad escape.
[[nodiscard]] bool decode_query_value(std::string_view raw, std::string& out);

}  // namespace tollgate::protocol::http
