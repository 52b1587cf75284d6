#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace tollgate::protocol::http {

/// Header fields known by number (header_names.def); `other` for every other name.
enum class HeaderId : std::uint8_t {
#define TG_HEADER(id, name, flags) id,
#include "tollgate/protocol/http/header_names.def"
#undef TG_HEADER
  other,
};

/// What is always true of a known field; bits of `header_flags`.
inline constexpr std::uint8_t kHeaderSingle = 1;
inline constexpr std::uint8_t kHeaderHop = 2;
inline constexpr std::uint8_t kHeaderNotUpstream = 4;
inline constexpr std::uint8_t kHeaderNotDownstream = 8;

/// The number of a field name, letter case ignored; `other` for what is no name at all.
[[nodiscard]] HeaderId header_id(std::string_view name) noexcept;
/// The lower-case name; empty for `other`.
[[nodiscard]] std::string_view header_name(HeaderId id) noexcept;
[[nodiscard]] std::uint8_t header_flags(HeaderId id) noexcept;

/// One field line as it was sent: `value` without the white space around it.
struct HeaderField {
  std::string_view name;
  std::string_view value;
  HeaderId id = HeaderId::other;
};

/// The field lines of one head, in the order sent. Views point into the connection's buffer.
///
/// Reused from message to message: clear() keeps the memory. Threads: one at a time.
class HeaderSection {
 public:
  HeaderSection() { fields_.reserve(32); }

  [[nodiscard]] const std::vector<HeaderField>& fields() const noexcept { return fields_; }
  [[nodiscard]] bool has(HeaderId id) const noexcept {
    return id != HeaderId::other && (seen_ >> static_cast<unsigned>(id) & 1u) != 0;
  }
  /// The first field of that number; null when there is none.
  [[nodiscard]] const HeaderField* find(HeaderId id) const noexcept {
    return has(id) ? &fields_[first_[static_cast<std::size_t>(id)]] : nullptr;
  }
  /// The first field of that name, letter case ignored; null when there is none.
  [[nodiscard]] const HeaderField* find(std::string_view name) const noexcept;
  /// The value of the first such field, or empty.
  [[nodiscard]] std::string_view value(HeaderId id) const noexcept {
    const HeaderField* field = find(id);
    return field == nullptr ? std::string_view{} : field->value;
  }
  [[nodiscard]] std::string_view value(std::string_view name) const noexcept {
    const HeaderField* field = find(name);
    return field == nullptr ? std::string_view{} : field->value;
  }
  /// Whether the Connection field names this field (which then must not be forwarded).
  [[nodiscard]] bool nominated(std::string_view name) const noexcept;
  /// Options of all Connection fields other than close and keep-alive.
  [[nodiscard]] const std::vector<std::string_view>& connection_options() const noexcept {
    return connection_options_;
  }

  void add(const HeaderField& field) {
    if (field.id != HeaderId::other) {
      const std::uint64_t bit = std::uint64_t{1} << static_cast<unsigned>(field.id);
      if ((seen_ & bit) == 0)
        first_[static_cast<std::size_t>(field.id)] = static_cast<std::uint16_t>(fields_.size());
      seen_ |= bit;
    }
    fields_.push_back(field);
  }
  void add_connection_option(std::string_view option) { connection_options_.push_back(option); }
  void clear() noexcept {
    fields_.clear();
    connection_options_.clear();
    seen_ = 0;
  }
  /// Moves all views from a buffer that began at `from` to one that begins at `to` with the same
  /// bytes: call it when the connection's buffer was moved or grown. `from` is not read.
  void rebase(const char* from, const char* to) noexcept;

 private:
  static constexpr std::size_t kKnown = static_cast<std::size_t>(HeaderId::other);
  static_assert(kKnown <= 64, "seen_ is one machine word");

  std::vector<HeaderField> fields_;
  std::vector<std::string_view> connection_options_;
  std::uint64_t seen_ = 0;
  std::array<std::uint16_t, kKnown> first_{};  ///< meaningful where seen_ has the bit
};

/// Bounds of one head. Defaults are those of the configuration's `limits`.
struct HeadLimits {
  std::uint32_t start_line_bytes = 8 * 1024;  ///< without CRLF
  std::uint32_t field_bytes = 16 * 1024;      ///< one line, without CRLF
  std::uint32_t section_bytes = 64 * 1024;    ///< all lines after the first, with their CRLFs
  std::uint32_t field_count = 100;            ///< at most 65'535
  /// Names with '_' are refused unless set: CGI-style servers read `a_b` and `a-b` as one name.
  bool allow_underscores = false;
};

enum class HeadState : std::uint8_t {
  need_more,
  interim,  ///< a 1xx response: drop `head_size` bytes and feed what follows
  done,
};

struct HeadProgress {
  HeadState state = HeadState::need_more;
  std::size_t head_size = 0;  ///< bytes of the head, from the first byte fed; 0 when need_more
};

/// How the end of a body is found (RFC 9112 6.3).
enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

/// `host[:port]` as the Host field allows it: a registered name of letters, digits, '-', '.', '_',
/// an IPv4 address, or a bracketed IPv6 address; the port 1-5 digits up to 65535. Nothing else:
/// '/', '?', '#', '@' in Host have moved the path that another reader saw.
[[nodiscard]] bool is_valid_host(std::string_view host) noexcept;
/// Field names and methods: one or more token characters (RFC 9110 5.6.2).
[[nodiscard]] bool is_token(std::string_view text) noexcept;
/// A field value that can be sent: no CR, LF, NUL or other control character except tab.
[[nodiscard]] bool is_field_value(std::string_view text) noexcept;

}  // namespace tollgate::protocol::http
