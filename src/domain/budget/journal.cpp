#include "tollgate/domain/budget/journal.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <type_traits>

#include "tollgate/base/crc32c.hpp"

namespace tollgate::domain::budget {

/// What changes with every update.
struct Journal::Version {
  /// Sequence number (high half) and checksum of what follows and of the owner (low half): written
  /// last, in one store. 0 while the rest is being written.
  std::uint64_t seal = 0;
  JournalEntry::State state = JournalEntry::State::free;
  std::uint8_t is_attempt : 1 = 0, is_estimated : 1 = 0;
  std::uint8_t owner : 1 = 0;                              ///< which of the two
  std::uint8_t scopes = 0;                                 ///< how many
  std::uint8_t request_id = 0, session = 0, end_user = 0;  ///< bytes
  std::uint16_t unused = 0;
  std::int64_t usd = 0, tokens = 0, requests = 0, held_at_us = 0;

  [[nodiscard]] std::size_t owner_bytes() const noexcept {
    return scopes * sizeof(std::uint32_t) + request_id + session + end_user;
  }
  void set(const Amounts& amounts) noexcept {
    usd = amounts.usd.value;
    tokens = amounts.tokens;
    requests = amounts.requests;
  }
};

/// Whose money it is: numbers of scopes, then the texts, one behind the other.
struct Journal::Owner {
  std::array<std::byte, JournalEntry::kScopes * sizeof(std::uint32_t) + 3 * JournalEntry::kIdBytes>
      bytes{};
};

struct Journal::Place {
  Version versions[2];
  Owner owners[2];
};

namespace {

/// All of a version but its seal.
constexpr std::size_t kBodyBytes = Journal::kVersionBytes - sizeof(std::uint64_t);
template <class Version>
auto* body_of(Version& version) noexcept {
  using Byte = std::conditional_t<std::is_const_v<Version>, const std::byte, std::byte>;
  return reinterpret_cast<Byte*>(&version) + sizeof version.seal;
}

std::uint32_t sequence_of(std::uint64_t seal) noexcept {
  return static_cast<std::uint32_t>(seal >> 32);
}

/// Whether `a` was written after `b`. Neighbours only are compared, so the number may wrap.
bool is_later(std::uint64_t a, std::uint64_t b) noexcept {
  return static_cast<std::int32_t>(sequence_of(a) - sequence_of(b)) > 0;
}

/// The store's thread adds nothing to it, atomically, to keep its page at hand (JournalFile).
std::uint64_t load_seal(const std::uint64_t& seal) noexcept {
  return __atomic_load_n(&seal, __ATOMIC_RELAXED);
}

/// In one store, and in this order towards the compiler: what a killed process leaves behind are
/// its stores in the order of the program.
void store_seal(std::uint64_t& seal, std::uint64_t value) noexcept {
  std::atomic_signal_fence(std::memory_order_seq_cst);
  __atomic_store_n(&seal, value, __ATOMIC_RELEASE);
  std::atomic_signal_fence(std::memory_order_seq_cst);
}

template <class Versions>
auto& current_of(Versions& versions) noexcept {
  return is_later(load_seal(versions[1].seal), load_seal(versions[0].seal)) ? versions[1]
                                                                            : versions[0];
}

}  // namespace

std::uint32_t Journal::checksum(const Version& version, const Owner& owner,
                                std::uint32_t sequence) noexcept {
  std::uint32_t crc = base::crc32c({body_of(version), kBodyBytes}, sequence);
  crc = base::crc32c({owner.bytes.data(), version.owner_bytes()}, crc);
  return crc == 0 ? 1 : crc;  // 0 means "being written"
}

bool Journal::is_whole(const Place& place, const Version& version) noexcept {
  constexpr std::size_t kId = JournalEntry::kIdBytes;
  return version.scopes <= JournalEntry::kScopes && version.request_id <= kId &&
         version.session <= kId && version.end_user <= kId &&
         static_cast<std::uint32_t>(version.seal) ==
             checksum(version, place.owners[version.owner], sequence_of(version.seal));
}

void Journal::format(std::span<std::byte> chunk) noexcept {
  std::memset(chunk.data(), 0, chunk.size());
  for (std::size_t at = 0; at + kSlotBytes <= chunk.size(); at += kSlotBytes) {
    Place place;
    for (std::uint32_t i = 0; i < 2; ++i) {
      const std::uint32_t sequence = i + 1;
      place.versions[i].seal =
          std::uint64_t{sequence} << 32 | checksum(place.versions[i], place.owners[0], sequence);
    }
    std::memcpy(chunk.data() + at, &place, sizeof place);
  }
}

void Journal::grow(std::byte* chunk) noexcept {
  const std::uint32_t count = chunks_.load(std::memory_order_relaxed);
  if (count == kMaxChunks) return;
  memory_[count] = chunk;
  chunks_.store(count + 1, std::memory_order_release);
}

Journal::Place& Journal::place(SlotNumber slot) const noexcept {
  static_assert(sizeof(Place) == kSlotBytes && sizeof(Version) == kVersionBytes &&
                sizeof(Owner) == kOwnerBytes);
  std::byte* const chunk = memory_[slot / kChunkSlots];
  return *reinterpret_cast<Place*>(chunk + std::size_t{slot % kChunkSlots} * kSlotBytes);
}

void Journal::note_write(SlotNumber slot) noexcept {
  // Looked at before they are set: else every call would fetch the line from the other core.
  std::uint32_t written = written_.load(std::memory_order_relaxed);
  while (slot >= written && !written_.compare_exchange_weak(written, slot + 1)) {
  }
  std::uint32_t most = high_water_.load(std::memory_order_relaxed);
  while (slot >= most) {
    if (!high_water_.compare_exchange_weak(most, slot + 1)) continue;
    if (keeper_ != nullptr && slot >= capacity() / 2) keeper_->on_filling();
    return;
  }
}

void Journal::put(Place& place, SlotNumber slot, const Version& current,
                  const Version& fresh) noexcept {
  Version& version = &current == &place.versions[0] ? place.versions[1] : place.versions[0];
  const std::uint32_t sequence = sequence_of(load_seal(current.seal)) + 1;
  store_seal(version.seal, 0);
  std::memcpy(body_of(version), body_of(fresh), kBodyBytes);
  store_seal(version.seal, std::uint64_t{sequence} << 32 |
                               checksum(version, place.owners[version.owner], sequence));
  note_write(slot);
}

void Journal::write(SlotNumber slot, const JournalEntry& entry) noexcept {
  Place& at = place(slot);
  Version& current = current_of(at.versions);
  Version fresh;
  fresh.state = entry.state;
  fresh.is_attempt = entry.is_attempt;
  fresh.is_estimated = entry.is_estimated;
  // Not over what the version that counts refers to.
  fresh.owner = current.state != JournalEntry::State::free && current.owner == 0 ? 1 : 0;
  fresh.scopes = entry.size;
  fresh.set(entry.amounts);
  fresh.held_at_us = entry.held_at_us;
  // The version that is written over may refer to it: that one must not count any more.
  Version& stale = &current == &at.versions[0] ? at.versions[1] : at.versions[0];
  store_seal(stale.seal, 0);
  std::byte* to = at.owners[fresh.owner].bytes.data();
  const std::size_t scopes = entry.size * sizeof(std::uint32_t);
  std::memcpy(to, entry.scopes.data(), scopes);
  to += scopes;
  const auto append = [&to](std::string_view text) {
    const std::size_t size = std::min(text.size(), JournalEntry::kIdBytes);
    // An empty view may have no data.
    if (size > 0) std::memcpy(to, text.data(), size);
    to += size;
    return static_cast<std::uint8_t>(size);
  };
  fresh.request_id = append(entry.request_id);
  fresh.session = append(entry.session);
  fresh.end_user = append(entry.end_user);
  put(at, slot, current, fresh);
}

JournalEntry Journal::unpack(const Version& version, const std::byte* at) noexcept {
  JournalEntry entry;
  entry.state = version.state;
  entry.is_attempt = version.is_attempt != 0;
  entry.is_estimated = version.is_estimated != 0;
  entry.size = version.scopes;
  entry.amounts = {{version.usd}, version.tokens, version.requests};
  entry.held_at_us = version.held_at_us;
  std::memcpy(entry.scopes.data(), at, version.scopes * sizeof(std::uint32_t));
  at += version.scopes * sizeof(std::uint32_t);
  const auto take = [&at](std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(at), size);
    at += size;
    return text;
  };
  entry.request_id = take(version.request_id);
  entry.session = take(version.session);
  entry.end_user = take(version.end_user);
  return entry;
}

