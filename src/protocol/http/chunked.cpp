#include "tollgate/protocol/http/chunked.hpp"

#include <algorithm>
#include <string>

#include "protocol/http/char_class.hpp"

namespace tollgate::protocol::http {

using base::ErrorCode;

namespace {

constexpr Fault bad(const char* message) {
  return {ErrorCode::bad_http, message};
}

}  // namespace

void ChunkedDecoder::reset(std::uint64_t max_body) noexcept {
  state_ = State::size_first;
  digits_ = line_bytes_ = 0;
  size_ = announced_ = 0;
  max_body_ = max_body;
}

base::Result<ChunkedDecoder::Progress> ChunkedDecoder::feed(
    std::string_view input, std::vector<std::string_view>& payload) {
  std::size_t at = 0;
  while (at < input.size() && state_ != State::done) {
    if (state_ == State::data) {
      const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(size_, input.size() - at));
      payload.push_back(input.substr(at, take));
      at += take;
      size_ -= take;
      if (size_ == 0) state_ = State::data_cr;
      continue;
    }
    if (state_ == State::data_cr && input.size() - at >= 2 && input[at] == '\r' &&
        input[at + 1] == '\n') {
      at += 2;
      next_size();
      continue;
    }
    if (const std::size_t line = state_ == State::size_first ? bare_size(input.substr(at)) : 0) {
      at += line;
      if (const Fault fault = end_of_size()) return to_error(fault, peer_);
      continue;
    }
    if (const Fault fault = step(input[at])) return to_error(fault, peer_);
    ++at;
  }
  return Progress{at, state_ == State::done};
}

/// Reads a size line without extension that lies wholly in `input`, as nearly all do, in one go.
/// Returns its bytes; 0, and nothing done, when it is another.
std::size_t ChunkedDecoder::bare_size(std::string_view input) noexcept {
  constexpr std::size_t kMostDigits = 8;
  std::uint64_t size = 0;
  std::size_t n = 0;
  while (n < input.size() && n < kMostDigits && detail::has_class(input[n], detail::kHex))
    size = size << 4 | detail::hex_digit(input[n++]);
  if (n == 0 || input.size() - n < 2 || input[n] != '\r' || input[n + 1] != '\n') return 0;
  size_ = size;
  return n + 2;
}

void ChunkedDecoder::next_size() noexcept {
  state_ = State::size_first;
  digits_ = 0;
  size_ = 0;
}

Fault ChunkedDecoder::end_of_size() noexcept {
  if (size_ == 0) {
    state_ = State::trailer_first;
    line_bytes_ = 0;
    return {};
  }
  // Compared without adding: a size near 2^64 must not wrap.
  if (size_ > max_body_ - announced_)
    return {ErrorCode::request_too_large, "the body is too large", base::Limit::body_bytes};
  announced_ += size_;
  state_ = State::data;
  return {};
}

Fault ChunkedDecoder::step(char c) noexcept {
  using detail::has_class;
  const auto in_extension =
      state_ >= State::extension_name_first && state_ <= State::extension_after_quoted;
  if (in_extension && c != '\r' && ++line_bytes_ > kMaxExtensionBytes)
    return bad("a chunk extension is too long");
  const auto in_trailer = state_ >= State::trailer_first && state_ <= State::trailer_lf;
  if (in_trailer && ++line_bytes_ > kMaxTrailerBytes) return bad("the trailers are too long");

  switch (state_) {
    case State::size_first:
    case State::size:
      if (has_class(c, detail::kHex)) {
        if (++digits_ > 16) return bad("a chunk size is too large");
        size_ = size_ << 4 | detail::hex_digit(c);
        state_ = State::size;
        return {};
      }
      if (state_ == State::size_first) return bad("a malformed chunk size");
      if (c == ';') {
        state_ = State::extension_name_first;
        line_bytes_ = 1;
        return {};
      }
      if (c != '\r') return bad("a malformed chunk size");
      state_ = State::size_lf;
      return {};

    case State::extension_name_first:
    case State::extension_name:
      if (has_class(c, detail::kToken)) {
        state_ = State::extension_name;
        return {};
      }
      if (state_ == State::extension_name_first) return bad("a malformed chunk extension");
      if (c == '=') {
        state_ = State::extension_value_first;
      } else if (c == ';') {
        state_ = State::extension_name_first;
      } else if (c == '\r') {
        state_ = State::size_lf;
      } else {
        return bad("a malformed chunk extension");
      }
      return {};

    case State::extension_value_first:
      if (c == '"') {
        state_ = State::extension_quoted;
        return {};
      }
      if (!has_class(c, detail::kToken)) return bad("a malformed chunk extension");
      state_ = State::extension_token;
      return {};
    case State::extension_token:
      if (has_class(c, detail::kToken)) return {};
      [[fallthrough]];
    case State::extension_after_quoted:
      if (c == ';') {
        state_ = State::extension_name_first;
      } else if (c == '\r') {
        state_ = State::size_lf;
      } else {
        return bad("a malformed chunk extension");
      }
      return {};
    case State::extension_quoted:
      if (c == '"') {
        state_ = State::extension_after_quoted;
      } else if (c == '\\') {
        state_ = State::extension_escape;
      } else if (!has_class(c, detail::kQuotedText)) {
        return bad("a malformed chunk extension");
      }
      return {};
    case State::extension_escape:
      if (c != '"' && c != '\\' && !has_class(c, detail::kQuotedText))
        return bad("a malformed chunk extension");
      state_ = State::extension_quoted;
      return {};

    case State::size_lf:
      if (c != '\n') return bad("a chunk size line without CRLF");
      return end_of_size();

    case State::data_cr:
      if (c != '\r') return bad("a chunk without CRLF behind it");
      state_ = State::data_lf;
      return {};
    case State::data_lf:
      if (c != '\n') return bad("a chunk without CRLF behind it");
      next_size();
      return {};

    case State::trailer_first:
      if (c == '\r') {
        state_ = State::final_lf;
        return {};
      }
      if (!has_class(c, detail::kToken)) return bad("a malformed trailer field");
      state_ = State::trailer_name;
      return {};
    case State::trailer_name:
      if (c == ':') {
        state_ = State::trailer_value;
      } else if (!has_class(c, detail::kToken)) {
        return bad("a malformed trailer field");
      }
      return {};
    case State::trailer_value:
      if (c == '\r') {
        state_ = State::trailer_lf;
      } else if (!detail::is_value_text({&c, 1})) {
        return bad("a malformed trailer field");
      }
      return {};
    case State::trailer_lf:
      if (c != '\n') return bad("a trailer line without CRLF");
      state_ = State::trailer_first;
      return {};
    case State::final_lf:
      if (c != '\n') return bad("a body end without CRLF");
      state_ = State::done;
      return {};

    case State::data:
    case State::done:
      break;
  }
  return {};
}

void append_chunk_head(std::string& out, std::size_t size) {
  char digits[16];
  std::size_t n = 0;
  do {
    digits[n++] = "0123456789abcdef"[size & 15];
    size >>= 4;
  } while (size != 0);
  while (n != 0) out += digits[--n];
  out += "\r\n";
}

}  // namespace tollgate::protocol::http
