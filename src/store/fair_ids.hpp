#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <limits>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace tollgate::store {

/// Chooses ids among many, which come in an order of their own (the latest first): of each owner
/// the first, then of each the second, and so on until there are `most`. An owner is what stands up
/// to the first '/'; ids without one have one owner together. Keeps about twice `most` ids, however
/// many come.
class FairIds {
 public:
  explicit FairIds(std::size_t most) : most_(most) {}

  /// An id that has come before is not taken for another.
  void add(std::string_view id) {
    if (most_ == 0) return;
    const std::string_view owner = id.substr(0, id.find('/') + 1);
    auto last = ranks_.find(owner);
    if (last == ranks_.end()) last = ranks_.emplace(owner, 0).first;
    // Of a rank that has no place: what comes does not make more of it.
    if (last->second + 1 >= full_from_ || ids_.contains(id)) return;
    kept_.push_back({&*ids_.emplace(id).first, ++last->second});
    if (kept_.size() > 2 * most_ + kSlack) choose();
  }

  /// Those that are chosen, in the order they came in.
  [[nodiscard]] std::vector<std::string> take() {
    choose();
    std::vector<std::string> out;
    out.reserve(kept_.size());
    for (const Kept& kept : kept_) out.push_back(*kept.id);
    return out;
  }

 private:
  static constexpr std::size_t kSlack = 64;
  struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
      return std::hash<std::string_view>{}(text);
    }
  };
  struct Kept {
    const std::string* id;  ///< in ids_
    std::size_t rank;       ///< among its owner's, from 1
  };

  /// Drops what so many stand before that it is never chosen.
  void choose() {
    if (kept_.size() <= most_) return;
    std::vector<std::size_t> of_rank;
    for (const Kept& kept : kept_) {
      of_rank.resize(std::max(of_rank.size(), kept.rank + 1));
      ++of_rank[kept.rank];
    }
    std::size_t places = most_;
    std::size_t last = 1;
    while (of_rank[last] <= places) places -= of_rank[last++];
    full_from_ = last;
    std::erase_if(kept_, [&](const Kept& kept) {
      if (kept.rank < last) return false;
      if (kept.rank == last && places > 0) {
        --places;
        return false;
      }
      ids_.erase(ids_.find(*kept.id));
      return true;
    });
  }

  std::size_t most_;
  std::size_t full_from_ = std::numeric_limits<std::size_t>::max();            ///< rank
  std::unordered_map<std::string, std::size_t, Hash, std::equal_to<>> ranks_;  ///< last, by owner
  std::unordered_set<std::string, Hash, std::equal_to<>> ids_;
  std::vector<Kept> kept_;  ///< in the order they came in
};

}  // namespace tollgate::store
