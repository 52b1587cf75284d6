#include "tollgate/domain/budget/event_streams.hpp"

namespace tollgate::domain::budget {

EventStreams::Place EventStreams::enter(std::string_view key_id, std::string_view server,
                                        std::uint32_t limit) {
  Counts::key_type pair(key_id, server);
  const std::lock_guard lock(mutex_);
  const auto at = counts_.try_emplace(std::move(pair), 0).first;
  if (at->second >= limit) return {};
  ++at->second;
  return {*this, at};
}

std::size_t EventStreams::open() const {
  const std::lock_guard lock(mutex_);
  std::size_t all = 0;
  for (const auto& [pair, count] : counts_) all += count;
  return all;
}

void EventStreams::leave(Counts::iterator pair) noexcept {
  const std::lock_guard lock(mutex_);
  if (--pair->second == 0) counts_.erase(pair);
}

}  // namespace tollgate::domain::budget
