#pragma once

#include <array>
#include <atomic>
#include <boost/unordered/unordered_flat_map.hpp>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "domain/budget/account.hpp"
#include "domain/budget/free_slots.hpp"
#include "domain/budget/rate_window.hpp"
#include "tollgate/domain/budget/journal.hpp"
#include "tollgate/domain/budget/ledger.hpp"

namespace tollgate::domain::budget {

inline constexpr std::uint32_t kNone = 0xffff'ffff;

/// One rate limit of one scope.
struct RateAccount {
  config::RateUnit unit = config::RateUnit::requests;
  Units limit = 0;
  std::string_view name;  ///< interned by the ledger
  std::chrono::milliseconds per{0};
  Units open = 0;            ///< of `concurrent`: calls in flight
  bool needs_count = false;  ///< `open` does not know the calls that are in flight already
  std::unique_ptr<RateWindow> window;  ///< of the others

  /// What it counts of a call.
  [[nodiscard]] Units of(const UnitAmounts& amounts) const noexcept {
    return unit == config::RateUnit::tokens ? amounts.tokens() : amounts.requests();
  }
  [[nodiscard]] Units used() const noexcept { return window ? window->used() : open; }
};

/// What a configuration wants of one scope.
struct Limits {
  std::vector<config::Budget> budgets;
  std::vector<Calendar> calendars;  ///< of `budgets`
  std::vector<config::RateLimit> rates;
};

/// Budgets and rate limits that each session, or each end user, of one owner gets.
struct Source {
  config::ScopeKind kind = config::ScopeKind::session;
  bool is_configured = false;  ///< by the configuration taken over last
  bool is_required = false;
  Limits limits;
};
/// Whose sessions (end users): kind, owner's kind (absent: the gateway's), owner's id.
using Origin = std::tuple<config::ScopeKind, std::optional<config::ScopeKind>, std::string>;

/// Where a session or an end user stands among those of its owner.
enum class LiveOrder : std::uint8_t {
  uncharged,  ///< nothing was ever charged: nothing is lost with it
  charged,    ///< it has spend
  in_use,     ///< a slot or a call in line refers to it: it stays
};
/// The sessions, or the end users, of one owner that are known; the one used last stands first.
struct LiveGroup {
  std::uint32_t number = 0;  ///< of the scope "<owner>/"
  config::ScopeKind kind = config::ScopeKind::session;
  std::string_view prefix;         ///< "<owner>/"
  const Source* source = nullptr;  ///< in Books::origins
  std::size_t size = 0;            ///< of the three orders together
  std::list<std::uint32_t> orders[3];
  [[nodiscard]] std::list<std::uint32_t>& in(LiveOrder order) noexcept {
    return orders[static_cast<std::size_t>(order)];
  }
};
struct BySize {
  /// Of those of one size always the same one, whatever the order they came in.
  bool operator()(const LiveGroup* a, const LiveGroup* b) const noexcept {
    return std::tie(a->size, a->kind, a->prefix) < std::tie(b->size, b->kind, b->prefix);
  }
};

/// One key, agent, team, ... with its budgets and rate limits (perhaps none). Those that have names
/// in a configuration are never removed: a path is a list of scope numbers, and an id is a few
/// dozen bytes. Those that calls bring are forgotten some time after the last call (Live).
struct Scope {
  config::ScopeKind kind = config::ScopeKind::key;
  std::string_view id;  ///< interned; of a live scope in `live->id`
  std::vector<Account> accounts;
  std::vector<RateAccount> rates;
  UnitAmounts settled_total;   ///< since the process started; tells whether a history read raced
  std::uint64_t freed_in = 0;  ///< scan of the waiters in which capacity came free here
  std::uint64_t stuck_in = 0;  ///< scan in which a waiter here did not fit
  UnitAmounts stuck_at;        ///< the least that the last such one needs

  // How many calls share what is free here.
  std::uint32_t open = 0;     ///< holds
  std::uint32_t waiting = 0;  ///< calls in line
  std::uint32_t crowd = 0;    ///< the most at once of late, as far as it matters
  Micros crowd_at = 0;        ///< when that was

  /// Calls in line, in whichever, of which it is the caller: the first scope of their `who`.
  std::uint32_t calls_in_line = 0;

