#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

namespace tollgate::protocol::http {

/// Methods the gateway takes. Any other well-formed method is refused with 405.
enum class Method : std::uint8_t { get, head, post, put, patch, del, options };
[[nodiscard]] std::string_view to_string(Method method) noexcept;

/// One request head that passed every rule of RequestParser.
///
/// Views point into the connection's buffer and live as long as its bytes stay; after the buffer
/// moved, call rebase(). One object per connection, reused.
class RequestHead {
 public:
  Method method = Method::get;
  std::string_view method_text;
  /// As sent: origin-form, absolute-form, or "*"; of a refused CONNECT, authority-form.
  std::string_view target;
  /// The target without scheme and authority: begins with '/', or is "*". Input of Target::parse.
  /// Of a refused CONNECT, its authority.
  std::string_view path_and_query;
  int version_minor = 1;  ///< HTTP/1.x
  HeaderSection headers;
  std::string_view host;  ///< the Host value; empty only for HTTP/1.0
  std::optional<std::uint64_t> content_length;
  bool chunked = false;
  bool keep_alive = true;  ///< what the agent allows
  bool expect_continue = false;

  [[nodiscard]] const HeaderField* find(HeaderId id) const noexcept { return headers.find(id); }
  [[nodiscard]] const HeaderField* find(std::string_view name) const noexcept {
    return headers.find(name);
  }
  [[nodiscard]] std::string_view value(HeaderId id) const noexcept { return headers.value(id); }
  [[nodiscard]] BodyKind body_kind() const noexcept {
    if (chunked) return BodyKind::chunked;
    return content_length.value_or(0) != 0 ? BodyKind::length : BodyKind::none;
  }
  void clear() noexcept;
  void rebase(const char* from, const char* to) noexcept;
};

/// The path of a request whose head was refused, out of the bytes that came: raw, as much of it as
/// is there, with its query. Nobody has checked it: it may choose the words of the refusal, nothing
/// else. Empty when there is none.
[[nodiscard]] std::string_view unchecked_path(std::string_view bytes) noexcept;

/// Reads one HTTP/1.x request head out of a connection's buffer, strictly, in one pass.
///
/// Every request that two readers could understand differently is refused: the list is in
/// docs/adr/0004-own-http1-head-parser.md, the cases in tests/unit/http. Does not allocate once its
/// vectors have grown. The outcome depends on the bytes only, never on how they were split.
///
/// Errors (all mean: answer, then close the connection): bad_http, uri_too_long, headers_too_large,
/// and, once the last line is in, method_not_allowed and expectation_failed.
class RequestParser {
 public:
  explicit RequestParser(HeadLimits limits = {}) : limits_(limits) {}

  /// `all`: every byte received since reset(), the earlier ones unchanged (the buffer may have
  /// moved). Bytes after the head are not looked at. After done or an error, call reset().
  [[nodiscard]] base::Result<HeadProgress> feed(std::string_view all);
  /// Readies it for the next request.
  void reset() noexcept;
  void set_limits(HeadLimits limits) noexcept { limits_ = limits; }

  /// Complete after `done`, and after a refusal with `head_complete()`.
  [[nodiscard]] const RequestHead& head() const noexcept { return head_; }
  /// After method_not_allowed or expectation_failed: whether the whole head was read and kept every
  /// other rule, so that its caller can be told from it. `head().method` means nothing then.
  [[nodiscard]] bool head_complete() const noexcept { return complete_; }
  /// The buffer moved after `done`: see RequestHead::rebase. `to` = the new place of the first
  /// byte.
  void rebase(const char* to) noexcept;
  /// Whether any byte of a head was seen (to tell an idle close from a cut request).
  [[nodiscard]] bool started() const noexcept { return started_; }

 private:
  HeadLimits limits_;
  LineReader lines_;
  RequestHead head_;
  const char* base_ = nullptr;
  std::size_t section_start_ = 0;
  bool started_ = false;
  bool have_start_line_ = false;
  bool skipped_empty_line_ = false;
  bool complete_ = false;
  bool method_refused_ = false;
};

}  // namespace tollgate::protocol::http
