#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace tollgate::domain::budget {

/// Of a list that has the latest first, what SpendHistory::live_scopes_since keeps, said simply.
/// @param id_of  the id of an entry, which begins with its owner's up to the first '/'.
template <class Entry, class IdOf>
void keep_fairly(std::vector<Entry>& latest_first, std::size_t most, IdOf id_of) {
  std::map<std::string, std::size_t> rank_of;
  std::vector<std::pair<std::size_t, std::size_t>> by_rank;  // and place
  for (std::size_t i = 0; i < latest_first.size(); ++i) {
    const std::string id = id_of(latest_first[i]);
    by_rank.emplace_back(++rank_of[id.substr(0, id.find('/') + 1)], i);
  }
  std::sort(by_rank.begin(), by_rank.end());
  by_rank.resize(std::min(most, by_rank.size()));
  std::vector<std::size_t> places;
  for (const auto& [rank, place] : by_rank) places.push_back(place);
  std::sort(places.begin(), places.end());
  std::vector<Entry> kept;
  for (const std::size_t place : places) kept.push_back(latest_first[place]);
  latest_first = std::move(kept);
}

}  // namespace tollgate::domain::budget