  /// Of a session or an end user.
  struct Live {
    std::string id;              ///< "<owner>/<session>"
    std::uint64_t life = 0;      ///< no other has the same, of this id and number neither
    LiveGroup* group = nullptr;  ///< never null
    /// Slots that refer to it, until their rows are on disk, and waiters in line: it stays.
    std::uint32_t references = 0;
    bool is_charged = false;  ///< something was charged to it, or put right
    LiveOrder order = LiveOrder::uncharged;
    Micros used_at = 0;
    std::list<std::uint32_t>::iterator place;           ///< in one of Books::live_orders
    std::list<std::uint32_t>::iterator place_in_group;  ///< in LiveGroup::in(order)
    /// Where it stands when nobody refers to it.
    [[nodiscard]] LiveOrder order_at_rest() const noexcept {
      return is_charged ? LiveOrder::charged : LiveOrder::uncharged;
    }
  };
  std::unique_ptr<Live> live;
};

/// One open hold, or a settlement whose row is not on disk yet. Plain numbers of fixed size.
struct Slot {
  static constexpr std::size_t kScopes = JournalEntry::kScopes;
  UnitAmounts amounts;
  Micros held_at = 0;                           ///< budget time
  Micros rated_at = 0;                          ///< by the monotonic clock
  std::array<std::uint32_t, kScopes> scopes{};  ///< `who` first, then `what`
  /// What the journal calls them: the scope itself, or a live one's source.
  std::array<std::uint32_t, kScopes> names{};
  std::uint8_t who_size = 0;
  std::uint8_t size = 0;
  bool is_open = false;
};

/// A waiting call; once out of the queue also what became of it.
struct WaitEntry {
  std::shared_ptr<Waiter> waiter;
  std::uint32_t scope = 0;  ///< the refusing one: its place in line is there
  SlotNumber slot = kNoSlot;
  Amounts granted;
  Refusal refusal;
};
using WaitList = std::list<WaitEntry>;

/// HoldRange, in order.
struct Demand {
  UnitAmounts least, useful, most;
  explicit Demand(const HoldRange& range) noexcept
      : least(range.least), useful(range.useful), most(range.most) {
    for (std::size_t u = 0; u < UnitAmounts::kUnits; ++u) {
      most.of[u] = std::max(most.of[u], least.of[u]);
      useful.of[u] = std::clamp(useful.of[u], least.of[u], most.of[u]);
    }
  }
};

/// The ledger's state and the steps on it. Every member function wants `mutex` held, except
/// `deliver` and those under "journal".
struct Books {
  static constexpr std::size_t kChunk = 256;  ///< slots made at a time; they never move

  Books(const base::Clock& c, Ledger& owner, Ledger::Options o);

  const base::Clock& clock;
  Ledger& ledger;
  const Ledger::Options options;

  std::mutex reload_mutex;  ///< one configure() or load() at a time; taken before `mutex`
  std::mutex mutex;

  Micros now = 0;   ///< budget time: never goes back
  Micros mono = 0;  ///< of the monotonic clock, when something was rated last
  std::atomic<bool> has_rates{false};
  std::vector<Scope> scopes;
  std::map<std::pair<config::ScopeKind, std::string_view>, std::uint32_t> scope_numbers;
  std::set<std::string, std::less<>> names;  ///< interned for good: events and rows point here

  // Sessions and end users.
  std::map<Origin, Source> origins;  ///< never removed
  /// Never removed; by the number of the scope "<owner>/".
  boost::unordered_flat_map<std::uint32_t, std::unique_ptr<LiveGroup>> live_groups;
  /// The same: the last has the most, and is the one to give something up.
  std::set<LiveGroup*, BySize> live_by_size;
  boost::unordered_flat_map<std::string_view, std::uint32_t> live_numbers[2];  ///< by Live::id
  /// Those that nobody refers to, and those in use; of the first the one used last stands first.
  std::list<std::uint32_t> live_orders[2];
  std::uint64_t live_lives = 0;
  std::vector<std::uint32_t> free_scopes;
  std::size_t max_live = 100'000;
  Micros live_idle = 0;

  std::vector<std::unique_ptr<Slot[]>> slot_chunks;
  FreeSlots free_slots;
  std::size_t open_count = 0;
  std::size_t uncommitted_count = 0;
  Wide open_usd = 0;  ///< sum of the open slots' money

