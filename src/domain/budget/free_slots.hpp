#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tollgate::domain::budget {

/// Which slots are free; hands out the lowest.
///
/// Purpose:  slots in use stay together at the beginning, however many there once were: the
///           journal's pages that are written, and synced, are those of the calls of now.
/// Cost:     a bit of three words a slot; take() looks at one word for every 4,096 slots. Only
///           grow() allocates.
class FreeSlots {
 public:
  /// Adds `count` free slots behind those there are. A multiple of 64.
  void grow(std::size_t count) {
    words_.resize(words_.size() + count / 64, ~std::uint64_t{0});
    groups_.resize((words_.size() + 63) / 64);
    for (std::size_t word = words_.size() - count / 64; word < words_.size(); ++word) mark(word);
    count_ += count;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }

  /// The lowest free slot, which is not free any more. Not when empty().
  [[nodiscard]] std::uint32_t take() noexcept {
    std::size_t group = 0;
    while (groups_[group] == 0) ++group;
    const std::size_t word =
        group * 64 + static_cast<std::size_t>(std::countr_zero(groups_[group]));
    const auto bit = static_cast<std::size_t>(std::countr_zero(words_[word]));
    words_[word] &= words_[word] - 1;
    if (words_[word] == 0) groups_[group] &= groups_[group] - 1;
    --count_;
    return static_cast<std::uint32_t>(word * 64 + bit);
  }
  /// A slot that was taken is free again.
  void put(std::uint32_t slot) noexcept {
    words_[slot / 64] |= std::uint64_t{1} << slot % 64;
    mark(slot / 64);
    ++count_;
  }

 private:
  void mark(std::size_t word) noexcept { groups_[word / 64] |= std::uint64_t{1} << word % 64; }

  std::vector<std::uint64_t> words_;   ///< a bit for each slot: 1 when it is free
  std::vector<std::uint64_t> groups_;  ///< a bit for each word: 1 when it has a free slot
  std::size_t count_ = 0;
};

}  // namespace tollgate::domain::budget
