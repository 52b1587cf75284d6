#include "app/auth_throttle.hpp"

namespace tollgate::app {
namespace {
constexpr auto kWindow = std::chrono::minutes(1);
}

bool AuthThrottle::blocked(std::string_view address, base::MonoTime now) noexcept {
  if (!any_.load(std::memory_order_relaxed)) return false;
  const std::lock_guard lock(mutex_);
  const auto entry = entries_.find(address);
  if (entry == entries_.end()) return false;
  if (now - entry->second.minute >= kWindow) {
    entries_.erase(entry);
    any_.store(!entries_.empty(), std::memory_order_relaxed);
    return false;
  }
  return entry->second.count >= entry->second.limit;
}

void AuthThrottle::on_failure(std::string_view address, std::uint32_t per_minute,
                              base::MonoTime now) noexcept {
  if (per_minute == 0) return;  // 0 = no limit
  const std::lock_guard lock(mutex_);
  auto entry = entries_.find(address);
  if (entry == entries_.end()) {
    if (entries_.size() >= kMaxAddresses)
      std::erase_if(entries_,
                    [now](const auto& item) { return now - item.second.minute >= kWindow; });
    if (entries_.size() >= kMaxAddresses) return;
    entry = entries_.emplace(std::string(address), Entry{}).first;
  }
  if (now - entry->second.minute >= kWindow) {
    entry->second.minute = now;
    entry->second.count = 0;
  }
  ++entry->second.count;
  entry->second.limit = per_minute;
  any_.store(true, std::memory_order_relaxed);
}

}  // namespace tollgate::app
