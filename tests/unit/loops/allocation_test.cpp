// The path of a call allocates nothing: every operator new of this program is counted.
#include <cstdlib>
#include <new>

#include "tollgate/protocol/llm/dialect.hpp"
#include "unit/loops/breaker_fixture.hpp"
#include "unit/loops/traffic.hpp"

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

namespace tollgate::domain::loops::test {
namespace {

TEST_F(BreakerTest, TheCallPathAllocatesNothing) {
  Conversation c(Surface::messages, "Be good.", 1);
  c.user(prose(1, 300)).tool("read", R"({"path":"a\nb"})", prose(2, 300));
  const std::string body = c.body();
  json::Document document;
  ASSERT_FALSE(document.parse(body).has_error());
  protocol::llm::GovernedFields fields;
  ASSERT_FALSE(protocol::llm::dialect(protocol::llm::DialectKind::anthropic)
                   .scan(protocol::llm::RequestKind::messages, document, fields)
                   .has_error());
  const config::LoopBreaker shipped;
  Call next = call(1, 9, "trace");
  next.fingerprint = fingerprint_of(fields, document, 16'384);
  const long before = allocations;
  for (std::uint32_t i = 0; i < 500; ++i) {
    next.fingerprint = fingerprint_of(fields, document, 16'384);
    next.fingerprint.near += i;
    next.fingerprint.reworded += i;
    next.fingerprint.turns = i;
    const Verdict verdict = breaker.on_call(next, shipped, clock.mono());
    EXPECT_EQ(verdict.decision, Decision::proceed);
    breaker.on_outcome(verdict.ticket, i % 3 == 0, clock.mono());
    clock.advance(2s);
  }
  EXPECT_EQ(allocations, before);
  // The counter counts.
  const auto one = std::make_unique<int>(1);
  EXPECT_EQ(allocations, before + 1);
}

}  // namespace
}  // namespace tollgate::domain::loops::test
