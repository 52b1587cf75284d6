#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "tollgate/base/clock.hpp"
#include "tollgate/domain/budget/amounts.hpp"
#include "tollgate/domain/budget/report.hpp"
#include "tollgate/domain/budget/scope_path.hpp"

namespace tollgate::domain::budget {

/// What a slot says: a hold, or its settlement.
struct JournalEntry {
  enum class State : std::uint8_t {
    free,     ///< nothing is held, or all of it is on record
    held,     ///< `amounts` are held
    settled,  ///< `amounts` were charged; the row may not be on disk yet
  };
  /// Of each of the texts; what is longer is cut.
  static constexpr std::size_t kIdBytes = 40;
  static constexpr std::size_t kScopes = ScopePath::kCapacity + 2;

  State state = State::free;
  bool is_attempt = false;  ///< of an attempt that was given up, not of the call's end
  bool is_estimated = false;
  std::uint8_t size = 0;  ///< of scopes
  Amounts amounts;
  std::int64_t held_at_us = 0;  ///< budget time of the hold
  /// Numbers of names (Journal::Keeper). Of a session's or end user's scope that of its source,
  /// which its id completes.
  std::array<std::uint32_t, kScopes> scopes{};
  /// Of an entry that was read they point into the slot.
  std::string_view request_id, session, end_user;
};

/// What is on the open calls of a process, in memory that outlives it: a file mapped by the store.
///
/// A slot has two versions, and an update writes the one that does not count: killed at any
/// instruction, the process leaves at least the version before. Whose the money is (scopes and
/// ids) has a place beside each of them, and is written with a hold only: a settlement changes one
/// line of the cache. A slot is one sector of 512 bytes, which disks write whole. Plain bytes in
/// the byte order of the machine: a journal does not travel.
///
/// Threads:  a slot has one writer at a time, its hold's owner; grow() one thread; the rest any.
/// Crash:    of the process: nothing is lost, since the mapping is the kernel's. Of the machine:
///           what the store has not synced.
/// Cost:     no system call, no lock.
class Journal {
 public:
  static constexpr std::uint32_t kChunkSlots = 4'096;
  static constexpr std::size_t kSlotBytes = 512;
  /// Two versions, then their two owners.
  static constexpr std::size_t kVersionBytes = 48, kOwnerBytes = 208;
  static constexpr std::size_t kChunkBytes = kChunkSlots * kSlotBytes;
  static constexpr std::uint32_t kMaxChunks = 256;

  /// Whose memory it is.
  class Keeper {
   public:
    virtual ~Keeper() = default;
    /// Told of each name before a slot refers to it. Not on the path of a call; may do IO.
    virtual void on_name(std::uint32_t number, ScopeName name) noexcept = 0;
    /// More than half of the slots are in use, and more than ever: grow() soon. Any thread, on the
    /// path of a call.
    virtual void on_filling() noexcept {}
  };

  explicit Journal(Keeper* keeper = nullptr) : keeper_(keeper) {}
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  /// Writes free slots into a chunk's memory (aligned to 8): both versions sealed, so that one that
  /// is blank later on has been damaged.
  static void format(std::span<std::byte> chunk) noexcept;
  /// Adds memory for kChunkSlots more slots: formatted, aligned to 512, alive as long as the
  /// journal.
  void grow(std::byte* chunk) noexcept;
  /// Slots there is memory for.
  [[nodiscard]] std::uint32_t capacity() const noexcept {
    return chunks_.load(std::memory_order_acquire) * kChunkSlots;
  }
  /// One more than the highest slot that was ever written.
  [[nodiscard]] std::uint32_t high_water() const noexcept {
    return high_water_.load(std::memory_order_relaxed);
  }
  /// The same of what was written since the last call: 0 when there is nothing to sync.
  [[nodiscard]] std::uint32_t take_written() noexcept {
    return written_.load(std::memory_order_relaxed) == 0 ? 0 : written_.exchange(0);
  }

  // ---- by the ledger; `slot` < capacity() ----

  void name(std::uint32_t number, ScopeName name) noexcept {
    if (keeper_ != nullptr) keeper_->on_name(number, name);
  }
  /// Writes a new version of everything. The texts may be those of another slot, or of this one.
  void write(SlotNumber slot, const JournalEntry& entry) noexcept;
  /// What the version that counts says; its texts stand until the next write() to the slot but one.
  [[nodiscard]] JournalEntry copy(SlotNumber slot) const noexcept;
  /// Writes a new version with other amounts.
  void set_amounts(SlotNumber slot, JournalEntry::State state, const Amounts& amounts,
                   bool is_estimated) noexcept;
  void free(SlotNumber slot) noexcept;

  // ---- reading what a process left behind ----

  /// What one slot of a file says.
  struct Read {
    enum class Verdict : std::uint8_t { empty, entry, damaged };
    Verdict verdict = Verdict::empty;
    JournalEntry entry;
    std::uint32_t sequence = 0;  ///< of the version that counts: one more with each update
    bool was_cut = false;        ///< an update was under way when the process died
  };
  /// @param bytes           the slot's kSlotBytes; the entry's texts point into them
  /// @param machine_failed  the machine went down: a version that is torn counts as being written
  [[nodiscard]] static Read read(std::span<const std::byte> bytes, bool machine_failed) noexcept;

 private:
  struct Version;
  struct Owner;
  struct Place;  ///< a slot, as it lies in memory
  [[nodiscard]] Place& place(SlotNumber slot) const noexcept;
  [[nodiscard]] static std::uint32_t checksum(const Version& version, const Owner& owner,
                                              std::uint32_t sequence) noexcept;
  [[nodiscard]] static bool is_whole(const Place& place, const Version& version) noexcept;
  [[nodiscard]] static JournalEntry unpack(const Version& version, const std::byte* owner) noexcept;
  /// Writes `fresh` over the version that does not count.
  void put(Place& place, SlotNumber slot, const Version& current, const Version& fresh) noexcept;
  void note_write(SlotNumber slot) noexcept;

  Keeper* keeper_;
  std::array<std::byte*, kMaxChunks> memory_{};
  std::atomic<std::uint32_t> chunks_{0};
  std::atomic<std::uint32_t> high_water_{0};
  std::atomic<std::uint32_t> written_{0};
};

}  // namespace tollgate::domain::budget
