#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/error.hpp"

namespace tollgate::protocol::sse {

/// One server-sent event (or keep-alive): its bytes, and what they say.
///
/// The views of `raw`, `name` and `id` are valid until the next feed() or finish(); `data` too,
/// except when it was joined from several lines: then until the next next().
struct Event {
  std::string_view raw;   ///< every byte up to and including the blank line: forward these
  std::string_view name;  ///< `event:`, empty when absent (readers take it for "message")
  std::string_view data;  ///< `data:` lines joined by LF
  std::string_view id;
  std::optional<std::uint64_t> retry_ms;
  bool has_data = false;  ///< a `data:` line was there, perhaps an empty one
  bool has_id = false;
  bool has_other = false;  ///< beside its fields: comments, or fields that the standard ignores
  /// No field at all: comments or blank lines, sent to keep the connection alive. Forward, do not
  /// interpret.
  bool is_keep_alive = false;
};

/// Splits a byte stream into server-sent events.
///
/// Source:   WHATWG HTML "Server-sent events", read 2026-11: line ends LF, CR or CRLF (mixed), one
///           optional space after the colon, a byte order mark before the first line.
/// Use:      feed() bytes, then next() until it gives nothing, then feed() again; finish() at the
///           stream's end, then next() again until it gives nothing. How the bytes were cut never
///           changes the events (property-tested): the concatenated `raw` of all events and rest()
///           is the stream.
/// Bytes:    an event that lies wholly within fed bytes is viewed in place; only the unfinished end
///           of a feed is copied. Each byte is scanned at most twice.
/// Limits:   an event over `max_event_bytes` ends parsing: failed().
/// CR:       a blank line that is a lone CR after an LF or CRLF line waits for one more byte, which
///           is almost surely its LF; after a CR line it ends the event at once.
/// Threads:  one. Errors: never throws except for memory.
class Parser {
 public:
  explicit Parser(std::size_t max_event_bytes = std::size_t{1} << 20)
      : max_event_bytes_(max_event_bytes) {}

  /// Hands in more bytes, which must stay in place until the next feed(). The last next() must have
  /// given nothing.
  void feed(std::string_view bytes);
  /// The next complete event, or null when more bytes are needed (or failed()).
  [[nodiscard]] const Event* next();
  /// No more bytes will come: lets an event end whose last CR still waits.
  void finish() noexcept { finished_ = true; }

  /// An event was over the limit; nothing more will come.
  [[nodiscard]] bool failed() const noexcept { return failed_; }
  /// stream_limit, from the upstream side.
  [[nodiscard]] base::Error error() const;
  /// Bytes after the last complete event (an event cut short, at the end of a stream). Valid after
  /// next() gave nothing, until the next feed().
  [[nodiscard]] std::string_view rest() const noexcept { return tail_; }
  /// Forgets everything, keeping memory: for the next stream.
  void reset() noexcept;

 private:
  struct Line {
    std::size_t begin, end;  ///< without its line end, from the event's first byte
  };
  enum class LineEnd : std::uint8_t { none, lf, cr, crlf };
  bool take_plain();
  std::size_t scan(std::string_view chunk);
  bool end_line(std::size_t content_end, std::size_t next_begin, LineEnd kind);
  [[nodiscard]] bool is_blank(std::size_t content_end) const noexcept;
  void build(std::string_view raw);
  void restart_scan() noexcept;

  std::size_t max_event_bytes_;
  std::string_view pending_;  ///< fed, not yet in an event
  std::string tail_;          ///< begun event, from earlier feeds
  std::string carried_;       ///< finished event that began in tail_
  std::string joined_;        ///< data of several lines
  std::vector<Line> lines_;   ///< of the event being scanned, blank line left out
  std::size_t line_begin_ = 0;
  LineEnd last_end_ = LineEnd::none;
  bool cr_waits_ = false;  ///< the last byte seen is a CR whose LF may come
  Event event_;
  bool at_start_ = true;  ///< no event yet: a byte order mark may stand here
  bool finished_ = false;
  bool failed_ = false;
};

}  // namespace tollgate::protocol::sse
