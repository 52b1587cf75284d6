#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "tollgate/base/error.hpp"

namespace tollgate::protocol::http {

/// Who sent the bytes: decides the error code, never the rules.
enum class Peer : std::uint8_t { client, upstream };

/// Why a message was refused, without allocating: `message` is a literal.
struct Fault {
  base::ErrorCode code = base::ErrorCode::bad_http;
  const char* message = nullptr;
  std::optional<base::Limit> limit = {};  ///< overrun by a client; an upstream has its own
  explicit operator bool() const noexcept { return message != nullptr; }
};

/// A client's fault as it is; an upstream's as upstream_invalid (stream_limit when it is a size).
[[nodiscard]] [[gnu::cold]] base::Error to_error(Fault fault, Peer peer);

/// Cuts a growing buffer into CRLF-ended lines, each byte searched once however it arrives.
class LineReader {
 public:
  enum class Event : std::uint8_t { need_more, line, fault };

  /// @param all    every byte since reset()
  /// @param limit  the line's end (after CRLF) may not lie beyond this offset
  /// @param line   out: the line without CRLF
  Event next(std::string_view all, std::size_t limit, std::string_view& line,
             Fault& fault) noexcept;
  /// Offset of the first byte not yet given out.
  [[nodiscard]] std::size_t position() const noexcept { return start_; }
  /// Whether bytes beyond position() have been searched: a line is cut there.
  [[nodiscard]] bool in_line() const noexcept { return scanned_ != start_; }
  /// Lines up to this offset were read by other means; not while in_line().
  void skip_to(std::size_t position) noexcept { start_ = scanned_ = position; }
  void reset() noexcept { start_ = scanned_ = 0; }

 private:
  std::size_t start_ = 0;    ///< of the current line
  std::size_t scanned_ = 0;  ///< no LF in [start_, scanned_)
};

}  // namespace tollgate::protocol::http
