#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tollgate/domain/budget/ledger.hpp"
#include "tollgate/domain/budget/window.hpp"

namespace tollgate::domain::budget::simulation {

using base::NanoUsd;
using base::WallTime;
using config::BudgetUnit;
using config::RateUnit;
using config::ScopeKind;

inline constexpr std::array kUnits{BudgetUnit::usd, BudgetUnit::tokens, BudgetUnit::requests};
using PerUnit = std::array<std::int64_t, 3>;
/// Microseconds of the monotonic clock.
using MonoMicros = std::int64_t;
/// Place of a scope in Model::scopes; the same over reloads, restarts and forgetting.
using ScopeIndex = std::size_t;

/// One hold, or what became of it.
struct Held {
  std::string call;  ///< request id
  std::string session, end_user;
  std::vector<ScopeIndex> who, what;
  Amounts amounts;                    ///< held while open, then what was charged
  std::int64_t counted_requests = 0;  ///< by rate limits, whatever becomes of the call
  WallTime held_at;
  MonoMicros rated_at = 0;
  bool is_attempt = false;
  bool is_open = true;
  bool is_overrun = false;
  bool is_estimated = false;
  Hold hold;
  SlotNumber slot = kNoSlot;  ///< of a settlement that is not committed

  [[nodiscard]] std::vector<ScopeIndex> path() const {
    std::vector<ScopeIndex> all = who;
    all.insert(all.end(), what.begin(), what.end());
    return all;
  }
};

/// What was charged to a scope, or put right by an operator.
struct Entry {
  WallTime at;
  Amounts amounts;
  bool is_adjustment = false;
  bool is_overrun = false;
};

struct ModelBudget {
  config::Budget config;
  Calendar calendar;
  Window window{};
  /// Spend that a reading of the record told, and the first entry that is not in it.
  std::int64_t base = 0;
  std::size_t from = 0;
  bool is_closed = false;
  /// The most that may be used: the limit, or what an edit or an overrun has put above it.
  std::int64_t bound = 0;
};

struct ModelRate {
  config::RateLimit config;
  MonoMicros born = 0;
  std::int64_t bound = 0;  ///< as of a budget

  [[nodiscard]] MonoMicros length() const {
    return std::chrono::duration_cast<std::chrono::microseconds>(config.per).count();
  }
  /// The ledger counts in 128 parts of the window.
  [[nodiscard]] MonoMicros part() const { return (length() + 127) / 128; }
};

struct ModelScope {
  ScopeKind kind = ScopeKind::key;
  std::string id;
  std::vector<Entry> entries;  ///< in the order of settlement
  std::vector<Held*> open;     ///< holds
  std::vector<Held*> rated;    ///< what this process let in
  std::vector<ModelBudget> budgets;
  std::vector<ModelRate> rates;
  // Of a session or an end user.
  bool is_live = false;
  bool is_charged = false;  ///< something was charged to it, or put right
  WallTime used_at;
  std::uint64_t rests_since = 0;  ///< the step in which it was used, or pinned, last
  int pins = 0;                   ///< holds, settlements without a row, calls in line

  /// Of which it is, as it stands before its name: "agent:a0/".
  [[nodiscard]] std::string owner() const { return id.substr(0, id.find('/') + 1); }
};

/// A budget or rate limit that stands in the way.
struct Blocker {
  enum class Severity : std::uint8_t { others_end = 1, window_slides, reset };
  Severity severity = Severity::others_end;
  ScopeIndex scope = 0;
  std::string name;
  Refusal::Kind kind = Refusal::Kind::budget;
  std::int64_t limit = 0, spent = 0, held = 0, asked = 0;
  std::optional<MonoMicros> wait;  ///< of a sliding window
};

struct Judgement {
  std::vector<Blocker> blockers;
  PerUnit free{};
  [[nodiscard]] bool fits() const { return blockers.empty(); }
  /// What a call that fits is granted.
  [[nodiscard]] Amounts granted(const Amounts& least, const Amounts& most) const;
};

/// What a ledger must say, added up anew at each question from every hold and every charge: slow,
/// and with nothing in it of how the ledger keeps its sums.
class Model {
 public:
  using Origin = std::tuple<ScopeKind, std::optional<ScopeKind>, std::string>;
  /// A live scope's place and the source it is of.
  struct LiveName {
    ScopeIndex scope;
    const config::EachOf* source;
  };

  ScopeIndex scope(ScopeKind kind, const std::string& id);
  /// Time passes: windows open.
  void advance(WallTime wall, MonoMicros mono);
  [[nodiscard]] WallTime now() const { return now_; }

  // ---- configuration and restart ----
  void configure(const config::Snapshot& snapshot);
  /// A process died, and its holds with it.
  void forget_holds();
  /// Another process starts with what is on record: holds are forgotten, entries complete.
  void restart(WallTime wall, MonoMicros mono);

