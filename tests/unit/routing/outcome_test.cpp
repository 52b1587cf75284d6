#include "tollgate/domain/routing/outcome.hpp"

#include <gtest/gtest.h>

#include <set>

#include "fixture.hpp"
#include "tollgate/domain/routing/backoff.hpp"

namespace tollgate::domain::routing {
namespace {

using testing::milliseconds;

struct FailureRow {
  FailureKind kind;
  Verdict safe;
  Verdict only_unsent;
  Health health;
};

constexpr FailureRow kFailures[] = {
    {FailureKind::dns, Verdict::retry_same, Verdict::retry_same, Health::failing},
    {FailureKind::connect, Verdict::retry_same, Verdict::retry_same, Health::failing},
    {FailureKind::tls, Verdict::next_deployment, Verdict::next_deployment, Health::failing},
    {FailureKind::pool_exhausted, Verdict::next_deployment, Verdict::next_deployment,
     Health::unknown},
    {FailureKind::stale_connection, Verdict::retry_same, Verdict::final, Health::unknown},
    {FailureKind::reset, Verdict::retry_same, Verdict::final, Health::failing},
    {FailureKind::first_byte_timeout, Verdict::next_deployment, Verdict::final, Health::failing},
    {FailureKind::cut, Verdict::next_deployment, Verdict::final, Health::failing},
    {FailureKind::idle_timeout, Verdict::next_deployment, Verdict::final, Health::failing},
    {FailureKind::invalid, Verdict::next_deployment, Verdict::final, Health::failing},
    {FailureKind::too_large, Verdict::final, Verdict::final, Health::unknown},
    {FailureKind::total_timeout, Verdict::final, Verdict::final, Health::unknown},
    {FailureKind::cancelled, Verdict::final, Verdict::final, Health::unknown},
};

TEST(Classify, AnUnreadableAnswerIsTriedElsewhereAndBlamesNobody) {
  const AttemptOutcome outcome = AttemptOutcome::unreadable();
  EXPECT_EQ(classify(outcome, Repeat::safe, false), Verdict::next_deployment);
  EXPECT_EQ(classify(outcome, Repeat::only_unsent, false), Verdict::final);
  EXPECT_EQ(classify(outcome, Repeat::safe, true), Verdict::final);
  EXPECT_EQ(health(outcome), Health::alive);
  EXPECT_EQ(outcome.text(), "malformed answer");
}

TEST(Classify, EveryTransportFailure) {
  ASSERT_EQ(std::size(kFailures), kFailureKinds);
  for (const FailureRow& row : kFailures) {
    SCOPED_TRACE(std::string(to_string(row.kind)));
    const auto outcome = AttemptOutcome::failure(row.kind);
    EXPECT_EQ(classify(outcome, Repeat::safe, false), row.safe);
    EXPECT_EQ(classify(outcome, Repeat::only_unsent, false), row.only_unsent);
    EXPECT_EQ(classify(outcome, Repeat::safe, true), Verdict::final);
    EXPECT_EQ(health(outcome), row.health);
    EXPECT_FALSE(outcome.text().empty());
  }
}

TEST(Classify, NothingWasSentBeforeTheConnectionStood) {
  std::set<FailureKind> unsent;
  for (const FailureRow& row : kFailures)
    if (!may_have_been_sent(row.kind)) unsent.insert(row.kind);
  EXPECT_EQ(unsent, (std::set<FailureKind>{FailureKind::dns, FailureKind::connect, FailureKind::tls,
                                           FailureKind::pool_exhausted}));
}

struct StatusRow {
  int status;
  Verdict verdict;
  Health health;
};

constexpr StatusRow kStatuses[] = {
    {200, Verdict::final, Health::alive},
    {204, Verdict::final, Health::alive},
    {301, Verdict::final, Health::alive},
    {400, Verdict::final, Health::alive},
    {401, Verdict::final, Health::alive},
    {402, Verdict::final, Health::alive},
    {403, Verdict::final, Health::alive},
    {404, Verdict::final, Health::alive},
    {408, Verdict::retry_same, Health::unknown},
    {409, Verdict::final, Health::alive},
    {413, Verdict::final, Health::alive},
    {422, Verdict::final, Health::alive},
    {429, Verdict::next_deployment, Health::asked_to_wait},
    {500, Verdict::retry_same, Health::failing},
    {501, Verdict::retry_same, Health::failing},
    {502, Verdict::retry_same, Health::failing},
    {503, Verdict::retry_same, Health::failing},
    {504, Verdict::retry_same, Health::failing},
    {529, Verdict::retry_same, Health::failing},
    {599, Verdict::retry_same, Health::failing},
};

TEST(Classify, EveryStatusRule) {
  for (const StatusRow& row : kStatuses) {
    SCOPED_TRACE(row.status);
    const auto outcome = AttemptOutcome::status(row.status);
    EXPECT_EQ(classify(outcome, Repeat::safe, false), row.verdict);
    EXPECT_EQ(classify(outcome, Repeat::only_unsent, false), Verdict::final);
    EXPECT_EQ(classify(outcome, Repeat::safe, true), Verdict::final);
    EXPECT_EQ(health(outcome), row.health);
    EXPECT_EQ(outcome.text(), std::to_string(row.status));
  }
}

TEST(Classify, ShouldRetryTrueOverridesAnyErrorStatus) {
  for (const StatusRow& row : kStatuses) {
    SCOPED_TRACE(row.status);
    const auto outcome = AttemptOutcome::status(row.status, {std::nullopt, true});
    EXPECT_EQ(classify(outcome, Repeat::safe, false),
              row.status >= 400 ? Verdict::retry_same : Verdict::final);
    EXPECT_EQ(classify(outcome, Repeat::only_unsent, false), Verdict::final);
  }
}

TEST(Classify, ShouldRetryFalseRulesOutTheSameDeploymentOnly) {
  for (const StatusRow& row : kStatuses) {
    SCOPED_TRACE(row.status);
    const auto outcome = AttemptOutcome::status(row.status, {std::nullopt, false});
    const Verdict expected =
        row.verdict == Verdict::retry_same ? Verdict::next_deployment : row.verdict;
    EXPECT_EQ(classify(outcome, Repeat::safe, false), expected);
  }
}

TEST(Health, RetryAfterOnAFailureIsAWishToBeLeftAlone) {
  for (const int status : {408, 500, 503, 529}) {
    const auto outcome = AttemptOutcome::status(status, {milliseconds(10), std::nullopt});
    EXPECT_EQ(health(outcome), Health::asked_to_wait) << status;
  }
  EXPECT_EQ(health(AttemptOutcome::status(400, {milliseconds(10), std::nullopt})), Health::alive);
}

TEST(Hints, ComeFromTheHead) {
  protocol::http::HeaderSection headers;
  headers.add({"Retry-After", "7", protocol::http::HeaderId::retry_after});
  headers.add({"X-Should-Retry", "false", protocol::http::HeaderId::x_should_retry});
  const RetryHints hints = read_hints(headers, base::WallTime{});
  EXPECT_EQ(hints.retry_after, milliseconds(7'000));
  EXPECT_EQ(hints.should_retry, false);
  const RetryHints none = read_hints(protocol::http::HeaderSection(), base::WallTime{});
  EXPECT_FALSE(none.retry_after);
  EXPECT_FALSE(none.should_retry);
}

TEST(Backoff, DoublesUpToItsCeilingAndStaysInside) {
  config::Routing rules;
  rules.backoff_base = milliseconds(100);
  rules.backoff_max = milliseconds(700);
  const std::vector<std::int64_t> ceilings = {100, 200, 400, 700, 700};
  for (unsigned i = 0; i < ceilings.size(); ++i)
    EXPECT_EQ(backoff_ceiling(rules, i).count(), ceilings[i]) << i;
  EXPECT_EQ(backoff_ceiling(rules, 4'000'000'000u), milliseconds(700));

  Rng rng(1);
  std::chrono::nanoseconds lowest = std::chrono::hours(1), highest{0};
  for (int i = 0; i < 2'000; ++i) {
    const auto wait = backoff(rules, 1, rng);
    lowest = std::min(lowest, wait);
    highest = std::max(highest, wait);
  }
  EXPECT_GE(lowest.count(), 0);
  EXPECT_LT(lowest, milliseconds(5)) << "full jitter starts at zero";
  EXPECT_LE(highest, milliseconds(200));
  EXPECT_GT(highest, milliseconds(195));
}

TEST(Backoff, OddSettingsDoNotWait) {
  config::Routing rules;
  Rng rng(1);
  rules.backoff_base = milliseconds(0);
  EXPECT_EQ(backoff(rules, 3, rng).count(), 0);
  rules.backoff_base = milliseconds(100);
  rules.backoff_max = milliseconds(0);
  EXPECT_EQ(backoff(rules, 3, rng).count(), 0);
}

}  // namespace
}  // namespace tollgate::domain::routing