JournalEntry Journal::copy(SlotNumber slot) const noexcept {
  const Place& at = place(slot);
  const Version& current = current_of(at.versions);
  return unpack(current, at.owners[current.owner].bytes.data());
}

void Journal::set_amounts(SlotNumber slot, JournalEntry::State state, const Amounts& amounts,
                          bool is_estimated) noexcept {
  Place& at = place(slot);
  const Version& current = current_of(at.versions);
  Version fresh;
  std::memcpy(body_of(fresh), body_of(current), kBodyBytes);
  fresh.state = state;
  fresh.is_estimated = is_estimated;
  fresh.set(amounts);
  put(at, slot, current, fresh);
}

void Journal::free(SlotNumber slot) noexcept {
  Place& at = place(slot);
  put(at, slot, current_of(at.versions), Version());
}

Journal::Read Journal::read(std::span<const std::byte> bytes, bool machine_failed) noexcept {
  Read result;
  Place at;
  std::memcpy(&at, bytes.data(), sizeof at);
  int best = -1;
  for (int i = 0; i < 2; ++i) {
    const Version& version = at.versions[i];
    if (version.seal == 0 || (machine_failed && !is_whole(at, version))) {
      result.was_cut = true;
    } else if (!is_whole(at, version)) {
      result.verdict = Read::Verdict::damaged;
      return result;
    } else if (best < 0 || is_later(version.seal, at.versions[best].seal)) {
      best = i;
    }
  }
  // Updates write one version at a time.
  if (best < 0) {
    result.verdict = Read::Verdict::damaged;
    return result;
  }
  const Version& version = at.versions[best];
  result.sequence = sequence_of(version.seal);
  if (version.state == JournalEntry::State::free) return result;
  const bool is_sane =
      version.state == JournalEntry::State::held || version.state == JournalEntry::State::settled;
  result.verdict = is_sane ? Read::Verdict::entry : Read::Verdict::damaged;
  // The texts point into what the caller has, which need not be aligned.
  result.entry =
      unpack(version, bytes.data() + offsetof(Place, owners) + version.owner * sizeof(Owner));
  return result;
}

}  // namespace tollgate::domain::budget