  WaitList waiters;
  std::uint64_t scan = 0;
  bool has_rolled = false;  ///< a window opened while calls waited

  /// The clocks, read before the lock is taken.
  struct Time {
    base::WallTime wall;
    Micros mono = 0;
  };
  [[nodiscard]] Time read_clocks() const noexcept {
    Time time{clock.wall(), 0};
    // One clock is enough for the calls of a gateway without rate limits.
    if (has_rates.load(std::memory_order_relaxed)) time.mono = to_micros(clock.mono());
    return time;
  }
  void advance(const Time& time) noexcept {
    const Micros t = to_micros(time.wall);
    if (t > now) now = t;
    if (time.mono > mono) mono = time.mono;
  }
  void roll(Account& account) {
    if (now < account.window_end) return;
    account.open_window(now);
    has_rolled = true;
  }
  void roll(Scope& scope) {
    for (Account& account : scope.accounts) roll(account);
    for (RateAccount& rate : scope.rates)
      if (rate.window) rate.window->advance(mono);
  }

  std::string_view intern(std::string_view text);
  /// The scope's number; `is_new` when it is the first to ask.
  std::uint32_t number_of(ScopeName name, bool& is_new);
  /// The number of a scope that is there, of a session or end user too; else kNone.
  [[nodiscard]] std::uint32_t find(ScopeName name) const;
  [[nodiscard]] Slot& slot(SlotNumber number) noexcept {
    return slot_chunks[number / kChunk][number % kChunk];
  }

  /// The number of the new hold, or kNoSlot and `refusal` and `refusing` filled in.
  SlotNumber try_hold(const ScopePath& who, const ScopePath& what, const Demand& demand,
                      Refusal& refusal, std::uint32_t& refusing);
  /// A slot like `of`, open and with nothing in it; kNoSlot when there is no place.
  SlotNumber copy_slot(const Slot& of);
  /// Ends an open hold. Its slot stays occupied when its row is still to be written.
  void close_slot(SlotNumber number, bool is_to_be_recorded) noexcept;
  void free_slot(SlotNumber number) noexcept;
  /// Puts the scopes of a path after those a slot has.
  static void append(Slot& slot, const ScopePath& path) noexcept;
  /// Whether `least` fits on all scopes of a call; then what is free of each unit in `free`. Opens
  /// the windows that are due.
  bool fits(const Slot& slot, const UnitAmounts& least, UnitAmounts& free);
  /// What a call that fits gets of each unit, where `free` is free.
  UnitAmounts grant(const Slot& slot, const Demand& demand, const UnitAmounts& free);
  /// What to blame when that was not so; its scope number in `refusing`.
  Refusal blame(const Slot& slot, const UnitAmounts& least, std::uint32_t& refusing) const;
  /// Adds a hold to those that are open on its scopes, or takes it from them.
  void count_open(const Slot& slot, int sign) noexcept {
    for (std::size_t i = 0; i < slot.size; ++i)
      scopes[slot.scopes[i]].open += static_cast<std::uint32_t>(sign);
  }
  /// Counts what a slot holds, wherever a hold of its time counts, or takes it out again. Rate
  /// limits count it at `rated_at`; out of them it comes only when it was not used (`unused`).
  void add(const Slot& slot) noexcept;
  void take_out(const Slot& slot) noexcept;
  /// Only budgets: `sign` +1 or -1.
  void add_to_budgets(const Slot& slot, const UnitAmounts& amounts, int sign) noexcept;
  /// After a failover: the request was made where it was made, and counts there against rate
  /// limits.
  void keep_requests(const Slot& old, const Slot& next) noexcept;
  /// Of each unit the tightest rate limit on a call's path, now.
  void rate_status(const ScopePath& who, const ScopePath& what, RateStatus& out);

  /// After capacity came free on the scopes of `freed`: hands it to who waits there, into `done`.
  void serve(const Slot& freed, WaitList& done);
  /// After a window opened or limits changed.
  void serve_all(WaitList& done);
  void serve_if_rolled(WaitList& done) {
    if (has_rolled) serve_all(done);
  }
  /// Tells the waiters what became of them. Without the mutex.
  static void deliver(Ledger& ledger, WaitList& done);