  // ---- sessions and end users ----
  /// The live scopes of a call by its key's owners, in the order of its path.
  [[nodiscard]] std::vector<LiveName> live_names(const KeyOwners& owners,
                                                 const std::string& session,
                                                 const std::string& end_user);
  /// False: there is no place for one more.
  /// @param idle  who was used within it makes none.
  [[nodiscard]] bool touch(const LiveName& name,
                           std::chrono::microseconds idle = std::chrono::minutes(1));
  [[nodiscard]] std::vector<ScopeIndex> live() const;
  /// Its alert is told: an idle session is known for a while again.
  void tell_of(ScopeKind kind, const std::string& id);
  /// The same by its own call's end.
  void tell_at_end(ScopeKind kind, const std::string& id);
  /// A call with this path gets in line, or has left it.
  void enter_line(const std::vector<ScopeIndex>& who);
  void leave_line(const std::vector<ScopeIndex>& who);

  // ---- holds ----
  [[nodiscard]] Judgement judge(const std::vector<ScopeIndex>& path, const Amounts& least,
                                const Held* own) const;
  void open(Held& held);
  /// Leaves the scopes' holds; charges `amounts` where that is something. The number of budgets it
  /// closes.
  int close(Held& held, const Amounts& charged);
  /// Moves a hold to other `what` scopes, amounts and time.
  void move(Held& held, const std::vector<ScopeIndex>& what, const Amounts& amounts);
  /// The row of a settlement is on disk.
  void unpin(Held& held);
  void charge(ScopeIndex scope, const Entry& entry) { scopes[scope].entries.push_back(entry); }
  void adjust(ScopeIndex scope, BudgetUnit unit, std::int64_t change);

  // ---- sums ----
  [[nodiscard]] std::int64_t spent(const ModelScope& scope, const ModelBudget& budget) const;
  [[nodiscard]] std::int64_t held(const ModelScope& scope, const ModelBudget& budget,
                                  const Held* own = nullptr) const;
  [[nodiscard]] std::int64_t used(const ModelScope& scope, const ModelRate& rate,
                                  const Held* own = nullptr) const;
  /// The same in the true sliding window, to the microsecond.
  [[nodiscard]] std::int64_t used_exactly(const ModelScope& scope, const ModelRate& rate) const;

  std::vector<ModelScope> scopes;
  std::int64_t windows_opened = 0;
  std::int64_t charged_given_up = 0, uncharged_given_up = 0;  ///< sessions and end users

 private:
  std::deque<Held> made_elsewhere_;  ///< requests of calls that went on to another model
  [[nodiscard]] std::int64_t recorded(const ModelScope& scope, BudgetUnit unit,
                                      WallTime since) const;
  [[nodiscard]] bool has_overrun(const ModelScope& scope, WallTime since) const;
  [[nodiscard]] std::optional<MonoMicros> wait_of(const ModelScope& scope, const ModelRate& rate,
                                                  std::int64_t asked, const Held* own) const;
  void read_record(ModelScope& scope, ModelBudget& budget, bool was_closed);
  void fit(ModelScope& scope, const std::vector<config::Budget>& budgets,
           const std::vector<config::RateLimit>& rates, bool is_fresh);
  /// The session or end user is the one used last.
  void use(ScopeIndex scope);
  void unpin(ScopeIndex scope);
  /// The one that is the longest without a call of those that `is_meant` takes; absent when it is
  /// not that long.
  template <class Which>
  [[nodiscard]] std::optional<ScopeIndex> longest_idle(std::chrono::microseconds idle,
                                                       Which is_meant) const;
  /// Of each owner how many are known.
  [[nodiscard]] std::map<std::pair<ScopeKind, std::string>, std::size_t> known_of() const;
  [[nodiscard]] bool has_place_for(const ModelScope& fresh) const;
  /// Which has to go for one more of an owner's.
  [[nodiscard]] std::optional<ScopeIndex> given_up_for(const ModelScope& fresh,
                                                       std::chrono::microseconds idle) const;
  void forget(ScopeIndex scope);
  const config::EachOf* source_of(const ModelScope& scope) const;

  WallTime now_;
  MonoMicros mono_ = 0;
  std::map<std::pair<ScopeKind, std::string>, ScopeIndex> index_;
  std::map<Origin, config::EachOf> sources_;
  std::uint64_t steps_ = 0;  ///< uses and unpins
  std::size_t max_live_ = 0;
  std::chrono::hours live_idle_{0};
};

[[nodiscard]] std::int64_t rated(const Held& held, RateUnit unit);

}  // namespace tollgate::domain::budget::simulation
