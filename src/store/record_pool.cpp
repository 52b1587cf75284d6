#include "store/record_pool.hpp"

#include <algorithm>

namespace tollgate::store {

void RecordPool::take(std::vector<PackedPtr>& into) {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min(kTake, spare_.size());
  for (std::size_t i = 0; i < count; ++i) {
    bytes_ -= spare_.back()->capacity;
    into.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
}

void RecordPool::give_back(std::vector<PackedPtr>& records) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (spare_.capacity() < kMost) spare_.reserve(kMost);
    for (PackedPtr& record : records) {
      if (record->capacity > kLargest) continue;
      if (spare_.size() == kMost || bytes_ + record->capacity > kMostBytes) break;
      bytes_ += record->capacity;
      spare_.push_back(std::move(record));
    }
  }
  records.clear();
}

}  // namespace tollgate::store
