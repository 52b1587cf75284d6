// After warm-up neither a scan nor a stream piece may allocate: they run for every request and
// every streamed token.
#include <atomic>
#include <cstdlib>
#include <new>

#include "unit/policy/policy_fixture.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}  // namespace

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* p = std::malloc(size == 0 ? 1 : size); p != nullptr) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept {
  std::free(p);
}
void operator delete(void* p, std::size_t) noexcept {
  std::free(p);
}

namespace tollgate::domain::policy::testing {
namespace {

TEST(Allocation, ScanAndStreamReuseTheirBuffers) {
  std::vector<config::GuardRule> rules = all_detectors();
  rules.push_back(regex("id", "PRJ-\\d{4,8}"));
  rules.push_back(keyword("bird", "Falcon", true));
  Compiled compiled(rules);
  StreamGuard guard(*compiled, Direction::response, compiled.scanner());
  const std::string text =
      "Mail jane@example.com about PRJ-12345 and FALCON; card 4111 1111 1111 1111, "
      "gr\u00FC\u00DFe, "
      "key ghp_" +
      sample::mixed(36) + " and a plain ending of some length without anything in it. ";
  std::vector<Match> matches;
  const auto round = [&] {
    compiled.scanner().scan(*compiled, Direction::response, text, matches);
    for (std::size_t i = 0; i < text.size(); i += 5) {
      (void)guard.feed(1, std::string_view(text).substr(i, 5));
    }
  };
  for (int i = 0; i < 3; ++i) round();
  const std::size_t before = allocations.load();
  for (int i = 0; i < 10; ++i) round();
  EXPECT_EQ(allocations.load(), before);
  EXPECT_EQ(matches.size(), 5u);
}

}  // namespace
}  // namespace tollgate::domain::policy::testing
