// What is sent, byte for byte: receivers are written against it.
#include "tollgate/domain/alerts/alert.hpp"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/fake_clock.hpp"

namespace tollgate::domain::alerts {
namespace {

using budget::BudgetEvent;
using config::WebhookFormat;
using test::FakeClock;

BudgetEvent threshold() {
  BudgetEvent event;
  event.kind = BudgetEvent::Kind::threshold;
  event.scope = config::ScopeKind::agent;
  event.scope_id = "coder";
  event.budget = "day";
  event.percent = 80;
  event.limit = base::NanoUsd{5'000'000'000};
  event.spent = base::NanoUsd{4'100'000'000};
  event.at = FakeClock::at("2026-11-26T12:00:00Z");
  event.window_start = FakeClock::at("2026-11-26T00:00:00Z");
  event.reset_at = FakeClock::at("2026-11-27T00:00:00Z");
  event.projected_exhaustion_at = FakeClock::at("2026-11-26T14:38:02.926830Z");
  return event;
}

TEST(Alert, JsonOfAThreshold) {
  const Alert alert = make_alert(threshold(), "evt_1");
  EXPECT_EQ(body_of(alert, WebhookFormat::json),
            R"({"id":"evt_1","event":"budget_threshold","at":"2026-11-26T12:00:00.000000Z",)"
            R"("scope":"agent","scope_id":"coder","budget":"day","window":"day","percent":80,)"
            R"("unit":"usd","limit_usd":"5.00","spent_usd":"4.10","limit_nusd":5000000000,)"
            R"("spent_nusd":4100000000,"window_start":"2026-11-26T00:00:00.000000Z",)"
            R"("resets_at":"2026-11-27T00:00:00.000000Z",)"
            R"("projected_exhaustion_at":"2026-11-26T14:38:02.926830Z"})");
  EXPECT_EQ(body_of(alert, WebhookFormat::json), alert.detail) << "what is on record";
}

TEST(Alert, JsonOfAClosedTotalBudgetOfTokens) {
  BudgetEvent event = threshold();
  event.kind = BudgetEvent::Kind::closed;
  event.unit = config::BudgetUnit::tokens;
  event.window = config::WindowKind::total;
  event.limit = 1'000;
  event.spent = 1'200;
  event.window_start = base::WallTime{};
  event.reset_at.reset();
  event.projected_exhaustion_at.reset();
  const Alert alert = make_alert(event, "evt_2");
  EXPECT_EQ(alert.kind, config::AlertKind::budget_closed);
  EXPECT_EQ(alert.detail,
            R"({"id":"evt_2","event":"budget_closed","at":"2026-11-26T12:00:00.000000Z",)"
            R"("scope":"agent","scope_id":"coder","budget":"day","window":"total",)"
            R"("unit":"tokens","limit_tokens":1000,"spent_tokens":1200,)"
            R"("window_start":"1970-01-01T00:00:00.000000Z"})");
  EXPECT_EQ(alert.summary,
            "Budget day of agent coder is closed: more was billed than was held: 1200 tokens of "
            "1000 tokens spent. It never resets.");
}

TEST(Alert, SlackGetsOneLineForPeople) {
  const Alert alert = make_alert(threshold(), "evt_1");
  EXPECT_EQ(body_of(alert, WebhookFormat::slack),
            R"({"text":"Budget day of agent coder has reached 80 %: $4.10 of $5.00 spent. )"
            R"(At this pace it is used up at 2026-11-26 14:38:02 UTC. )"
            R"(It resets at 2026-11-27 00:00:00 UTC."})");
}

TEST(Alert, NamesOfCallersAreNoMarkupInSlack) {
  BudgetEvent event = threshold();
  event.scope = config::ScopeKind::end_user;
  const std::string id = "<!channel> & <https://evil.example|click>\n\"\xff";
  event.scope_id = id;
  const Alert alert = make_alert(event, "evt_1");
  const std::string body = body_of(alert, WebhookFormat::slack);
  const auto text = nlohmann::json::parse(body).at("text").get<std::string>();
  EXPECT_EQ(text.find_first_of("<>\n"), std::string::npos) << text;
  EXPECT_NE(text.find("&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt;"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("&amp;lt;"), std::string::npos) << "once, not twice: " << text;
  const auto detail = nlohmann::json::parse(alert.detail);
  EXPECT_EQ(detail.at("scope_id").get<std::string>().substr(0, 10), "<!channel>")
      << "programs get it as it is";
}

TEST(Alert, LongNamesAreCutForPeopleOnly) {
  BudgetEvent event = threshold();
  const std::string id(5'000, 'a');
  event.scope_id = id;
  const Alert alert = make_alert(event, "evt_1");
  EXPECT_LT(alert.summary.size(), 400u);
  EXPECT_EQ(alert.scope_id, id);
  EXPECT_EQ(nlohmann::json::parse(alert.detail).at("scope_id"), id);
}

loops::Verdict stop_of_a_trace() {
  loops::Verdict verdict;
  verdict.decision = loops::Decision::stop;
  verdict.is_news = true;
  verdict.detector = loops::Detector::repeats;
  verdict.target = loops::StopTarget::trace;
  verdict.stop_id = 7;
  verdict.wait = std::chrono::minutes(10);
  verdict.evidence = "21 near-identical calls in 600 s (limit 20)";
  return verdict;
}

TEST(Alert, ALoopThatWasStopped) {
  const loops::Verdict verdict = stop_of_a_trace();
  const Alert alert = make_alert(
      LoopFinding{verdict, FakeClock::at("2026-11-26T12:00:00Z"), "k1", "run<1>", "req_1"},
      "evt_1");
  EXPECT_EQ(alert.kind, config::AlertKind::loop_detected);
  EXPECT_EQ(alert.scope, config::ScopeKind::key);
  EXPECT_EQ(alert.scope_id, "k1");
  EXPECT_EQ(alert.budget, "");
  EXPECT_EQ(alert.detail,
            R"({"id":"evt_1","event":"loop_detected","at":"2026-11-26T12:00:00.000000Z",)"
            R"("scope":"key","scope_id":"k1","detector":"repeats","mode":"enforce",)"
            R"("action":"stop","target":"trace",)"
            R"-("evidence":"21 near-identical calls in 600 s (limit 20)","trace":"run<1>",)-"
            R"("request_id":"req_1","stop_id":7,"until":"2026-11-26T12:10:00.000000Z"})");
  EXPECT_EQ(body_of(alert, WebhookFormat::slack),
            R"({"text":"Key k1 runs in circles (repeats): 21 near-identical calls in 600 s )"
            R"((limit 20). Stopped until 2026-11-26 12:10:00 UTC: its trace run&lt;1&gt; )"
            R"((stop 7)."})");
}

TEST(Alert, ALoopThatWasNotStopped) {
  loops::Verdict verdict = stop_of_a_trace();
  const auto summary = [&] {
    return make_alert(
               LoopFinding{verdict, FakeClock::at("2026-11-26T12:00:00Z"), "k1", "", "req_1"},
               "evt_1")
        .summary;
  };
  const std::string found =
      "Key k1 runs in circles (repeats): 21 near-identical calls in 600 s (limit 20).";
  verdict.stop_id = 0;
  EXPECT_EQ(summary(), found + " The call was refused.");
  verdict.action = config::LoopAction::slow_down;
  verdict.wait = std::chrono::milliseconds(2'000);
  EXPECT_EQ(summary(), found + " Each further call waits 2000 ms.");
  verdict.action = config::LoopAction::alert;
  EXPECT_EQ(summary(), found + " Nothing was done.");
  verdict.mode = config::LoopMode::observe;
  EXPECT_EQ(summary(), found + " Observed only.");
}

TEST(Alert, ALoopSaysHowManyOfItsKeyWereNotTold) {
  loops::Verdict verdict = stop_of_a_trace();
  verdict.untold = 41;
  const Alert alert = make_alert(
      LoopFinding{verdict, FakeClock::at("2026-11-26T12:00:00Z"), "k1", "run-7", "req_1"}, "evt_1");
  EXPECT_EQ(nlohmann::json::parse(alert.detail).at("untold"), 41);
  EXPECT_NE(alert.summary.find("(stop 7). And 41 more of this key that were not told."),
            std::string::npos)
      << alert.summary;
}

TEST(DeadLetter, HoldsWhatWasToBeSentAsAnObject) {
  DeadLetter letter;
  letter.event_id = "evt_1";
  letter.format = WebhookFormat::slack;
  letter.host = "hooks.example.com";
  letter.attempts = 5;
  letter.last_error = "status 503";
  letter.body = R"({"text":"a \"b\""})";
  EXPECT_EQ(to_json(letter),
            R"({"id":"evt_1","host":"hooks.example.com","format":"slack","reason":"given_up",)"
            R"("attempts":5,"last_error":"status 503","body":{"text":"a \"b\""}})");
  letter.reason = FailureReason::queue_full;
  letter.attempts = 0;
  letter.last_error.clear();
  EXPECT_EQ(to_json(letter),
            R"({"id":"evt_1","host":"hooks.example.com","format":"slack","reason":"queue_full",)"
            R"("attempts":0,"body":{"text":"a \"b\""}})");
}

}  // namespace
}  // namespace tollgate::domain::alerts
