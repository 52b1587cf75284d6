#include "tollgate/domain/keys/revocations.hpp"

#include <algorithm>

namespace tollgate::domain::keys {

void Revocations::revoke(const base::Sha256Digest& digest) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Flag>& flag = flags_[digest];
  if (!flag) flag = std::make_unique<Flag>(false);
  flag->store(true, std::memory_order_release);
}

bool Revocations::is_revoked(const base::Sha256Digest& digest) const {
  const std::lock_guard lock(mutex_);
  const auto it = flags_.find(digest);
  return it != flags_.end() && it->second->load(std::memory_order_acquire);
}

const Revocations::Flag& Revocations::flag(const base::Sha256Digest& digest) {
  const std::lock_guard lock(mutex_);
  std::unique_ptr<Flag>& flag = flags_[digest];
  if (!flag) flag = std::make_unique<Flag>(false);
  return *flag;
}

std::size_t Revocations::count() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::size_t>(std::count_if(flags_.begin(), flags_.end(), [](const auto& f) {
    return f.second->load(std::memory_order_relaxed);
  }));
}

}  // namespace tollgate::domain::keys
