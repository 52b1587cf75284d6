// A revocation is seen by threads that authenticate and by registries built meanwhile.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "support/fake_clock.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/domain/keys/key_registry.hpp"

namespace tollgate::domain::keys {
namespace {

TEST(RevocationThreads, HoldsForEveryThreadOnceMade) {
  test::FakeClock clock;
  budget::Ledger ledger(clock);
  Revocations revocations;
  config::Snapshot snapshot;
  std::vector<std::string> texts;
  for (std::uint8_t i = 0; i < 50; ++i) {
    std::array<std::uint8_t, kKeyRandomBytes> bytes{};
    bytes.fill(i);
    texts.push_back(encode_key(bytes));
    config::Key key;
    key.id = "k" + std::to_string(i);
    key.digest = key_digest(texts.back());
    snapshot.keys.push_back(key);
  }
  const auto registry = KeyRegistry::build(snapshot, {}, revocations, ledger);
  std::atomic<std::size_t> revoked{0};
  std::atomic<bool> was_let_in{false};
  std::atomic<bool> stop{false};
  const auto check = [&](const KeyRegistry& keys) {
    const std::size_t certain = revoked.load();  // these were revoked before the look-up
    for (std::size_t i = 0; i < certain; ++i) {
      if (keys.authenticate(texts[i], clock.wall()).has_value()) was_let_in = true;
    }
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([&] {
      while (!stop) check(*registry);
    });
  }
  threads.emplace_back([&] {
    while (!stop) check(*KeyRegistry::build(snapshot, {}, revocations, ledger));
  });
  for (const config::Key& key : snapshot.keys) {
    revocations.revoke(key.digest);
    ++revoked;
    std::this_thread::yield();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  check(*registry);
  EXPECT_FALSE(was_let_in);
  EXPECT_EQ(revocations.count(), texts.size());
}

}  // namespace
}  // namespace tollgate::domain::keys
