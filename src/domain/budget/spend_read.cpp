#include "domain/budget/spend_read.hpp"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>

namespace tollgate::domain::budget {
namespace {

constexpr int kReadAttempts = 3;

/// When the windows of an instant began. Sessions of one owner have one calendar.
class WindowStarts {
 public:
  explicit WindowStarts(Micros now) : now_(to_wall(now)) {}
  [[nodiscard]] Micros of(const Calendar& calendar) {
    if (!last_ || *last_ != calendar) {
      last_ = calendar;
      start_ = to_micros(calendar.window_start(now_));
    }
    return start_;
  }

 private:
  base::WallTime now_;
  std::optional<Calendar> last_;
  Micros start_ = 0;
};

UnitAmounts signed_amounts(const Sums& sums) noexcept {
  UnitAmounts out;
  out.of = {sums.usd.value, sums.tokens, sums.requests};
  return out;
}

/// The ids of budgets that stand in the order of their scopes: each once, and whose is whose.
struct DistinctIds {
  explicit DistinctIds(std::span<Incoming* const> budgets) {
    for (const Incoming* const in : budgets) {
      if (ids.empty() || ids.back() != in->scope_id) ids.emplace_back(in->scope_id);
      places.push_back(ids.size() - 1);
    }
  }
  std::vector<std::string_view> ids;
  std::vector<std::size_t> places;  ///< of each budget's scope in `ids`
};

/// Reads budgets of one kind of scope whose windows began at the same time, in the order of their
/// scopes.
/// @param again  gets those that something was settled for meanwhile.
base::Result<void> read_together(Books& books, SpendHistory& history,
                                 std::span<Incoming* const> budgets,
                                 std::vector<Incoming*>& again) {
  const config::ScopeKind kind = budgets.front()->kind;
  const base::WallTime since = to_wall(budgets.front()->since);
  std::vector<Incoming*> there;
  {
    const std::lock_guard lock(books.mutex);
    for (Incoming* const in : budgets) {
      const Scope* const scope = scope_of(books, *in);
      if (scope == nullptr) continue;
      in->total_before = scope->settled_total;
      there.push_back(in);
    }
  }
  if (there.empty()) return {};
  const DistinctIds asked(there);
  TG_TRY(const std::vector<Sums> sums, history.settled_of_each_since(kind, asked.ids, since));
  std::vector<Incoming*> broken;
  for (std::size_t i = 0; i < there.size(); ++i) {
    Incoming& in = *there[i];
    in.recorded = signed_amounts(sums[asked.places[i]]);
    in.has_overrun = false;
    // A cap that calls within their holds have used up is full; one broken by an overrun is closed.
    if (in.was_closed || in.recorded[in.unit] > in.limit) broken.push_back(&in);
  }
  if (!broken.empty()) {
    const DistinctIds of_broken(broken);
    TG_TRY(const std::vector<bool> overruns,
           history.overruns_of_each_since(kind, of_broken.ids, since));
    for (std::size_t i = 0; i < broken.size(); ++i)
      broken[i]->has_overrun = overruns[of_broken.places[i]];
  }
  const std::lock_guard lock(books.mutex);
  for (Incoming* const in : there) {
    const Scope* const scope = scope_of(books, *in);
    if (scope != nullptr && scope->settled_total[in->unit] != in->total_before[in->unit])
      again.push_back(in);
  }
  return {};
}

base::Result<void> read_budgets(Books& books, SpendHistory& history, std::vector<Incoming*> left) {
  for (int attempt = 0; attempt < kReadAttempts && !left.empty(); ++attempt) {
    Micros now = 0;
    {
      const std::lock_guard lock(books.mutex);
      books.advance(books.read_clocks());
      now = books.now;
    }
    WindowStarts starts(now);
    for (Incoming* const in : left) in->since = starts.of(in->calendar);
    const auto question = [](const Incoming* in) { return std::tie(in->kind, in->since); };
    std::sort(left.begin(), left.end(), [&](const Incoming* a, const Incoming* b) {
      return std::tuple(question(a), a->scope) < std::tuple(question(b), b->scope);
    });
    std::vector<Incoming*> again;
    for (auto from = left.begin(); from != left.end();) {
      const auto end = std::find_if(
          from, left.end(), [&](const Incoming* in) { return question(in) != question(*from); });
      TG_CHECK(read_together(books, history, {from, end}, again));
      from = end;
    }
    left = std::move(again);
  }
  return {};
}

}  // namespace

std::uint64_t life_of(const Scope& scope) noexcept {
  return scope.live ? scope.live->life : 0;
}

Scope* scope_of(Books& books, const Incoming& in) {
  Scope& scope = books.scopes[in.scope];
  return scope.kind == in.kind && life_of(scope) == in.life ? &scope : nullptr;
}

base::Result<void> read_spend(Books& books, SpendHistory& history, std::vector<Incoming>& all) {
  std::vector<Incoming*> each;
  each.reserve(all.size());
  for (Incoming& in : all) each.push_back(&in);
  return read_budgets(books, history, std::move(each));
}

base::Result<void> read_current(Books& books, SpendHistory& history, std::vector<Incoming>& all,
                                std::unique_lock<std::mutex>& lock) {
  for (;;) {
    WindowStarts starts(books.now);
    std::vector<Incoming*> old;
    for (Incoming& in : all)
      if (starts.of(in.calendar) != in.since && scope_of(books, in) != nullptr) old.push_back(&in);
    if (old.empty()) return {};
    lock.unlock();
    TG_CHECK(read_budgets(books, history, std::move(old)));
    lock.lock();
  }
}

}  // namespace tollgate::domain::budget
