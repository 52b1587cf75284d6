#include "domain/loops/stop_list.hpp"

#include <algorithm>

namespace tollgate::domain::loops {

bool StopList::MostFirst::operator()(const OfKey* a, const OfKey* b) const noexcept {
  if (a->ends.size() != b->ends.size()) return a->ends.size() > b->ends.size();
  if (*a->ends.begin() != *b->ends.begin()) return *a->ends.begin() < *b->ends.begin();
  return std::less<>()(a, b);
}

template <class Change>
void StopList::change(Keys::iterator key, Change how) {
  // Keys stand in an order that the change may alter.
  if (!key->second.ends.empty()) by_most_.erase(&key->second);
  how(key->second.ends);
  if (key->second.ends.empty())
    keys_.erase(key);
  else
    by_most_.insert(&key->second);
}

void StopList::purge(base::MonoTime now) {
  while (!ends_.empty() && ends_.begin()->first <= now) take(ends_.begin()->second);
}

Stop StopList::take(std::uint64_t target) {
  const auto found = stops_.find(target);
  Stop stop = std::move(found->second);
  stops_.erase(found);
  const End end{stop.until, target};
  ends_.erase(end);
  change(keys_.find(stop.key_id), [&](std::set<End>& ends) { ends.erase(end); });
  size_.store(stops_.size(), std::memory_order_relaxed);
  return stop;
}

void StopList::make_room(std::string_view key_id) {
  const auto own = keys_.find(key_id);
  const std::size_t owned = own == keys_.end() ? 0 : own->second.ends.size();
  const OfKey* from = nullptr;
  if (owned >= kMostStopsPerKey) {
    from = &own->second;
  } else if (stops_.size() >= most_) {
    const OfKey* const most = *by_most_.begin();
    from = owned >= most->ends.size() ? &own->second : most;
  }
  if (from == nullptr) return;
  take(from->ends.begin()->second);
  evicted_.fetch_add(1, std::memory_order_relaxed);
}

const Stop& StopList::put(std::uint64_t target, Stop stop) {
  stop.id = next_id_++;
  const End end{stop.until, target};
  ends_.insert(end);
  change(keys_.try_emplace(stop.key_id).first, [&](std::set<End>& ends) { ends.insert(end); });
  const Stop& placed = stops_.emplace(target, std::move(stop)).first->second;
  size_.store(stops_.size(), std::memory_order_relaxed);
  return placed;
}

std::vector<Stop> StopList::all(base::MonoTime now) const {
  std::vector<Stop> list;
  {
    const std::scoped_lock lock(mutex_);
    for (const auto& [target, stop] : stops_)
      if (stop.until > now) list.push_back(stop);
  }
  std::sort(list.begin(), list.end(), [](const Stop& a, const Stop& b) { return a.id > b.id; });
  return list;
}

std::uint64_t StopList::count(base::MonoTime now) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<std::uint64_t>(
      std::count_if(ends_.begin(), ends_.end(), [now](const End& end) { return end.first > now; }));
}

}  // namespace tollgate::domain::loops
