#include "store/segments.hpp"

#include <cerrno>
#include <cstdio>

namespace tollgate::store {

bool is_segment_name(std::string_view name) noexcept {
  return name.starts_with("audit-") && name.find(".seg") != std::string_view::npos;
}

std::string segment_path(const std::string& directory, std::int64_t id) {
  char name[40];
  std::snprintf(name, sizeof name, "/audit-%06lld.seg", static_cast<long long>(id));
  return directory + name;
}

std::string compressed_path(const std::string& directory, std::int64_t id) {
  return segment_path(directory, id) + ".zst";
}

bool SegmentFile::resume(const SegmentCursor& cursor) {
  if (files_.open(segment_path(directory_, cursor.id), FileSystem::Mode::write, file_) != 0) {
    return false;
  }
  std::uint64_t size = 0;
  // Bytes past the cursor belong to a batch that never committed.
  if (file_->size(size) != 0 || size < cursor.offset || file_->truncate(cursor.offset) != 0) {
    file_.reset();
    return false;
  }
  open_id_ = cursor.id;
  return true;
}

int SegmentFile::write(const SegmentCursor& cursor, std::span<const std::string_view> pieces,
                       bool sync) {
  if (file_ == nullptr || open_id_ != cursor.id) {
    file_.reset();
    const auto mode = cursor.offset == 0 ? FileSystem::Mode::create_empty : FileSystem::Mode::write;
    if (const int error = files_.open(segment_path(directory_, cursor.id), mode, file_)) {
      return error;
    }
    open_id_ = cursor.id;
  }
  if (const int error = file_->write_at(cursor.offset, pieces)) return error;
  return sync ? file_->sync() : 0;
}

int remove_segment(FileSystem& files, const std::string& directory, std::int64_t id) {
  const std::string compressed = compressed_path(directory, id);
  for (const std::string& path : {segment_path(directory, id), compressed, compressed + ".tmp"}) {
    if (const int error = files.remove(path); error != 0 && error != ENOENT) return error;
  }
  return 0;
}

}  // namespace tollgate::store
