#include "protocol/http/field_line.hpp"

#include <algorithm>

#include "protocol/http/char_class.hpp"
#include "protocol/http/header_table.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http::detail {

using base::ErrorCode;

Fault bad_http(const char* message) noexcept {
  return {ErrorCode::bad_http, message};
}

Fault add_field_line(std::string_view line, const HeadLimits& limits,
                     HeaderSection& section) noexcept {
  if (section.fields().size() >= limits.field_count)
    return {ErrorCode::headers_too_large, "too many header fields", base::Limit::header_count};
  const std::uint8_t* table = kCharTable.data();
  const char* at = line.data();
  const char* const end = at + line.size();
  std::uint8_t seen = 0;
  for (; at != end; ++at) {
    const std::uint8_t bits = table[static_cast<std::uint8_t>(*at)];
    if ((bits & kToken) == 0) break;
    seen |= bits;
  }
  const auto name_size = static_cast<std::size_t>(at - line.data());
  if (at == end || *at != ':' || name_size == 0) {
    if (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
      return bad_http("a folded header line");
    if (at == end) return bad_http("a header line without a colon");
    if (*at == ':') return bad_http("a header field without a name");
    if (*at == ' ' || *at == '\t') return bad_http("white space in or after a header name");
    return bad_http("a character not allowed in a header name");
  }
  if ((seen & kUnderscore) != 0 && !limits.allow_underscores)
    return bad_http("an underscore in a header name");
  const std::string_view name = line.substr(0, name_size);
  ++at;
  const char* value_end = end;
  while (at != value_end && (*at == ' ' || *at == '\t')) ++at;
  while (value_end != at && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
  const std::string_view value(at, static_cast<std::size_t>(value_end - at));
  if (!is_value_text(value)) return bad_http("a control character in a header value");
  const HeaderId id = find_header_id(name);
  if (section.has(id) && (kFlags[static_cast<std::size_t>(id)] & kHeaderSingle) != 0) {
    return id == HeaderId::content_length
               ? Fault{ErrorCode::bad_http, "more than one Content-Length"}
               : Fault{ErrorCode::bad_http, "a header field that may occur once occurs twice"};
  }
  section.add({name, value, id});
  return {};
}

#if defined(__SSE2__)
namespace {

/// Bytes of the longest name looked for; longer ones are legal, and rare.
constexpr std::ptrdiff_t kPlainName = 64;

/// The colon behind the name that begins at `at`; null when none is near.
const char* find_colon(const char* at, const char* end) noexcept {
  const char* const stop = end - at > kPlainName ? at + kPlainName : end;
  for (; stop - at >= 16; at += 16) {
    const __m128i hits = _mm_cmpeq_epi8(load16(at), _mm_set1_epi8(':'));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hits));
    if (mask != 0) return at + std::countr_zero(mask);
  }
  return nullptr;
}

/// The first byte of a value that may not stand in one; null when none is there.
const char* find_value_end(const char* at, const char* end) noexcept {
  for (; end - at >= 16; at += 16) {
    const unsigned mask = not_value_chars(load16(at));
    if (mask != 0) return at + std::countr_zero(mask);
  }
  return nullptr;
}

}  // namespace

std::size_t add_plain_fields(std::string_view all, std::size_t at, std::size_t section_end,
                             const HeadLimits& limits, HeaderSection& section) noexcept {
  const char* const begin = all.data();
  const char* const end = begin + std::min(all.size(), section_end);
  const char* line = begin + at;
  for (std::size_t left = limits.field_count - section.fields().size(); left != 0; --left) {
    if (line == end || *line == '\r') break;
    const char* const colon = find_colon(line, end);
    if (colon == nullptr || colon == line) break;
    const std::string_view name(line, static_cast<std::size_t>(colon - line));
    const HeaderId id = find_header_id(name);
    if (id == HeaderId::other) {  // a known name is a token without '_'
      if (!all_of_class(name, kToken) || name.find('_') != std::string_view::npos) break;
    } else if (section.has(id) && (kFlags[static_cast<std::size_t>(id)] & kHeaderSingle) != 0) {
      break;
    }
    const char* value = colon + 1;
    while (value != end && (*value == ' ' || *value == '\t')) ++value;
    const char* const cr = find_value_end(value, end);
    if (cr == nullptr || end - cr < 2 || cr[0] != '\r' || cr[1] != '\n') break;
    if (cr - line > static_cast<std::ptrdiff_t>(limits.field_bytes)) break;
    const char* value_end = cr;
    while (value_end != value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
    section.add({name, {value, static_cast<std::size_t>(value_end - value)}, id});
    line = cr + 2;
  }
  return static_cast<std::size_t>(line - begin);
}
#else
std::size_t add_plain_fields(std::string_view, std::size_t at, std::size_t, const HeadLimits&,
                             HeaderSection&) noexcept {
  return at;
}
#endif

Fault read_connection(HeaderSection& section, ConnectionFlags& flags) noexcept {
  if (!section.has(HeaderId::connection)) return {};
  for (const HeaderField& field : section.fields()) {
    if (field.id != HeaderId::connection) continue;
    std::string_view rest = field.value;
    while (!rest.empty()) {
      const std::size_t comma = rest.find(',');
      const std::string_view option = base::trim_ows(rest.substr(0, comma));
      rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
      if (option.empty()) continue;  // RFC 9110 5.6.1.2: empty list elements are ignored
      if (!is_token(option)) return bad_http("a malformed Connection field");
      if (base::iequals(option, "close")) {
        flags.close = true;
      } else if (base::iequals(option, "keep-alive")) {
        flags.keep_alive = true;
      } else {
        section.add_connection_option(option);
      }
    }
  }
  return {};
}

Fault read_framing(const HeaderSection& section, int version_minor, Framing& framing) noexcept {
  const HeaderField* length = section.find(HeaderId::content_length);
  const HeaderField* coding = section.find(HeaderId::transfer_encoding);
  if (length != nullptr && coding != nullptr)
    return bad_http("Content-Length together with Transfer-Encoding");
  if (length != nullptr) {
    framing.content_length = base::parse_u64(length->value);
    if (!framing.content_length) return bad_http("a malformed Content-Length");
  }
  if (coding != nullptr) {
    if (version_minor == 0) return bad_http("Transfer-Encoding in HTTP/1.0");
    if (!base::iequals(coding->value, "chunked"))
      return bad_http("a Transfer-Encoding other than chunked");
    framing.chunked = true;
  }
  return {};
}

int parse_version(std::string_view text) noexcept {
  if (text == "HTTP/1.1") return 1;
  if (text == "HTTP/1.0") return 0;
  return -1;
}

std::string_view moved(std::string_view view, const char* from, const char* to) noexcept {
  if (view.data() == nullptr) return view;
  // Through integers: `from` may point into freed memory, where pointer arithmetic is undefined.
  const auto offset =
      reinterpret_cast<std::uintptr_t>(view.data()) - reinterpret_cast<std::uintptr_t>(from);
  return {to + offset, view.size()};
}

}  // namespace tollgate::protocol::http::detail
