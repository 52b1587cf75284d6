#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include "tollgate/domain/budget/journal.hpp"

namespace tollgate::domain::budget {

/// Bytes at which an update of a slot is whole: owner, version without its seal, seal.
inline constexpr std::size_t kWholeUpdate = Journal::kOwnerBytes + Journal::kVersionBytes;

/// What a process leaves in a slot when it is killed in the middle of the update that makes
/// `after` of `slot`: the seal of the version that is written over is gone, and `bytes` of the rest
/// are there, in the order of the stores (owner, version, seal).
inline void tear(std::span<std::byte> slot, std::span<const std::byte> after, std::size_t bytes) {
  constexpr std::size_t kSeal = 8;
  const auto differs = [&](std::size_t at, std::size_t size) {
    return !std::equal(slot.begin() + static_cast<std::ptrdiff_t>(at),
                       slot.begin() + static_cast<std::ptrdiff_t>(at + size),
                       after.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const auto take = [&](std::size_t at, std::size_t size) {
    const std::size_t here = std::min(size, bytes);
    std::copy_n(after.begin() + static_cast<std::ptrdiff_t>(at), here,
                slot.begin() + static_cast<std::ptrdiff_t>(at));
    bytes -= here;
  };
  const std::size_t version = differs(0, Journal::kVersionBytes) ? 0 : Journal::kVersionBytes;
  const std::size_t owners = 2 * Journal::kVersionBytes;
  const std::size_t owner =
      owners + (differs(owners, Journal::kOwnerBytes) ? 0 : Journal::kOwnerBytes);
  std::fill_n(slot.begin() + static_cast<std::ptrdiff_t>(version), kSeal, std::byte{0});
  take(owner, Journal::kOwnerBytes);
  take(version + kSeal, Journal::kVersionBytes - kSeal);
  // In one store.
  if (bytes >= kSeal) take(version, kSeal);
}

}  // namespace tollgate::domain::budget
