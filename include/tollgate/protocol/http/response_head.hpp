#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "tollgate/base/result.hpp"
#include "tollgate/protocol/http/header_section.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

namespace tollgate::protocol::http {

/// One response head of an upstream, checked as strictly as a request.
///
/// Views point into the upstream connection's buffer. The demo upstream fills one by hand.
class ResponseHead {
 public:
  int status = 0;  ///< 100..599
  std::string_view reason;
  int version_minor = 1;
  HeaderSection headers;
  std::optional<std::uint64_t> content_length;  ///< as sent; see body_kind for what it means
  BodyKind body_kind = BodyKind::none;
  bool keep_alive = true;  ///< whether the connection may carry another request after the body

  [[nodiscard]] const HeaderField* find(HeaderId id) const noexcept { return headers.find(id); }
  [[nodiscard]] const HeaderField* find(std::string_view name) const noexcept {
    return headers.find(name);
  }
  [[nodiscard]] std::string_view value(HeaderId id) const noexcept { return headers.value(id); }
  void clear() noexcept;
  void rebase(const char* from, const char* to) noexcept;
};

/// Reads response heads of an upstream, which is not trusted: TE with CL, duplicate CL, folded
/// lines, 101 and more than five 1xx heads are refused (upstream_invalid; stream_limit for sizes).
class ResponseParser {
 public:
  static constexpr int kMaxInterim = 5;

  explicit ResponseParser(HeadLimits limits = {}) : limits_(limits) {}

  /// As RequestParser::feed. On `interim` drop `head_size` bytes and feed the rest as a new buffer;
  /// head() shows the interim head until then.
  [[nodiscard]] base::Result<HeadProgress> feed(std::string_view all);
  /// @param head_request  the request was HEAD: no body follows whatever the fields say
  void reset(bool head_request = false) noexcept;
  void set_limits(HeadLimits limits) noexcept { limits_ = limits; }
  [[nodiscard]] const ResponseHead& head() const noexcept { return head_; }
  void rebase(const char* to) noexcept;

 private:
  void begin_head() noexcept;

  HeadLimits limits_;
  LineReader lines_;
  ResponseHead head_;
  const char* base_ = nullptr;
  std::size_t section_start_ = 0;
  int interim_ = 0;
  bool have_start_line_ = false;
  bool head_request_ = false;
  bool finished_ = false;
};

}  // namespace tollgate::protocol::http
