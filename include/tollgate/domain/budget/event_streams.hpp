#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace tollgate::domain::budget {

/// Counts the open streams on which MCP servers speak unasked (`GET`), by key and server, and keeps
/// each pair below a limit.
///
/// Such a stream is neither a request nor a call in flight: it stands open beside the agent's
/// calls, and must not take their place in a rate limit. Without a bound of its own one key could
/// take every connection of a server with them.
///
/// Place:    domain/budget, beside the rate limits. Does no IO.
/// Lifetime: one per process; outlives workers, calls and registries. Survives reload: a pair is
///           known by the key's id and the server's name, so a key that goes and comes back has
///           the streams that are still open.
/// Threads:  any. One short mutex, for each stream opened or ended; never for other calls.
/// Memory:   some 100 bytes for each pair with an open stream.
class EventStreams {
 public:
  class Place;

  /// A place for one more stream; an empty one when `limit` (at least 1) of this key are open at
  /// this server. A limit that was lowered ends none that are open.
  [[nodiscard]] Place enter(std::string_view key_id, std::string_view server, std::uint32_t limit);
  /// Streams open now, of all keys.
  [[nodiscard]] std::size_t open() const;

 private:
  using Counts = std::map<std::pair<std::string, std::string>, std::uint32_t>;
  void leave(Counts::iterator pair) noexcept;

  mutable std::mutex mutex_;
  Counts counts_;  ///< never zero
};

/// One open stream's place, free again when it is released or destroyed, whatever ended the call.
/// Threads: one at a time, any. Lifetime: not beyond the EventStreams it is of.
class EventStreams::Place {
 public:
  Place() = default;
  Place(Place&& other) noexcept
      : of_(std::exchange(other.of_, nullptr)), pair_(std::exchange(other.pair_, {})) {}
  Place& operator=(Place&& other) noexcept {
    if (this != &other) {
      release();
      of_ = std::exchange(other.of_, nullptr);
      pair_ = std::exchange(other.pair_, {});
    }
    return *this;
  }
  ~Place() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return of_ != nullptr; }
  /// Idempotent.
  void release() noexcept {
    if (of_ != nullptr) std::exchange(of_, nullptr)->leave(pair_);
  }

 private:
  friend class EventStreams;
  Place(EventStreams& of, Counts::iterator pair) noexcept : of_(&of), pair_(pair) {}

  EventStreams* of_ = nullptr;
  Counts::iterator pair_{};  ///< stays while a stream of the pair is open
};

}  // namespace tollgate::domain::budget
