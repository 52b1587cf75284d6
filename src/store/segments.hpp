#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "tollgate/store/file_system.hpp"

/// The body segments: append-only files `audit-NNNNNN.seg` beside the database, bodies back to back
/// without framing (rows hold offset and length); closed ones become `audit-NNNNNN.seg.zst`.
namespace tollgate::store {

/// Whether a file of that name counts as one of a segment, whole or compressed.
[[nodiscard]] bool is_segment_name(std::string_view name) noexcept;
[[nodiscard]] std::string segment_path(const std::string& directory, std::int64_t id);
[[nodiscard]] std::string compressed_path(const std::string& directory, std::int64_t id);

/// Where the next body goes. `id` 0: no segment is open.
struct SegmentCursor {
  std::int64_t id = 0;
  std::uint64_t offset = 0;
};

/// The open segment file. Writes go to the cursor the caller keeps, so a batch that failed is
/// simply written over by its next attempt. Writer thread only.
class SegmentFile {
 public:
  SegmentFile(FileSystem& files, std::string directory)
      : files_(files), directory_(std::move(directory)) {}
  /// Opens the segment of a cursor read from the database. False: the file lacks bytes that rows
  /// point to (lost with the power), so it must not be continued.
  [[nodiscard]] bool resume(const SegmentCursor& cursor);
  /// Writes at the cursor, creating the file of a new segment; 0 or an errno.
  int write(const SegmentCursor& cursor, std::span<const std::string_view> pieces, bool sync);

 private:
  FileSystem& files_;
  std::string directory_;
  std::unique_ptr<FileSystem::File> file_;
  std::int64_t open_id_ = 0;
};

/// Raw bytes in one zstd frame: what reading a single body has to inflate.
inline constexpr std::size_t kFrameBytes = 256 * 1024;

/// Compresses a closed segment beside it and removes the original, which stays readable until then.
/// The result is a chain of zstd frames of kFrameBytes each, ended by a skippable frame with their
/// sizes: `zstd -d` gives the segment back. Repeatable after a crash at any point.
/// @param stop  checked between frames. @return 0 or an errno (ECANCELED when stopped).
int compress_segment(FileSystem& files, const std::string& directory, std::int64_t id,
                     const std::atomic<bool>& stop, std::uint64_t& file_bytes);

/// Reads `length` bytes at `offset` of a segment, compressed or not.
/// @return 0, ENOENT (no such segment any more), EBADMSG (damaged), or another errno.
int read_segment(FileSystem& files, const std::string& directory, std::int64_t id,
                 std::uint64_t offset, std::size_t length, std::string& out);

/// Removes a segment in every form; 0 or an errno (a missing file is no error).
int remove_segment(FileSystem& files, const std::string& directory, std::int64_t id);

}  // namespace tollgate::store
