#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tollgate/store/file_system.hpp"

namespace tollgate::store {

/// Turns closed segments into compressed ones, on a thread of the lowest priority, so that no batch
/// ever waits for zstd. Never touches the database: the writer records what was finished.
class Compressor {
 public:
  struct Finished {
    std::int64_t id;
    std::uint64_t file_bytes;
  };

  Compressor(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;
  ~Compressor() { stop(); }

  void start();
  /// Abandons a segment being compressed (it is done anew at the next start). Idempotent.
  void stop();
  void enqueue(const std::vector<std::int64_t>& ids);
  /// Compresses the oldest waiting segment; false when none waits or it failed (then it waits on).
  bool step();
  /// The segment in hand, which must not be removed; 0 = none.
  [[nodiscard]] std::int64_t busy() const noexcept { return busy_.load(); }
  /// What was finished since the last call.
  [[nodiscard]] std::vector<Finished> take_finished();

 private:
  void run();

  FileSystem& files_;
  std::string directory_;
  std::atomic<bool> stopping_{false};
  std::atomic<std::int64_t> busy_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::int64_t> waiting_;
  std::vector<Finished> finished_;
  std::thread thread_;
};

}  // namespace tollgate::store
