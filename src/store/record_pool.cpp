#include "store/record_pool.hpp"

#include <algorithm>

#include "store/batch.hpp"

namespace tollgate::store {

void RecordPool::take(std::vector<std::unique_ptr<AuditRecord>>& into) {
  const std::lock_guard lock(mutex_);
  const std::size_t count = std::min(kTake, spare_.size());
  for (std::size_t i = 0; i < count; ++i) {
    into.push_back(std::move(spare_.back()));
    spare_.pop_back();
  }
}

void RecordPool::give_back(std::vector<std::unique_ptr<AuditRecord>>& records) noexcept {
  for (std::size_t i = 0; i < records.size(); ++i) {
    AuditRecord* const record = records[i].get();
    if (i + 1 < records.size()) prefetch(*records[i + 1]);
    record->clear();
    for (AuditBody* body : {&record->request_body, &record->response_body})
      if (body->stored.capacity() > kKeepBody) std::string().swap(body->stored);
  }
  {
    const std::lock_guard lock(mutex_);
    if (spare_.capacity() < kMost) spare_.reserve(kMost);
    while (!records.empty() && spare_.size() < kMost) {
      spare_.push_back(std::move(records.back()));
      records.pop_back();
    }
  }
  records.clear();
}

}  // namespace tollgate::store
