#include "tollgate/domain/routing/cooldown.hpp"

#include <algorithm>

namespace tollgate::domain::routing {
namespace {

constexpr std::int64_t kNever = base::MonoTime::min().time_since_epoch().count();

std::int64_t ticks(base::MonoTime t) noexcept {
  return t.time_since_epoch().count();
}

std::int64_t ticks_after(base::MonoTime now, std::chrono::milliseconds wait) noexcept {
  return ticks(now + std::chrono::nanoseconds(wait));
}

/// Raises `word` to `value`, never lowers it: racing callers keep the longest wait.
void raise(std::atomic<std::int64_t>& word, std::int64_t value) noexcept {
  std::int64_t seen = word.load(std::memory_order_relaxed);
  while (seen < value && !word.compare_exchange_weak(seen, value, std::memory_order_relaxed)) {
  }
}

}  // namespace

base::MonoTime Cooldown::until() const noexcept {
  const std::int64_t later = std::max(asked_until_.load(std::memory_order_relaxed),
                                      failed_until_.load(std::memory_order_relaxed));
  return base::MonoTime(std::chrono::nanoseconds(later));
}

base::MonoTime Cooldown::asked_until() const noexcept {
  return base::MonoTime(std::chrono::nanoseconds(asked_until_.load(std::memory_order_relaxed)));
}

void Cooldown::on_success() noexcept {
  // Loads first: on the common path nothing is written, so the cache line stays shared.
  if (failures_.load(std::memory_order_relaxed) != 0) failures_.store(0, std::memory_order_relaxed);
  if (failed_until_.load(std::memory_order_relaxed) != kNever)
    failed_until_.store(kNever, std::memory_order_relaxed);
}

void Cooldown::on_failure(const config::Routing& rules, base::MonoTime now) noexcept {
  const std::uint32_t count = failures_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (count >= std::max(rules.cooldown_failures, 1u))
    raise(failed_until_, ticks_after(now, std::min(rules.cooldown, rules.cooldown_max)));
}

void Cooldown::on_asked_to_wait(const config::Routing& rules,
                                std::optional<std::chrono::milliseconds> retry_after,
                                base::MonoTime now) noexcept {
  const auto wait = std::min(retry_after.value_or(rules.cooldown), rules.cooldown_max);
  raise(asked_until_, ticks_after(now, wait));
}

CooldownHandle CooldownTable::resolve(std::string_view deployment_id) {
  const std::scoped_lock lock(mutex_);
  if (const auto found = entries_.find(deployment_id); found != entries_.end())
    return found->second;
  return entries_.emplace(std::string(deployment_id), std::make_shared<Cooldown>()).first->second;
}

void CooldownTable::prune(base::MonoTime now) {
  const std::scoped_lock lock(mutex_);
  // A count of one is the table's own: new holders come only through resolve, under this mutex.
  std::erase_if(entries_, [now](const auto& entry) {
    return entry.second.use_count() == 1 && !entry.second->active(now);
  });
}

std::vector<CooldownTable::Active> CooldownTable::active(base::MonoTime now) const {
  std::vector<Active> out;
  const std::scoped_lock lock(mutex_);
  for (const auto& [id, entry] : entries_) {
    if (!entry->active(now)) continue;
    const auto remaining = std::chrono::ceil<std::chrono::milliseconds>(entry->until() - now);
    out.push_back({id, remaining, entry->asked(now)});
  }
  return out;
}

std::size_t CooldownTable::active_count(base::MonoTime now) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::size_t>(std::count_if(
      entries_.begin(), entries_.end(), [now](const auto& e) { return e.second->active(now); }));
}

}  // namespace tollgate::domain::routing
