#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "support/fake_clock.hpp"
#include "tollgate/domain/budget/ledger.hpp"
#include "unit/budget/keep_fairly.hpp"

namespace tollgate::domain::budget {

using base::NanoUsd;
using base::WallTime;
using config::ScopeKind;
using config::WindowKind;
using test::FakeClock;

constexpr NanoUsd usd(std::int64_t whole) {
  return {whole * 1'000'000'000};
}
constexpr NanoUsd cents(std::int64_t n) {
  return {n * 10'000'000};
}
constexpr NanoUsd minus(NanoUsd amount) {
  return {-amount.value};
}

/// The store's ledger rows as the ledger asks for them.
class FakeHistory final : public SpendHistory {
 public:
  struct Row {
    ScopeKind kind;
    std::string id;
    Amounts amount;
    WallTime charged_at;
    bool is_overrun = false;
  };

  void record(ScopeKind kind, std::string id, Amounts amount, WallTime at,
              bool is_overrun = false) {
    rows.push_back({kind, std::move(id), amount, at, is_overrun});
  }
  base::Result<Sums> settled_since(ScopeKind kind, std::string_view id, WallTime since) override {
    ++questions;
    if (on_question) on_question();
    if (fails) return base::Error(base::ErrorCode::audit_unavailable, "no store");
    Sums sum;
    for (const Row& row : rows) {
      if (row.kind != kind || row.id != id || row.charged_at < since) continue;
      sum.usd += row.amount.usd;
      sum.tokens += row.amount.tokens;
      sum.requests += row.amount.requests;
    }
    return sum;
  }
  base::Result<std::vector<Sums>> settled_of_each_since(ScopeKind kind,
                                                        std::span<const std::string_view> ids,
                                                        WallTime since) override {
    asked_together.push_back(ids.size());
    return SpendHistory::settled_of_each_since(kind, ids, since);
  }
  base::Result<bool> has_overrun_since(ScopeKind kind, std::string_view id,
                                       WallTime since) override {
    for (const Row& row : rows) {
      if (row.kind == kind && row.id == id && row.charged_at >= since && row.is_overrun)
        return true;
    }
    return false;
  }
  base::Result<std::optional<WallTime>> newest_charge() override {
    if (fails) return base::Error(base::ErrorCode::audit_unavailable, "no store");
    std::optional<WallTime> newest;
    for (const Row& row : rows) {
      if (!newest || row.charged_at > *newest) newest = row.charged_at;
    }
    return newest;
  }

  base::Result<std::vector<std::string>> live_scopes_since(ScopeKind kind, WallTime since,
                                                           std::size_t most) override {
    std::vector<std::string> ids;
    for (auto row = rows.rbegin(); row != rows.rend(); ++row) {
      if (row->kind == kind && row->charged_at >= since &&
          std::find(ids.begin(), ids.end(), row->id) == ids.end())
        ids.push_back(row->id);
    }
    keep_fairly(ids, most, [](const std::string& id) { return id; });
    return ids;
  }

  std::vector<Row> rows;
  std::function<void()> on_question;  ///< what happens elsewhere while the store is busy
  int questions = 0;
  std::vector<std::size_t> asked_together;  ///< scopes of each question about many
  bool fails = false;
};

inline config::ScopedBudget budget_of(ScopeKind kind, std::string id, NanoUsd limit,
                                      WindowKind window = WindowKind::day,
                                      std::string name = "default", std::string zone = "UTC",
                                      std::vector<std::uint32_t> alerts = {}) {
  config::ScopedBudget b;
  b.scope = kind;
  b.scope_id = std::move(id);
  b.budget.name = std::move(name);
  b.budget.limit = limit;
  b.budget.window = window;
  b.budget.time_zone = std::move(zone);
  b.budget.alert_percents = std::move(alerts);
  return b;
}

/// A ledger at noon of a Wednesday, with one key, agent, team, org and two models and providers.
class LedgerTest : public ::testing::Test {
 protected:
  void configure(std::vector<config::ScopedBudget> budgets) {
    config::Snapshot snapshot;
    snapshot.budgets = std::move(budgets);
    const auto done = ledger.configure(snapshot, history);
    ASSERT_TRUE(done.has_value()) << done.error().message();
  }
  HoldResult hold(Amounts amount) { return ledger.hold(who, what, amount); }
  /// Holds and settles at once, as a finished call.
  Settlement spend(Amounts amount) {
    HoldResult held = hold(amount);
    EXPECT_TRUE(held.has_value());
    return held.has_value() ? held->settle(amount) : Settlement{};
  }
  BudgetRow row(ScopeKind kind, std::string_view id, std::string_view name = "default") {
    for (const BudgetRow& r : ledger.snapshot_all()) {
      if (r.scope == kind && r.scope_id == id && r.budget == name) return r;
    }
    ADD_FAILURE() << "no such budget: " << id << "/" << name;
    return {};
  }
  bool has_row(ScopeKind kind, std::string_view id, std::string_view name = "default") {
    for (const BudgetRow& r : ledger.snapshot_all()) {
      if (r.scope == kind && r.scope_id == id && r.budget == name) return true;
    }
    return false;
  }

  FakeClock clock{"2026-11-25T12:00:00Z"};
  FakeHistory history;
  Ledger ledger{clock, {.max_waiters = 4, .open_holds = 8}};
  ScopePath who = ledger.resolve({{ScopeKind::key, "k1"},
                                  {ScopeKind::agent, "a1"},
                                  {ScopeKind::team, "t1"},
                                  {ScopeKind::org, "o1"}});
  ScopePath what = ledger.resolve({{ScopeKind::model, "m1"}, {ScopeKind::provider, "p1"}});
  ScopePath other_what = ledger.resolve({{ScopeKind::model, "m1"}, {ScopeKind::provider, "p2"}});
};

}  // namespace tollgate::domain::budget
