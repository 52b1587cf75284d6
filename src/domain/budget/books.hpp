#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "domain/budget/account.hpp"
#include "tollgate/domain/budget/ledger.hpp"

namespace tollgate::domain::budget {

/// One key, agent, team, org, model or provider, with its budgets (perhaps none). Never removed: a
/// path is a list of scope numbers, and an id is a few dozen bytes.
struct Scope {
  config::ScopeKind kind = config::ScopeKind::key;
  std::string_view id;  ///< interned
  std::vector<Account> accounts;
  Nanos settled_total = 0;     ///< since the process started; tells whether a history read raced
  std::uint64_t freed_in = 0;  ///< scan of the waiters in which capacity came free here
  std::uint64_t stuck_in = 0;  ///< scan in which the first waiter here did not fit
};

/// One open hold. Plain numbers of fixed size.
struct Slot {
  static constexpr std::size_t kScopes = 2 * ScopePath::kCapacity;
  Nanos amount = 0;
  Micros held_at = 0;
  std::array<std::uint32_t, kScopes> scopes{};  ///< `who` first, then `what`
  std::uint32_t next_free = 0;
  std::uint8_t who_size = 0;
  std::uint8_t size = 0;
  bool is_open = false;
};

/// A waiting call; once out of the queue also what became of it.
struct WaitEntry {
  std::shared_ptr<Waiter> waiter;
  std::uint32_t scope = 0;  ///< the refusing one: its place in line is there
  std::uint32_t slot = 0;
  Nanos granted = -1;  ///< -1: refused
  Refusal refusal;
};
using WaitList = std::list<WaitEntry>;

/// The ledger's state and the steps on it. Every member function wants `mutex` held, except
/// `deliver`.
struct Books {
  static constexpr std::uint32_t kNone = 0xffff'ffff;
  static constexpr std::size_t kChunk = 256;  ///< slots made at a time; they never move

  Books(const base::Clock& c, Ledger& owner, Ledger::Options o);

  const base::Clock& clock;
  Ledger& ledger;
  const Ledger::Options options;

  std::mutex reload_mutex;  ///< one configure() or load() at a time; taken before `mutex`
  std::mutex mutex;

  Micros now = 0;  ///< budget time: never goes back
  std::vector<Scope> scopes;
  std::map<std::pair<config::ScopeKind, std::string_view>, std::uint32_t> scope_numbers;
  std::set<std::string, std::less<>> names;  ///< interned for good: events and rows point here

  std::vector<std::unique_ptr<Slot[]>> slot_chunks;
  std::uint32_t first_free = kNone;
  std::size_t open_count = 0;
  Wide open_amount = 0;  ///< sum of the open slots' amounts

  WaitList waiters;
  std::uint64_t scan = 0;
  bool has_rolled = false;  ///< a window opened while calls waited

  void advance(base::WallTime wall) noexcept {
    const Micros t = to_micros(wall);
    if (t > now) now = t;
  }
  void roll(Account& account) {
    if (now < account.window_end) return;
    account.open_window(now);
    has_rolled = true;
  }
  void roll(Scope& scope) {
    for (Account& account : scope.accounts) roll(account);
  }

  std::string_view intern(std::string_view text);
  std::uint32_t number_of(ScopeName name);
  [[nodiscard]] Slot& slot(std::uint32_t number) noexcept {
    return slot_chunks[number / kChunk][number % kChunk];
  }

  /// The number of the new hold, or kNone and `refusal` and `refusing` filled in.
  std::uint32_t try_hold(const ScopePath& who, const ScopePath& what, Nanos least, Nanos most,
                         Refusal& refusal, std::uint32_t& refusing);
  void free_slot(std::uint32_t number) noexcept;
  /// Puts the scopes of a path after those a slot has.
  static void append(Slot& slot, const ScopePath& path) noexcept;
  /// Room for a call on all its scopes, at least 0; opens the windows that are due.
  Nanos room(const Slot& slot);
  /// The budget to blame when `asked` did not fit; its scope number in `refusing`.
  Refusal blame(const Slot& slot, Nanos asked, std::uint32_t& refusing) const;
  /// Adds to `held` wherever a hold of time `held_at` counts.
  void add_held(const Slot& slot, Micros held_at, Nanos amount) noexcept;

  /// After capacity came free on the scopes of `freed`: hands it to who waits there, into `done`.
  void serve(const Slot& freed, WaitList& done);
  /// After a window opened or limits changed.
  void serve_all(WaitList& done);
  void serve_if_rolled(WaitList& done) {
    if (has_rolled) serve_all(done);
  }
  /// Tells the waiters what became of them. Without the mutex.
  static void deliver(Ledger& ledger, WaitList& done);

  [[nodiscard]] static BudgetRow row(const Scope& scope, const Account& account);

 private:
  std::uint32_t take_slot();
  void add_chunk();
  void scan_waiters(bool everywhere, WaitList& done);
};

}  // namespace tollgate::domain::budget
