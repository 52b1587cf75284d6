#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "unit/budget/ledger_fixture.hpp"

namespace tollgate::domain::budget {

/// A ledger in which owners give each of their sessions or end users limits of its own.
class LedgerLive : public LedgerTest {
 protected:
  config::EachOf each(ScopeKind kind, std::optional<ScopeKind> owner, std::string id, NanoUsd limit,
                      WindowKind window = WindowKind::total, bool required = false) {
    config::EachOf e;
    e.kind = kind;
    e.owner = owner;
    e.owner_id = std::move(id);
    config::Budget budget;
    budget.limit = limit;
    budget.window = window;
    e.budgets.push_back(budget);
    e.required = required;
    return e;
  }
  void configure_each(std::vector<config::EachOf> list, std::uint32_t most = 100,
                      std::vector<config::ScopedBudget> budgets = {}) {
    config::Snapshot snapshot;
    snapshot.each = std::move(list);
    snapshot.budgets = std::move(budgets);
    snapshot.spending.live_scopes = most;
    snapshot.spending.live_scope_idle = std::chrono::hours(24);
    const auto done = ledger.configure(snapshot, history);
    ASSERT_TRUE(done.has_value()) << done.error().message();
    live = ledger.live_sources({"k1", "a1", "t1", "o1"});
  }
  base::Result<ScopePath> path(std::string session, std::string user = {}) {
    ScopePath p = who;
    TG_CHECK(ledger.add_live(live, {{}, session, user}, p));
    return p;
  }
  bool spends(std::string session, NanoUsd amount) {
    HoldResult h = ledger.hold(*path(std::move(session)), what, amount);
    if (h.has_error()) return false;
    (void)h->settle(amount);
    return true;
  }
  /// A call in line, which keeps what it is granted.
  class Caller final : public Waiter {
   public:
    using Waiter::Waiter;
    void on_outcome(HoldResult result) noexcept override {
      if (result.has_value()) hold = std::move(*result);
    }
    Hold hold;
  };
  /// A key of its own, without agent, team and org.
  struct Party {
    ScopePath who;
    LiveSources live;
  };
  Party party(std::string_view key) {
    return {ledger.resolve({{ScopeKind::key, key}}), ledger.live_sources({key, {}, {}, {}})};
  }
  /// Whether a call of a session gets through, which costs that much and is one request. One that
  /// costs nothing gives its hold back, as the list of models does.
  bool calls(const Party& party, std::string_view session, NanoUsd cost = {}) {
    ScopePath path = party.who;
    if (ledger.add_live(party.live, {{}, session, {}}, path).has_error()) return false;
    HoldResult held = ledger.hold(path, what, {cost, 0, 1});
    if (held.has_error()) return false;
    if (cost > NanoUsd{}) (void)held->settle({cost, 0, 1});
    return true;
  }
  bool knows(std::string_view scope_id) { return has_row(ScopeKind::session, scope_id); }
  LiveSources live;
};

}  // namespace tollgate::domain::budget
