#include "tollgate/protocol/sse/parser.hpp"

#include "protocol/sse/line_scan.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::sse {
namespace {

constexpr std::size_t kIncomplete = std::string_view::npos;
/// Buffers are kept from stream to stream up to this size.
constexpr std::size_t kKeptBytes = 64 * 1024;

void clear_buffer(std::string& buffer) noexcept {
  if (buffer.capacity() > kKeptBytes) {
    buffer = {};
  } else {
    buffer.clear();
  }
}

}  // namespace

void Parser::feed(std::string_view bytes) {
  pending_ = bytes;
}

bool Parser::is_blank(std::size_t content_end) const noexcept {
  return content_end == line_begin_;
}

/// Notes a line; true when it is the blank one that ends the event.
bool Parser::end_line(std::size_t content_end, std::size_t next_begin, LineEnd kind) {
  const bool blank = is_blank(content_end);
  if (!blank) lines_.push_back({line_begin_, content_end});
  line_begin_ = next_begin;
  last_end_ = kind;
  return blank;
}

/// Looks for the event's end in bytes that follow tail_. Returns how many of them belong to it.
std::size_t Parser::scan(std::string_view chunk) {
  const std::size_t base = tail_.size();
  std::size_t next = 0;
  if (cr_waits_) {
    if (chunk.empty() && !finished_) return kIncomplete;
    cr_waits_ = false;
    const bool has_lf = chunk.starts_with('\n');
    next = has_lf ? 1 : 0;
    if (end_line(base - 1, base + next, has_lf ? LineEnd::crlf : LineEnd::cr)) return next;
  }
  for (;;) {
    const std::size_t at = find_line_end(chunk, next);
    if (at == kIncomplete) return kIncomplete;
    next = at + 1;
    LineEnd kind = LineEnd::lf;
    if (chunk[at] == '\r') {
      kind = LineEnd::cr;
      // In a stream of lone CRs a blank line is complete with its CR. Elsewhere an LF is due.
      if (!is_blank(base + at) || last_end_ != LineEnd::cr) {
        if (next == chunk.size() && !finished_) {
          cr_waits_ = true;
          return kIncomplete;
        }
        if (next < chunk.size() && chunk[next] == '\n') {
          kind = LineEnd::crlf;
          ++next;
        }
      }
    }
    if (end_line(base + at, base + next, kind)) return next;
  }
}

/// The next event, when it has the form that nearly all have (at most `event: x`, then one `data:
/// x`, each ending in LF) and lies wholly in the bytes at hand. No line is noted or split then.
bool Parser::take_plain() {
  constexpr std::string_view kName = "event: ", kData = "data: ";
  std::size_t data = 0;
  std::string_view name;
  if (pending_.starts_with(kName)) {
    const std::size_t at = find_line_end(pending_, kName.size());
    if (at == kIncomplete || pending_[at] != '\n') return false;
    name = pending_.substr(kName.size(), at - kName.size());
    data = at + 1;
  }
  if (pending_.compare(data, kData.size(), kData) != 0) return false;
  data += kData.size();
  // Twice a memchr costs half of one look for both, which cannot be vectorised as widely here.
  const std::size_t at = pending_.find('\n', data);
  if (at == kIncomplete || pending_.compare(at, 2, "\n\n") != 0) return false;
  if (at + 2 > max_event_bytes_) return false;
  if (pending_.substr(0, at).find('\r', data) != kIncomplete) return false;
  event_ = Event{};
  event_.raw = pending_.substr(0, at + 2);
  event_.name = name;
  event_.data = pending_.substr(data, at - data);
  event_.has_data = true;
  pending_.remove_prefix(at + 2);
  at_start_ = false;
  return true;
}

const Event* Parser::next() {
  if (failed_) return nullptr;
  // Nothing begun: an LF that a CR waits for would have its line in tail_.
  if (tail_.empty()) {
    if (pending_.empty()) return nullptr;
    if (take_plain()) return &event_;
  }
  const std::size_t taken = scan(pending_);
  const std::size_t total = tail_.size() + (taken == kIncomplete ? pending_.size() : taken);
  if (total > max_event_bytes_) {
    failed_ = true;
    return nullptr;
  }
  if (taken == kIncomplete) {
    tail_.append(pending_);
    pending_ = {};
    return nullptr;
  }
  std::string_view raw = pending_.substr(0, taken);
  if (!tail_.empty()) {
    tail_.append(raw);
    carried_.swap(tail_);
    tail_.clear();
    raw = carried_;
  }
  pending_.remove_prefix(taken);
  build(raw);
  restart_scan();
  return &event_;
}

void Parser::build(std::string_view raw) {
  event_ = Event{};
  event_.raw = raw;
  event_.is_keep_alive = true;
  for (const Line& place : lines_) {
    std::string_view line = raw.substr(place.begin, place.end - place.begin);
    if (at_start_ && place.begin == 0 && line.starts_with(kByteOrderMark)) {
      line.remove_prefix(kByteOrderMark.size());
    }
    if (line.empty()) continue;
    if (line.front() == ':') {
      event_.has_other = event_.has_other || line.size() > 1;
      continue;
    }
    event_.is_keep_alive = false;
    const Field field = split_field(line);
    if (field.name == "data") {
      if (!event_.has_data) {
        event_.data = field.value;
      } else {
        if (event_.data.data() != joined_.data()) joined_ = event_.data;
        joined_ += '\n';
        joined_ += field.value;
        event_.data = joined_;
      }
      event_.has_data = true;
    } else if (field.name == "event") {
      event_.has_other = event_.has_other || !event_.name.empty();  // the earlier line is no name
      event_.name = field.value;
    } else if (field.name == "id") {
      if (field.value.find('\0') == std::string_view::npos) {
        event_.has_other = event_.has_other || event_.has_id;
        event_.id = field.value;
        event_.has_id = true;
      } else {
        event_.has_other = true;
      }
    } else if (field.name == "retry") {
      if (const auto ms = base::parse_u64(field.value)) event_.retry_ms = ms;
      event_.has_other = event_.has_other || !event_.retry_ms;
    } else {
      event_.has_other = true;
    }
  }
  at_start_ = false;
}

void Parser::restart_scan() noexcept {
  lines_.clear();
  line_begin_ = 0;
  last_end_ = LineEnd::none;
}

base::Error Parser::error() const {
  return base::Error(base::ErrorCode::stream_limit, "an event of the stream is over " +
                                                        std::to_string(max_event_bytes_) + " bytes")
      .with_side(base::Side::upstream);
}

void Parser::reset() noexcept {
  pending_ = {};
  clear_buffer(tail_);
  clear_buffer(carried_);
  clear_buffer(joined_);
  restart_scan();
  event_ = Event{};
  cr_waits_ = false;
  at_start_ = true;
  finished_ = false;
  failed_ = false;
}

}  // namespace tollgate::protocol::sse
