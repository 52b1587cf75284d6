#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "tollgate/domain/budget/journal.hpp"
#include "tollgate/domain/budget/spend_history.hpp"
#include "unit/budget/torn_slot.hpp"

/// What a ledger lives among, in plain memory: the rows of the store and the file of the journal.
namespace tollgate::domain::budget::simulation {

using Name = std::pair<config::ScopeKind, std::string>;

/// The rows of the store.
class Record final : public SpendHistory {
 public:
  struct Row {
    Amounts amounts;
    base::WallTime at;
    bool is_overrun = false;
  };

  void add(const Name& scope, const Row& row) { rows_[scope].push_back(row); }

  base::Result<Sums> settled_since(config::ScopeKind kind, std::string_view id,
                                   base::WallTime since) override {
    Sums sum;
    for (const Row& row : of(kind, id)) {
      if (row.at < since) continue;
      sum.usd += row.amounts.usd;
      sum.tokens += row.amounts.tokens;
      sum.requests += row.amounts.requests;
    }
    return sum;
  }
  base::Result<bool> has_overrun_since(config::ScopeKind kind, std::string_view id,
                                       base::WallTime since) override {
    for (const Row& row : of(kind, id))
      if (row.at >= since && row.is_overrun) return true;
    return false;
  }
  base::Result<std::optional<base::WallTime>> newest_charge() override;
  base::Result<std::vector<std::string>> live_scopes_since(config::ScopeKind kind,
                                                           base::WallTime since,
                                                           std::size_t most) override;

 private:
  [[nodiscard]] std::span<const Row> of(config::ScopeKind kind, std::string_view id) const {
    const auto found = rows_.find(Name(kind, id));
    if (found == rows_.end()) return {};
    return found->second;
  }
  std::map<Name, std::vector<Row>> rows_;
};

/// What a journal's slot says of a hold or a settlement; as it should be, or as it was read.
struct Trace {
  std::string call;
  bool is_attempt = false;
  bool is_settled = false;
  bool is_estimated = false;
  Amounts amounts;
  std::int64_t held_at_us = 0;
  std::vector<Name> scopes;

  [[nodiscard]] auto key() const {
    return std::tie(call, is_attempt, is_settled, is_estimated, amounts.usd.value, amounts.tokens,
                    amounts.requests, held_at_us, scopes);
  }
  friend bool operator<(const Trace& a, const Trace& b) { return a.key() < b.key(); }
};
[[nodiscard]] std::string to_string(const Trace& trace);

/// A journal with its file in memory.
class JournalFile final : private Journal::Keeper {
 public:
  JournalFile() : journal(this) {
    // As the store maps it: aligned to a sector.
    const auto at = reinterpret_cast<std::uintptr_t>(bytes_.get());
    memory_ = bytes_.get() + (512 - at % 512) % 512;
    Journal::format({memory_, Journal::kChunkBytes});
    journal.grow(memory_);
  }

  /// The slots that were ever used, as they stand.
  [[nodiscard]] std::vector<std::byte> image() const {
    return {memory_, memory_ + journal.high_water() * Journal::kSlotBytes};
  }
  /// All that an image says, sorted; absent when it cannot be believed.
  [[nodiscard]] std::optional<std::vector<Trace>> read(std::span<const std::byte> image) const;

  Journal journal;

 private:
  void on_name(std::uint32_t number, ScopeName name) noexcept override {
    names_[number] = {name.kind, std::string(name.id)};
  }

  std::unique_ptr<std::byte[]> bytes_ = std::make_unique<std::byte[]>(Journal::kChunkBytes + 512);
  std::byte* memory_ = nullptr;
  std::map<std::uint32_t, Name> names_;
};

/// An image of which one update got only so far (torn_slot.hpp). Absent when not exactly one update
/// lies between.
[[nodiscard]] std::optional<std::vector<std::byte>> cut(std::vector<std::byte> before,
                                                        const std::vector<std::byte>& after,
                                                        std::size_t bytes);

}  // namespace tollgate::domain::budget::simulation
