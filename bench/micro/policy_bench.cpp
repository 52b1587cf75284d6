// What guardrails cost: whole texts, hostile texts and streams, with the default detector set.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/domain/policy/engine.hpp"
#include "tollgate/domain/policy/scanner.hpp"
#include "tollgate/domain/policy/secrets.hpp"
#include "tollgate/domain/policy/stream_guard.hpp"

namespace {

using namespace tollgate;                  // NOLINT
using namespace tollgate::domain::policy;  // NOLINT

constexpr std::string_view kProse =
    "The committee met on Tuesday, and after a long discussion agreed that the plan was sound. "
    "Several members asked for figures; the treasurer promised to send them within the week. "
    "\"We are not in a hurry,\" said the chair, \"but we would like to know what it costs.\" "
    "In 2019 the same question had been put off, which nobody wanted to see happen again. ";
constexpr std::string_view kCode =
    "def area(r: float) -> float:\n    return 3.14159 * r ** 2  # from circle_utils v1.2.3\n"
    "{\"id\": \"d41d8cd98f00b204e9800998ecf8427e\", \"size\": [1920, 1080], \"t\": 1732400000000}\n"
    "for i in range(0, 100): print(f\"{i:04d} {table[i]['name']}\")\n";

std::string repeated(std::string_view unit, std::size_t bytes) {
  std::string text;
  while (text.size() < bytes) text += unit;
  text.resize(bytes);
  return text;
}

struct Setup {
  explicit Setup(std::vector<config::GuardRule> extra = {}) {
    Guardrails g;
    g["default"].name = "default";
    for (const char* name : {"email", "payment_card", "iban", "api_key", "private_key"}) {
      config::GuardRule rule;
      rule.name = rule.pattern = name;
      rule.action = GuardAction::mask;
      g["default"].rules.push_back(rule);
    }
    for (auto& rule : extra) g["default"].rules.push_back(std::move(rule));
    engine = PolicyEngine::compile(g).value();
    rules = engine->rules_for(std::vector<std::string>{"default"}).value();
  }
  std::shared_ptr<const PolicyEngine> engine;
  const RuleSet* rules = nullptr;
  Scanner scanner;
};

void scan_text(benchmark::State& state, const std::string& text) {
  Setup setup;
  std::vector<Match> matches;
  for (auto _ : state) {
    benchmark::DoNotOptimize(setup.scanner.scan(*setup.rules, Direction::request, text, matches));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}

void scan_prose(benchmark::State& state) {
  scan_text(state, repeated(kProse, static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(scan_prose)->Arg(100)->Arg(1'000)->Arg(10'000)->Arg(100'000);

void scan_code(benchmark::State& state) {
  scan_text(state, repeated(kCode, static_cast<std::size_t>(state.range(0))));
}
BENCHMARK(scan_code)->Arg(1'000)->Arg(10'000)->Arg(100'000);

/// 1 MiB each; the bar is 100 ms.
void scan_hostile(benchmark::State& state, const char* unit) {
  scan_text(state, repeated(unit, 1 << 20));
}
BENCHMARK_CAPTURE(scan_hostile, a, "a");
BENCHMARK_CAPTURE(scan_hostile, at, "@");
BENCHMARK_CAPTURE(scan_hostile, digits, "7");
BENCHMARK_CAPTURE(scan_hostile, digit_runs, "4 ");
BENCHMARK_CAPTURE(scan_hostile, card_groups, "4111 ");
BENCHMARK_CAPTURE(scan_hostile, card_dense, "400 4000 ");
BENCHMARK_CAPTURE(scan_hostile, iban_groups, "DE89 3704 0044 ");
BENCHMARK_CAPTURE(scan_hostile, iban_starts, "DE8 ");
BENCHMARK_CAPTURE(scan_hostile, emails, "a@b.co ");
BENCHMARK_CAPTURE(scan_hostile, email_dots, "a@b.c.d.");
BENCHMARK_CAPTURE(scan_hostile, percent_at, "%40");
BENCHMARK_CAPTURE(scan_hostile, percent_at_a, "%40a.");
BENCHMARK_CAPTURE(scan_hostile, tg, "tg-");
BENCHMARK_CAPTURE(scan_hostile, sk_proj, "sk-proj-");
BENCHMARK_CAPTURE(scan_hostile, twilio, "SK0a ");
BENCHMARK_CAPTURE(scan_hostile, gitlab, "glpat-a.b.");
BENCHMARK_CAPTURE(scan_hostile, hex, "d41d8cd98f00b204e9800998ecf8427e");
BENCHMARK_CAPTURE(scan_hostile, pem_begin, "-----BEGIN PRIVATE KEY-----\n");
BENCHMARK_CAPTURE(scan_hostile, pem_headers, "-----BEGIN PRIVATE KEY-----\nA: ");
BENCHMARK_CAPTURE(scan_hostile, pem_body,
                  "-----BEGIN PRIVATE KEY-----\nQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo\n");
BENCHMARK_CAPTURE(scan_hostile, slack, "https://hooks.slack.com/services/");

/// The provider's credential in an answer: one key, and what a stream pays per event and per piece.
void secrets_in_text(benchmark::State& state) {
  const Secrets secrets({"sk-proj-3fK9" + repeated("aB7xQ2mN", 60), "Bearer sk-other-0123456789"});
  const std::string text = repeated(kCode, static_cast<std::size_t>(state.range(0)));
  for (auto _ : state) benchmark::DoNotOptimize(secrets.in(text));
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(secrets_in_text)->Arg(12)->Arg(250)->Arg(1'000)->Arg(100'000);
void secrets_in_piece(benchmark::State& state) {
  const Secrets secrets({"sk-proj-3fK9" + repeated("aB7xQ2mN", 60), "Bearer sk-other-0123456789"});
  SecretTail tail;
  SecretTail::Scratch scratch;
  for (auto _ : state) benchmark::DoNotOptimize(tail.feed(secrets, " committee", scratch));
}
BENCHMARK(secrets_in_piece);

void scan_with_user_rules(benchmark::State& state) {
  std::vector<config::GuardRule> extra;
  for (int i = 0; i < 20; ++i) {
    config::GuardRule rule;
    rule.name = "k" + std::to_string(i);
    rule.kind = i % 2 == 0 ? config::RuleKind::keyword : config::RuleKind::regex;
    rule.pattern =
        i % 2 == 0 ? "codename" + std::to_string(i) : "PRJ" + std::to_string(i) + "-\\d+";
    rule.action = GuardAction::mask;
    extra.push_back(std::move(rule));
  }
  Setup setup(std::move(extra));
  const std::string text = repeated(kProse, static_cast<std::size_t>(state.range(0)));
  std::vector<Match> matches;
  for (auto _ : state) {
    benchmark::DoNotOptimize(setup.scanner.scan(*setup.rules, Direction::request, text, matches));
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(text.size()));
}
BENCHMARK(scan_with_user_rules)->Arg(1'000)->Arg(10'000);

/// Text cut as tokenizers do: before spaces, long words in two.
std::vector<std::string> tokens(std::string_view text) {
  std::vector<std::string> out(1);
  for (const char c : text) {
    if (c == ' ' || out.back().size() >= 8) out.emplace_back();
    out.back().push_back(c);
  }
  return out;
}

void stream_pieces(benchmark::State& state, const std::vector<std::string>& pieces) {
  Setup setup;
  StreamGuard guard(*setup.rules, Direction::response, setup.scanner);
  std::size_t i = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(guard.feed(1, pieces[i]).release.data());
    if (++i == pieces.size()) i = 0;
  }
}
void stream_prose(benchmark::State& state) {
  stream_pieces(state, tokens(kProse));
}
BENCHMARK(stream_prose);
void stream_code(benchmark::State& state) {
  stream_pieces(state, tokens(kCode));
}
BENCHMARK(stream_code);
void stream_quiet(benchmark::State& state) {
  stream_pieces(state, {" just", " letters", " and", " spaces"});
}
BENCHMARK(stream_quiet);
void stream_quiet_40_bytes(benchmark::State& state) {
  stream_pieces(state, {" a longer piece of forty bytes, more less"});
}
BENCHMARK(stream_quiet_40_bytes);
void stream_chinese(benchmark::State& state) {
  stream_pieces(state, {"\u4F60\u597D", "\u4E16\u754C", "\uFF0C\u6211", "\u5F88\u9AD8\u5174"});
}
BENCHMARK(stream_chinese);
void stream_hostile_chain(benchmark::State& state) {
  stream_pieces(state, {"x@y.z"});
}
BENCHMARK(stream_hostile_chain);
void stream_pem_body(benchmark::State& state) {
  Setup setup;
  const std::string line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo";
  for (auto _ : state) {
    StreamGuard guard(*setup.rules, Direction::response, setup.scanner);
    benchmark::DoNotOptimize(guard.feed(1, "-----BEGIN PRIVATE KEY-----\n").release);
    for (int i = 0; i < 400; ++i) benchmark::DoNotOptimize(guard.feed(1, line).release.data());
    benchmark::DoNotOptimize(guard.feed(1, "\n-----END PRIVATE KEY-----").release);
    benchmark::DoNotOptimize(guard.finish(1).release.data());
  }
}
BENCHMARK(stream_pem_body);

}  // namespace

BENCHMARK_MAIN();