  // ---- journal; without the mutex, by the owner of the hold ----
  void write_hold(SlotNumber number, const CallRef& call) noexcept;
  void write_amounts(SlotNumber number, JournalEntry::State state, const Amounts& amounts,
                     bool is_estimated = false) const noexcept {
    if (options.journal != nullptr)
      options.journal->set_amounts(number, state, amounts, is_estimated);
  }
  /// After the hold's scopes or time have changed.
  void rewrite_hold(SlotNumber number) noexcept;
  /// A part of another hold: the same call.
  void write_attempt(SlotNumber number, SlotNumber of, const Amounts& amounts) noexcept;
  void write_free(SlotNumber number) const noexcept {
    if (options.journal != nullptr) options.journal->free(number);
  }

  // ---- sessions and end users (books_live.cpp) ----
  /// Whose they are by the number of the scope "<owner>/"; made when it is new.
  LiveGroup& group_of(std::uint32_t number, const Source& source);
  /// The number of a live scope, made when it is new; kNone when there is no place for one more.
  /// @param idle  who was used within it makes no place.
  std::uint32_t live_scope(LiveGroup& group, std::string_view id, Micros idle = kHoldComesWithin);
  [[nodiscard]] std::size_t live_count() const noexcept {
    return live_orders[0].size() + live_orders[1].size();
  }
  /// Something was charged to a live scope, or put right. No-op on others.
  void note_charged(std::uint32_t number) noexcept;
  /// A live scope was used now, or is told of: it is not forgotten soon. No-op on others.
  void touch_live(std::uint32_t number) noexcept;
  /// Longer no call stands between add_live() and its hold, but in line.
  static constexpr Micros kHoldComesWithin = 60'000'000;
  /// Whether one more call may get in line: neither it nor the caller's part of it is full.
  [[nodiscard]] bool has_place_in_line(const Waiter& waiter) const noexcept;
  /// A call got in line, or left it. The live scopes on its path stay for it, and for the time that
  /// a call has between add_live() and its hold after it.
  void enter_line(const Waiter& waiter) noexcept;
  void leave_line(const Waiter& waiter) noexcept;
  /// Gives a scope the budgets and rate limits that are wanted, keeping the counts of those it
  /// has; what is new is marked (`needs_count`).
  void fit(Scope& scope, const Limits& wanted);

  [[nodiscard]] static BudgetRow row(const Scope& scope, const Account& account);
  [[nodiscard]] static RateRow row(const Scope& scope, const RateAccount& rate);

 private:
  [[nodiscard]] Units parts_of(Scope& scope) const noexcept;
  SlotNumber take_slot(bool may_use_reserve);
  void add_chunk();
  void scan_waiters(bool everywhere, WaitList& done);
  void refer(const Slot& slot) noexcept;
  /// A slot, or a call in line, refers to a live scope, or does no more. No-op on others.
  void refer_to_live(std::uint32_t number) noexcept;
  void unrefer_live(std::uint32_t number) noexcept;
  [[nodiscard]] bool has_place_for(const LiveGroup& group) const noexcept;
  /// Puts a live scope first in an order.
  void move_live(std::uint32_t number, LiveOrder to) noexcept;
  /// Forgets the last of an order, unless it was used within `idle`; false when it gives none.
  bool forget_last(std::list<std::uint32_t>& order, Micros idle);
  /// Makes place for one more of `group`, at nobody's cost who has fewer than another.
  bool make_place(LiveGroup& group, Micros idle);
  void forget_live(std::uint32_t number);
  void count_live(LiveGroup& group, bool is_one_more) noexcept;
};

[[nodiscard]] RateAccount* find_rate(Scope& scope, std::string_view name) noexcept;
[[nodiscard]] Account* find_account(Scope& scope, std::string_view name) noexcept;
/// What stands before a session's (end user's) id in the id of its scope: "agent:coder/", or of the
/// whole gateway's "gateway:org:acme/".
[[nodiscard]] std::string prefix_of(std::optional<config::ScopeKind> owner,
                                    std::string_view owner_id, const KeyOwners& owners);
/// Whose it is by that prefix; absent when it says nothing of the kind.
[[nodiscard]] std::optional<Origin> origin_of(config::ScopeKind kind, std::string_view prefix);

}  // namespace tollgate::domain::budget
