// The path of a call allocates nothing: every operator new of this program is counted.
#include <cstdlib>
#include <new>

#include "unit/budget/ledger_fixture.hpp"

namespace {
thread_local long allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* p = std::malloc(size)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace tollgate::domain::budget {
namespace {

class LedgerAllocation : public LedgerTest {};

TEST_F(LedgerAllocation, CallPathAllocatesNothing) {
  configure({budget_of(ScopeKind::key, "k1", usd(1)), budget_of(ScopeKind::agent, "a1", usd(1)),
             budget_of(ScopeKind::team, "t1", usd(1)), budget_of(ScopeKind::org, "o1", usd(1)),
             budget_of(ScopeKind::model, "m1", usd(1)),
             budget_of(ScopeKind::provider, "p1", usd(1))});
  int refused = 0;
  const long before = allocations;
  for (int i = 0; i < 200; ++i) {
    HoldResult h = hold(cents(10));
    HoldResult other = ledger.hold_between(who, other_what, cents(1), cents(5));
    (void)h->rebase(what, cents(5), cents(20));
    (void)h->rebase(other_what, cents(15));
    h->shrink(cents(12));
    if (hold(usd(2)).has_error()) ++refused;
    (void)h->settle(NanoUsd{1'000});
    clock.advance(
        std::chrono::minutes(10));  // over midnight too: opening a window allocates nothing
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(refused, 200);
  // The counter counts.
  const auto one = std::make_unique<int>(1);
  EXPECT_EQ(allocations, before + 1);
}

}  // namespace
}  // namespace tollgate::domain::budget
