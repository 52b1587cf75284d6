// The journal's slots: what is left of them after a kill at any store, and what is told as damage.
#include "tollgate/domain/budget/journal.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include <random>

#include "tollgate/config/names.hpp"
#include "unit/budget/ledger_fixture.hpp"
#include "unit/budget/torn_slot.hpp"

namespace tollgate::domain::budget {
namespace {

using State = JournalEntry::State;
using Verdict = Journal::Read::Verdict;

/// A chunk of memory as the store maps it.
class Memory {
 public:
  Memory() : bytes_(Journal::kChunkBytes + 512) { Journal::format({data(), Journal::kChunkBytes}); }
  std::byte* data() {
    const auto at = reinterpret_cast<std::uintptr_t>(bytes_.data());
    return bytes_.data() + (512 - at % 512) % 512;
  }
  std::span<std::byte> slot(SlotNumber number) {
    return {data() + number * Journal::kSlotBytes, Journal::kSlotBytes};
  }

 private:
  std::vector<std::byte> bytes_;
};

JournalEntry entry_of(std::string_view request, Amounts amounts) {
  JournalEntry entry;
  entry.state = State::held;
  entry.amounts = amounts;
  entry.size = 2;
  entry.scopes = {7, 9};
  entry.request_id = request;
  return entry;
}

class JournalSlots : public ::testing::Test {
 protected:
  JournalSlots() { journal.grow(memory.data()); }
  Journal::Read read(SlotNumber slot, bool machine_failed = false) {
    return Journal::read(memory.slot(slot), machine_failed);
  }
  Memory memory;
  Journal journal;
};

TEST_F(JournalSlots, AHoldItsSettlementAndItsEnd) {
  EXPECT_EQ(read(5).verdict, Verdict::empty);
  journal.write(5, entry_of("req_1", {usd(1), 20, 1}));
  ASSERT_EQ(read(5).verdict, Verdict::entry);
  EXPECT_EQ(read(5).entry.state, State::held);
  EXPECT_EQ(read(5).entry.request_id, "req_1");
  EXPECT_EQ(read(5).entry.amounts, Amounts(usd(1), 20, 1));
  journal.set_amounts(5, State::settled, {cents(3), 4, 1}, true);
  EXPECT_EQ(read(5).entry.state, State::settled);
  EXPECT_TRUE(read(5).entry.is_estimated);
  EXPECT_EQ(read(5).entry.scopes[1], 9u);
  EXPECT_EQ(read(5).entry.amounts, Amounts(cents(3), 4, 1));
  journal.free(5);
  EXPECT_EQ(read(5).verdict, Verdict::empty);
  EXPECT_FALSE(read(5).was_cut);
  EXPECT_EQ(read(4).verdict, Verdict::empty);
  EXPECT_EQ(read(6).verdict, Verdict::empty);
}

// Neither is what a kill can leave: an update writes one version.
TEST_F(JournalSlots, ABlankSlotIsDamaged) {
  journal.write(0, entry_of("req_1", {usd(1), 20, 1}));
  for (const SlotNumber slot : {0u, 9u}) {
    std::fill(memory.slot(slot).begin(), memory.slot(slot).end(), std::byte{0});
    EXPECT_EQ(read(slot).verdict, Verdict::damaged);
    EXPECT_EQ(read(slot, true).verdict, Verdict::damaged);
  }
}

TEST_F(JournalSlots, WhatWasWrittenIsToldOnce) {
  EXPECT_EQ(journal.take_written(), 0u);
  journal.free(7);
  journal.free(1);
  EXPECT_EQ(journal.take_written(), 8u);
  EXPECT_EQ(journal.take_written(), 0u);
  journal.free(1);
  EXPECT_EQ(journal.take_written(), 2u);
  EXPECT_EQ(journal.high_water(), 8u);
}

// A hold that is written anew (another deployment) keeps its texts, which stand in the slot itself;
// so does the attempt that is split off it.
TEST_F(JournalSlots, TextsOfASlotCanBeWrittenToIt) {
  const std::string longest(JournalEntry::kIdBytes, 'r');
  const std::string longer = longest + "cut";
  JournalEntry entry = entry_of(longer, {usd(1), 20, 1});
  entry.session = "s";
  entry.end_user = longest;
  entry.size = JournalEntry::kScopes;
  std::iota(entry.scopes.begin(), entry.scopes.end(), 1u);
  journal.write(3, entry);
  for (std::size_t i = 0; i < 5; ++i) {
    JournalEntry again = journal.copy(3);
    again.size = static_cast<std::uint8_t>(JournalEntry::kScopes - i);
    journal.write(3, again);
    journal.write(4, journal.copy(3));
    for (const SlotNumber slot : {3u, 4u}) {
      const Journal::Read read = this->read(slot);
      ASSERT_EQ(read.verdict, Verdict::entry);
      EXPECT_EQ(read.entry.request_id, longest);
      EXPECT_EQ(read.entry.session, "s");
      EXPECT_EQ(read.entry.end_user, longest);
      EXPECT_EQ(read.entry.size, JournalEntry::kScopes - i);
      EXPECT_EQ(read.entry.scopes[5], 6u);
    }
  }
}

TEST(Journal, SaysWhenItFillsUp) {
  struct Keeper final : Journal::Keeper {
    void on_name(std::uint32_t, ScopeName) noexcept override {}
    void on_filling() noexcept override { ++told; }
    int told = 0;
  } keeper;
  Memory memory;
  Journal journal(&keeper);
  journal.grow(memory.data());
  journal.free(Journal::kChunkSlots / 2 - 1);
  EXPECT_EQ(keeper.told, 0);
  journal.free(Journal::kChunkSlots / 2);
  journal.free(Journal::kChunkSlots / 2);
  EXPECT_EQ(keeper.told, 1);
  journal.free(Journal::kChunkSlots - 1);
  EXPECT_EQ(keeper.told, 2);
}

/// One thing after the other happens to a slot; killed in the middle of the next, it says what the
/// last whole one said. `cut` bytes of the version being written are there.
TEST_F(JournalSlots, KilledInAnyUpdateTheVersionBeforeCounts) {
  std::vector<std::function<void()>> updates;
  for (int i = 0; i < 8; ++i) {
    updates.push_back([this, i] { journal.write(0, entry_of("req_x", {usd(i), i, 1})); });
    updates.push_back([this, i] {
      journal.set_amounts(0, State::settled, {cents(i), 2, 1}, false);
    });
    updates.push_back([this] { journal.free(0); });
  }
  for (const auto& update : updates) {
    const Journal::Read before = read(0);
    std::array<std::byte, Journal::kSlotBytes> old{};
    std::copy_n(memory.slot(0).begin(), old.size(), old.begin());
    update();
    std::array<std::byte, Journal::kSlotBytes> fresh{};
    std::copy_n(memory.slot(0).begin(), fresh.size(), fresh.begin());
    const Journal::Read after = read(0);
    for (std::size_t cut = 0; cut <= kWholeUpdate; ++cut) {
      auto torn = old;
      tear(torn, fresh, cut);
      const Journal::Read found = Journal::read(torn, false);
      const Journal::Read& expected = cut == kWholeUpdate ? after : before;
      ASSERT_EQ(found.verdict, expected.verdict) << cut;
      ASSERT_EQ(found.sequence, expected.sequence) << cut;
      ASSERT_EQ(found.was_cut, cut != kWholeUpdate) << cut;
      ASSERT_EQ(found.entry.request_id, expected.verdict == Verdict::entry ? "req_x" : "") << cut;
      ASSERT_EQ(found.entry.amounts, expected.entry.amounts) << cut;
    }
  }
}

// A byte that nobody of us wrote is found, whichever it is, or says nothing; after a power failure
// it may be one that the disk did not get.
TEST_F(JournalSlots, EveryFlippedByteIsFound) {
  journal.write(0, entry_of("req_1", {usd(1), 20, 1}));
  journal.write(0, entry_of("req_1", {usd(2), 20, 1}));
  constexpr std::size_t kUsed = 2 * sizeof(std::uint32_t) + 5;
  for (std::size_t i = 0; i < Journal::kSlotBytes; ++i) {
    std::byte& byte = memory.slot(0)[i];
    byte ^= std::byte{0x41};
    const std::size_t owners = 2 * Journal::kVersionBytes;
    const bool is_owner = i >= owners;
    const std::size_t which =
        is_owner ? (i - owners) / Journal::kOwnerBytes : i / Journal::kVersionBytes;
    const bool says = !is_owner || (i - owners) % Journal::kOwnerBytes < kUsed;
    EXPECT_EQ(read(0).verdict, says ? Verdict::damaged : Verdict::entry) << i;
    const Journal::Read torn = read(0, true);
    ASSERT_EQ(torn.verdict, Verdict::entry) << i;
    // The second write made version 1 and its owner.
    const bool is_latest = which == 1;
    EXPECT_EQ(torn.entry.amounts.usd, says && is_latest ? usd(1) : usd(2)) << i;
    byte ^= std::byte{0x41};
  }
}

/// A ledger with a journal, killed after any step, leaves exactly the open holds and the
/// settlements that are not on record.
TEST(JournalLedger, WhatIsLeftIsWhatIsOpen) {
  Memory memory;
  std::map<std::uint32_t, std::string> names;
  struct Names final : Journal::Keeper {
    explicit Names(std::map<std::uint32_t, std::string>& n) : names(n) {}
    void on_name(std::uint32_t number, ScopeName name) noexcept override {
      names[number] = std::string(config::name_of(name.kind)) + ":" + std::string(name.id);
    }
    std::map<std::uint32_t, std::string>& names;
  } sink(names);
  Journal journal(&sink);
  journal.grow(memory.data());
  FakeClock clock("2026-11-25T12:00:00Z");
  FakeHistory history;
  Ledger ledger(clock, {.open_holds = 8, .journal = &journal});
  config::Snapshot snapshot;
  snapshot.budgets = {budget_of(ScopeKind::key, "k1", usd(100))};
  config::EachOf each;
  each.owner = ScopeKind::agent;
  each.owner_id = "a1";
  each.budgets.emplace_back().limit = usd(50);
  snapshot.each = {each};
  ASSERT_TRUE(ledger.configure(snapshot, history).has_value());
  const ScopePath key = ledger.resolve({{ScopeKind::key, "k1"}, {ScopeKind::agent, "a1"}});
  const LiveSources live = ledger.live_sources({"k1", "a1", "", ""});
  const ScopePath what = ledger.resolve({{ScopeKind::model, "m1"}});

  struct Known {
    Amounts amounts;
    bool is_settled;
  };
  std::map<std::string, std::vector<Known>> expected;  // by call; attempts beside the call
  struct Open {
    std::string id;
    Hold hold;
  };
  std::vector<Open> open;
  std::vector<std::pair<std::string, Settlement>> uncommitted;
  std::mt19937_64 random(5);
  const auto pick = [&](std::int64_t most) {
    return std::uniform_int_distribution<std::int64_t>(0, most)(random);
  };
  const auto check = [&] {
    std::map<std::string, std::vector<Known>> found;
    for (SlotNumber slot = 0; slot < 200; ++slot) {
      const Journal::Read read = Journal::read(memory.slot(slot), false);
      ASSERT_NE(read.verdict, Verdict::damaged);
      ASSERT_FALSE(read.was_cut);
      if (read.verdict != Verdict::entry) continue;
      const std::string id(read.entry.request_id);
      found[id].push_back({read.entry.amounts, read.entry.state == State::settled});
      ASSERT_EQ(read.entry.size, 4);
      EXPECT_EQ(names.at(read.entry.scopes[0]), "key:k1");
      EXPECT_EQ(names.at(read.entry.scopes[2]), "session:agent:a1/");
      EXPECT_EQ(read.entry.session, "s" + id);
      EXPECT_TRUE(names.at(read.entry.scopes[3]).starts_with("model:")) << "after a failover too";
    }
    expected.clear();
    for (const Open& o : open) expected[o.id].push_back({o.hold.amounts(), false});
    for (const auto& [id, s] : uncommitted) expected[id].push_back({s.charged, true});
    ASSERT_EQ(found.size(), expected.size());
    const auto order = [](const Known& a, const Known& b) {
      return std::tuple(a.is_settled, a.amounts.usd.value, a.amounts.tokens, a.amounts.requests) <
             std::tuple(b.is_settled, b.amounts.usd.value, b.amounts.tokens, b.amounts.requests);
    };
    for (auto& [id, list] : expected) {
      auto& other = found[id];
      std::sort(list.begin(), list.end(), order);
      std::sort(other.begin(), other.end(), order);
      ASSERT_EQ(list.size(), other.size()) << id;
      for (std::size_t i = 0; i < list.size(); ++i) {
        EXPECT_EQ(list[i].amounts, other[i].amounts) << id;
        EXPECT_EQ(list[i].is_settled, other[i].is_settled) << id;
      }
    }
  };
  for (int step = 0; step < 3'000; ++step) {
    const auto way = pick(9);
    if (open.size() < 40 && way < 4) {
      const std::string id = "req_" + std::to_string(step);
      const std::string session = "s" + id;
      ScopePath who = key;
      const CallRef call{id, session, {}};
      ASSERT_TRUE(ledger.add_live(live, call, who).has_value());
      HoldResult h = ledger.hold(who, what, {cents(pick(50)), pick(1'000), 1}, call);
      if (h.has_value()) open.push_back({id, std::move(*h)});
    } else if (!open.empty() && way < 9) {
      const auto at = static_cast<std::size_t>(pick(static_cast<std::int64_t>(open.size()) - 1));
      Open& one = open[at];
      if (way == 4) {
        one.hold.shrink({cents(pick(20)), pick(100), 1});
      } else if (way == 5) {
        const ScopePath other = ledger.resolve({{ScopeKind::model, "m" + std::to_string(pick(3))}});
        static_cast<void>(one.hold.rebase(other, {cents(pick(20)), 5, 1}));
      } else if (way == 6 && open.size() < 40) {
        Hold part = one.hold.split({cents(1), 1, 0});
        ASSERT_TRUE(static_cast<bool>(part));
        open.push_back({one.id, std::move(part)});
      } else {
        Open gone = std::move(one);
        open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
        if (way == 7) {
          gone.hold.release();
        } else {
          const Settlement s = gone.hold.settle({cents(pick(50)), 3, gone.hold.amounts().requests});
          if (s.slot != kNoSlot) uncommitted.emplace_back(gone.id, s);
        }
      }
    } else if (!uncommitted.empty()) {
      std::vector<SlotNumber> slots;
      for (const auto& [id, s] : uncommitted) slots.push_back(s.slot);
      ledger.committed(slots);
      uncommitted.clear();
    }
    ASSERT_NO_FATAL_FAILURE(check()) << step;
    ASSERT_EQ(ledger.uncommitted(), uncommitted.size());
  }
  open.clear();
  std::vector<SlotNumber> slots;
  for (const auto& [id, s] : uncommitted) slots.push_back(s.slot);
  ledger.committed(slots);
  uncommitted.clear();
  ASSERT_NO_FATAL_FAILURE(check());
  EXPECT_LT(journal.high_water(), 200u) << "slots are reused";
}

TEST(JournalLedger, WithoutAPlaceACallIsRefusedAndAnAttemptIsNot) {
  Memory memory;
  Journal journal;
  journal.grow(memory.data());
  FakeClock clock("2026-11-25T12:00:00Z");
  Ledger ledger(clock, {.open_holds = 1, .journal = &journal});
  const ScopePath who = ledger.resolve({{ScopeKind::key, "k1"}});
  std::vector<Hold> holds;
  for (;;) {
    HoldResult h = ledger.hold(who, {}, cents(1));
    if (h.has_error()) {
      EXPECT_EQ(h.error().kind, Refusal::Kind::full);
      EXPECT_EQ(to_error(h.error(), true).code(), base::ErrorCode::overloaded);
      break;
    }
    holds.push_back(std::move(*h));
  }
  EXPECT_EQ(holds.size(), Journal::kChunkSlots - Journal::kChunkSlots / 16);
  EXPECT_TRUE(static_cast<bool>(holds[0].split(cents(1))));
  holds.pop_back();
  EXPECT_TRUE(ledger.hold(who, {}, cents(1)).has_value());
}

}  // namespace
}  // namespace tollgate::domain::budget
