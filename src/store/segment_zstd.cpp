#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <vector>

#include "store/segments.hpp"

namespace tollgate::store {
namespace {

// The index is one skippable frame (RFC 8878 section 3.1.2): magic, payload size, then per frame
// its compressed size, then count, raw bytes per frame and our mark. All u32, little-endian.
constexpr std::uint32_t kSkippableMagic = 0x184D2A50;
constexpr std::uint32_t kIndexMark = 0x49534754;  // "TGSI"
constexpr std::size_t kTrailerBytes = 12;
constexpr int kLevel = 3;

struct FreeCompressor {
  void operator()(ZSTD_CCtx* ctx) const noexcept { ZSTD_freeCCtx(ctx); }
};

void put_u32(std::string& out, std::uint32_t value) {
  for (int i = 0; i < 4; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}
std::uint32_t get_u32(const char* at) {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = (value << 8) | static_cast<std::uint8_t>(at[i]);
  return value;
}

int write_compressed(FileSystem::File& raw, FileSystem::File& out, const std::atomic<bool>& stop,
                     std::uint64_t& file_bytes) {
  const std::unique_ptr<ZSTD_CCtx, FreeCompressor> ctx(ZSTD_createCCtx());
  if (ctx == nullptr) return ENOMEM;
  ZSTD_CCtx_setParameter(ctx.get(), ZSTD_c_compressionLevel, kLevel);
  ZSTD_CCtx_setParameter(ctx.get(), ZSTD_c_checksumFlag, 1);
  std::vector<char> input(kFrameBytes);
  std::string frame(ZSTD_compressBound(kFrameBytes), '\0');
  std::vector<std::uint32_t> sizes;
  std::uint64_t read = 0;
  file_bytes = 0;
  for (;;) {
    if (stop.load(std::memory_order_relaxed)) return ECANCELED;
    std::size_t got = 0;
    if (const int error = raw.read_at(read, input, got)) return error;
    if (got == 0) break;
    const std::size_t size =
        ZSTD_compress2(ctx.get(), frame.data(), frame.size(), input.data(), got);
    if (ZSTD_isError(size) != 0) return EIO;
    const std::string_view piece(frame.data(), size);
    if (const int error = out.write_at(file_bytes, {&piece, 1})) return error;
    sizes.push_back(static_cast<std::uint32_t>(size));
    file_bytes += size;
    read += got;
  }
  std::string index;
  put_u32(index, kSkippableMagic);
  put_u32(index, static_cast<std::uint32_t>(4 * sizes.size() + kTrailerBytes));
  for (const std::uint32_t size : sizes) put_u32(index, size);
  put_u32(index, static_cast<std::uint32_t>(sizes.size()));
  put_u32(index, static_cast<std::uint32_t>(kFrameBytes));
  put_u32(index, kIndexMark);
  const std::string_view piece = index;
  if (const int error = out.write_at(file_bytes, {&piece, 1})) return error;
  file_bytes += index.size();
  return out.sync();
}

int read_raw(FileSystem::File& file, std::uint64_t offset, std::size_t length, std::string& out) {
  std::uint64_t size = 0;
  if (const int error = file.size(size)) return error;
  // Checked before the buffer is made: a damaged row may ask for any length.
  if (offset > size || length > size - offset) return EBADMSG;
  out.resize(length);
  std::size_t got = 0;
  if (const int error = file.read_at(offset, out, got)) return error;
  return got == length ? 0 : EBADMSG;
}

int read_compressed(FileSystem::File& file, std::uint64_t offset, std::size_t length,
                    std::string& out) {
  std::uint64_t size = 0;
  if (const int error = file.size(size)) return error;
  if (size < kTrailerBytes) return EBADMSG;
  std::string buffer;
  if (const int error = read_raw(file, size - kTrailerBytes, kTrailerBytes, buffer)) return error;
  const std::uint64_t count = get_u32(buffer.data());
  const std::uint64_t raw = get_u32(buffer.data() + 4);
  if (get_u32(buffer.data() + 8) != kIndexMark || raw != kFrameBytes ||
      4 * count + kTrailerBytes > size || offset > count * raw || length > count * raw - offset) {
    return EBADMSG;
  }
  std::string index;
  if (const int error = read_raw(file, size - kTrailerBytes - 4 * count, 4 * count, index)) {
    return error;
  }
  std::uint64_t at = 0;  // of the frame, in the file
  std::string plain(kFrameBytes, '\0');
  out.clear();
  for (std::uint64_t i = 0; i < count && out.size() < length; ++i) {
    const std::uint32_t packed = get_u32(index.data() + 4 * i);
    if ((i + 1) * raw > offset) {
      if (const int error = read_raw(file, at, packed, buffer)) return error;
      const std::size_t got =
          ZSTD_decompress(plain.data(), plain.size(), buffer.data(), buffer.size());
      if (ZSTD_isError(got) != 0) return EBADMSG;
      const std::uint64_t skip = offset > i * raw ? offset - i * raw : 0;
      if (skip > got) return EBADMSG;
      out.append(plain, skip, std::min<std::uint64_t>(length - out.size(), got - skip));
    }
    at += packed;
  }
  return out.size() == length ? 0 : EBADMSG;
}

}  // namespace

int compress_segment(FileSystem& files, const std::string& directory, std::int64_t id,
                     const std::atomic<bool>& stop, std::uint64_t& file_bytes) {
  const std::string source = segment_path(directory, id);
  const std::string target = compressed_path(directory, id);
  const std::string partial = target + ".tmp";
  std::unique_ptr<FileSystem::File> out;
  // The rename comes after the sync: a file of the final name is whole.
  if (files.open(target, FileSystem::Mode::read, out) != 0) {
    std::unique_ptr<FileSystem::File> raw;
    if (const int error = files.open(source, FileSystem::Mode::read, raw)) return error;
    if (const int error = files.open(partial, FileSystem::Mode::create_empty, out)) return error;
    int error = write_compressed(*raw, *out, stop, file_bytes);
    if (error == 0) error = files.rename(partial, target);
    if (error != 0) {
      files.remove(partial);
      return error;
    }
  } else if (const int error = out->size(file_bytes)) {
    return error;
  }
  const int error = files.remove(source);
  return error == ENOENT ? 0 : error;
}

int read_segment(FileSystem& files, const std::string& directory, std::int64_t id,
                 std::uint64_t offset, std::size_t length, std::string& out) {
  std::unique_ptr<FileSystem::File> file;
  int error = files.open(segment_path(directory, id), FileSystem::Mode::read, file);
  if (error == 0) return read_raw(*file, offset, length, out);
  if (error != ENOENT) return error;
  error = files.open(compressed_path(directory, id), FileSystem::Mode::read, file);
  return error != 0 ? error : read_compressed(*file, offset, length, out);
}

}  // namespace tollgate::store
