#pragma once

#include <cstddef>
#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

/// What the benchmark's upstream and load generator share: a clock, a message reader, the bodies.
/// Deliberately little: the tools must cost less than what they measure.
namespace tollgate::bench {

/// CLOCK_MONOTONIC: comparable between processes of one machine.
[[nodiscard]] inline std::uint64_t now_ns() noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000ull +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// Reads HTTP/1.1 messages (requests or responses) off a growing buffer, one at a time.
///
/// Feed bytes with buffer().append(), then call step() until it asks for more. For an event stream
/// `on_event` sees each payload chunk as it becomes whole.
class MessageReader {
 public:
  enum class State : std::uint8_t { need_more, chunk, done, broken };

  [[nodiscard]] std::string& buffer() noexcept { return buffer_; }
  /// chunk: one payload piece of a chunked body is in piece(). done: the message is complete, and
  /// the next step() begins the next one.
  State step();

  [[nodiscard]] int status() const noexcept { return status_; }
  [[nodiscard]] bool head_done() const noexcept { return head_done_; }
  [[nodiscard]] bool closes() const noexcept { return closes_; }
  [[nodiscard]] std::string_view piece() const noexcept { return piece_; }
  /// The body of a message with Content-Length, valid from done until the next step().
  [[nodiscard]] std::string_view body() const noexcept { return body_; }

 private:
  void read_head(std::string_view head);
  void compact();

  std::string buffer_;
  std::size_t at_ = 0;  ///< consumed bytes at the front of buffer_
  bool head_done_ = false;
  bool finished_ = false;
  bool chunked_ = false;
  bool closes_ = false;
  std::size_t length_ = 0;
  int status_ = 0;
  std::string_view piece_;
  std::string_view body_;
};

/// About `bytes` of JSON: a chat completion request with prose, `"stream":true` when asked.
/// `interval_us` not 0 asks the upstream for that pause between events.
[[nodiscard]] std::string request_body(std::string_view model, std::size_t bytes, bool stream,
                                       std::uint64_t interval_us = 0);

/// English-like text without any pattern a detector looks for, but with digits and colons in it.
[[nodiscard]] std::string prose(std::size_t bytes);

}  // namespace tollgate::bench
