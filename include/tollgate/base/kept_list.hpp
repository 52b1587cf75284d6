#pragma once

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tollgate::base {

/// A vector whose elements keep their memory when they are cleared.
///
/// For values that travel between threads and come back to be filled again: a string that one
/// thread allocates and another frees takes malloc's slow path in both. `T` needs `clear()`, which
/// makes an element equal to a new one. Threads: one at a time.
template <class T>
class KeptList {
 public:
  KeptList() = default;
  KeptList& operator=(std::vector<T> items) {
    items_ = std::move(items);
    size_ = items_.size();
    return *this;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] T* begin() noexcept { return items_.data(); }
  [[nodiscard]] T* end() noexcept { return items_.data() + size_; }
  [[nodiscard]] const T* begin() const noexcept { return items_.data(); }
  [[nodiscard]] const T* end() const noexcept { return items_.data() + size_; }
  [[nodiscard]] T& operator[](std::size_t index) noexcept { return items_[index]; }
  [[nodiscard]] const T& operator[](std::size_t index) const noexcept { return items_[index]; }

  /// A new last element, in the memory of one cleared before if there is one.
  T& emplace_back() {
    if (size_ == items_.size()) {
      items_.emplace_back();
    } else {
      items_[size_].clear();
    }
    return items_[size_++];
  }
  void push_back(T item) { emplace_back() = std::move(item); }
  void resize(std::size_t size) {
    while (size_ < size) emplace_back();
    size_ = size;
  }
  /// Frees nothing.
  void clear() noexcept { size_ = 0; }

  bool operator==(const KeptList& other) const {
    return std::equal(begin(), end(), other.begin(), other.end());
  }

 private:
  std::vector<T> items_;  ///< those from size_ on are kept for later
  std::size_t size_ = 0;
};

}  // namespace tollgate::base
