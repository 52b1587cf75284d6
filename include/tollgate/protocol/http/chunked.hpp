#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/base/result.hpp"
#include "tollgate/protocol/http/line_reader.hpp"

namespace tollgate::protocol::http {

/// Takes the chunked framing off a body (RFC 9112 7.1), strictly: sizes are bare hex digits, lines
/// end in CRLF, extensions follow the grammar and stay under 256 bytes a chunk, trailer fields are
/// checked, bounded and dropped. The outcome does not depend on how the bytes were split.
///
/// Errors: bad_http, request_too_large from a client; upstream_invalid, stream_limit from an
/// upstream. After an error the connection must not be used again.
class ChunkedDecoder {
 public:
  static constexpr std::uint32_t kMaxExtensionBytes = 256;
  static constexpr std::uint32_t kMaxTrailerBytes = 8 * 1024;

  struct Progress {
    std::size_t consumed = 0;  ///< less than the input only when done
    bool done = false;
  };

  explicit ChunkedDecoder(Peer peer = Peer::client) noexcept : peer_(peer) {}

  /// Appends views of the payload in `input` to `payload` (not cleared first).
  [[nodiscard]] base::Result<Progress> feed(std::string_view input,
                                            std::vector<std::string_view>& payload);
  /// @param max_body  payload bytes; refused as soon as a chunk size announces more
  void reset(std::uint64_t max_body = UINT64_MAX) noexcept;
  /// Payload bytes given out or announced so far.
  [[nodiscard]] std::uint64_t announced() const noexcept { return announced_; }

 private:
  enum class State : std::uint8_t {
    size_first,
    size,
    extension_name_first,
    extension_name,
    extension_value_first,
    extension_token,
    extension_quoted,
    extension_escape,
    extension_after_quoted,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer_first,
    trailer_name,
    trailer_value,
    trailer_lf,
    final_lf,
    done
  };

  Fault step(char c) noexcept;
  std::size_t bare_size(std::string_view input) noexcept;
  void next_size() noexcept;
  Fault end_of_size() noexcept;

  Peer peer_;
  State state_ = State::size_first;
  std::uint32_t digits_ = 0;
  std::uint32_t line_bytes_ = 0;  ///< of the extensions, or of all trailers
  std::uint64_t size_ = 0;        ///< of the chunk; then what is left of it
  std::uint64_t announced_ = 0;
  std::uint64_t max_body_ = UINT64_MAX;
};

/// Appends the frame in front of a chunk of `size` payload bytes ("1f\r\n"); after the payload send
/// kChunkEnd, at the end of the body kLastChunk.
void append_chunk_head(std::string& out, std::size_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n\r\n";

}  // namespace tollgate::protocol::http
