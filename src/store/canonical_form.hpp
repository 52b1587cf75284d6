#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "tollgate/base/digest.hpp"

namespace tollgate::store {

/// A row's columns in the form that its hash covers, as it grows; keeps its memory.
///
/// Per column in order one type byte and the value: 'N'; 'I' and 8 bytes little-endian; 'T' or 'B',
/// 4 bytes length little-endian, and the bytes. It is a function of what SQLite stores, so that any
/// reader can recompute it. Plain stores, since it is written for every column of every row.
class CanonicalForm {
  static_assert(std::endian::native == std::endian::little);

 public:
  void clear() noexcept { used_ = 0; }
  void start(const base::Sha256Digest& previous) noexcept {
    std::memcpy(buffer_.data(), previous.data(), previous.size());
    used_ = previous.size();
  }
  void null() noexcept { *room(1) = 'N'; }
  void integer(std::int64_t value) noexcept {
    char* const at = room(9);
    at[0] = 'I';
    little_endian(at + 1, static_cast<std::uint64_t>(value), 8);
  }
  void bytes(char type, std::string_view value) noexcept {
    char* const at = room(5 + value.size());
    at[0] = type;
    little_endian(at + 1, value.size(), 4);
    if (!value.empty()) std::memcpy(at + 5, value.data(), value.size());
  }
  /// Columns that are in this form already.
  void append(std::string_view columns) noexcept {
    std::memcpy(room(columns.size()), columns.data(), columns.size());
  }
  /// Calls `take(char type, std::int64_t, std::string_view)` for each column of what was written
  /// here; of the two values the one that its type has means something.
  template <class Take>
  static void each(std::string_view columns, Take&& take) {
    const char* at = columns.data();
    const char* const end = at + columns.size();
    while (at != end) {
      const char type = *at++;
      std::uint64_t number = 0;
      if (type == 'I') {
        std::memcpy(&number, at, 8);
        at += 8;
      } else if (type != 'N') {
        std::memcpy(&number, at, 4);
        at += 4;
      }
      const std::string_view bytes(at, type == 'T' || type == 'B' ? number : 0);
      at += bytes.size();
      take(type, static_cast<std::int64_t>(number), bytes);
    }
  }
  [[nodiscard]] std::size_t size() const noexcept { return used_; }
  [[nodiscard]] std::string_view view() const noexcept { return {buffer_.data(), used_}; }

 private:
  static void little_endian(char* at, std::uint64_t value, std::size_t count) noexcept {
    std::memcpy(at, &value, count);
  }
  char* room(std::size_t size) noexcept {
    if (used_ + size > buffer_.size()) buffer_.resize(2 * (used_ + size));
    used_ += size;
    return buffer_.data() + used_ - size;
  }
  std::vector<char> buffer_ = std::vector<char>(4'096);
  std::size_t used_ = 0;
};

}  // namespace tollgate::store
