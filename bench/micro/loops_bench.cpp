// What the loop breaker costs every call: the fingerprint of its body, and the counting.
//
// Aims: a fingerprint of 10 KB of text <= 3 us; on_call <= 300 ns, with its outcome too.
#include <benchmark/benchmark.h>

#include <string>

#include "tollgate/domain/loops/loop_breaker.hpp"
#include "tollgate/protocol/llm/dialect.hpp"

namespace {

using namespace tollgate;
using domain::loops::Call;
using domain::loops::LoopBreaker;

/// Text as agents send it: `digits` in a thousand words have some, `breaks` line ends.
std::string text_of(std::size_t bytes, unsigned digits, unsigned breaks) {
  static constexpr const char* kWords[] = {"module", "returns", "the",    "value", "of",
                                           "parser", "because", "caller", "is",    "missing"};
  std::string text;
  std::uint64_t state = 88172645463325252ull;
  while (text.size() < bytes) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    text += kWords[state % 10];
    if (state / 16 % 1'000 < digits) text += std::to_string(state % 10'000);
    text += state / 65'536 % 1'000 < breaks ? "\\n    " : " ";
  }
  text.resize(bytes);
  return text;
}

void fingerprint(benchmark::State& state, const std::string& body) {
  json::Document document;
  protocol::llm::GovernedFields fields;
  const auto& dialect = protocol::llm::dialect(protocol::llm::DialectKind::openai);
  if (document.parse(body).has_error() ||
      dialect.scan(protocol::llm::RequestKind::chat_completions, document, fields).has_error())
    std::abort();
  for (auto _ : state)
    benchmark::DoNotOptimize(domain::loops::fingerprint_of(fields, document, 16'384));
  state.SetBytesProcessed(static_cast<std::int64_t>(body.size()) * state.iterations());
}

/// One question of 10 KB: all of it is read.
void BM_Fingerprint_Question(benchmark::State& state) {
  const auto digits = static_cast<unsigned>(state.range(0));
  const auto breaks = static_cast<unsigned>(state.range(1));
  fingerprint(state, R"({"model":"gpt-4o","messages":[{"role":"system","content":"Be brief."},)"
                     R"({"role":"user","content":")" +
                         text_of(10'000, digits, breaks) + R"("}]})");
}
BENCHMARK(BM_Fingerprint_Question)
    ->ArgNames({"digits", "breaks"})
    ->Args({10, 20})     // prose
    ->Args({100, 120});  // code and logs

/// A conversation of 10 KB in 20 messages: its last turn is read, and how it began.
void BM_Fingerprint_Conversation(benchmark::State& state) {
  std::string body =
      R"({"model":"gpt-4o","messages":[{"role":"user","content":")" + text_of(800, 10, 20) + "\"}";
  for (int i = 0; i < 10; ++i)
    body +=
        R"(,{"role":"assistant","content":null,"tool_calls":[{"id":"call_Xb3dE5fG7hI9","type":)"
        R"("function","function":{"name":"read_file","arguments":"{\"path\":\"src/a.cpp\"}"}}]})"
        R"(,{"role":"tool","tool_call_id":"call_Xb3dE5fG7hI9","content":")" +
        text_of(700, 30, 60) + "\"}";
  fingerprint(state, body + "]}");
}
BENCHMARK(BM_Fingerprint_Conversation);

/// `conversations` that go on in turn, as many traces, with a key for each sixteen.
void BM_OnCall(benchmark::State& state) {
  static LoopBreaker breaker{config::LoopMemory{}};
  const config::LoopBreaker rules;
  const auto conversations = static_cast<std::uint64_t>(state.range(0));
  base::SystemClock clock;
  std::vector<std::string> keys, traces;
  for (std::uint64_t i = 0; i < conversations; ++i) {
    keys.push_back("key-" + std::to_string(i / 16));
    traces.push_back("4bf92f3577b34da6a3ce929d0e0e4736" + std::to_string(i));
  }
  std::uint64_t n = static_cast<std::uint64_t>(state.thread_index()) << 40;
  const base::MonoTime start = clock.mono();
  for (auto _ : state) {
    ++n;
    const std::uint64_t who = n % conversations;
    Call call;
    call.key_id = keys[who];
    call.owner = "acme";
    call.trace = traces[who];
    call.fingerprint.kind = domain::loops::CallKind::model;
    // Each turn is a new one: what it costs when nothing repeats.
    call.fingerprint.near = n * 0x9E3779B97F4A7C15ull;
    call.fingerprint.reworded = n * 0xD1B54A32D192ED03ull;
    call.fingerprint.exact = n;
    call.fingerprint.conversation = who + 1;
    call.fingerprint.turns = static_cast<std::uint32_t>(n);
    const base::MonoTime now = start + std::chrono::milliseconds(n & 0xFFFFFFFF);
    const auto verdict = breaker.on_call(call, rules, now);
    benchmark::DoNotOptimize(verdict.decision);
    if (state.range(1) != 0) breaker.on_outcome(verdict.ticket, false, now);
  }
}
BENCHMARK(BM_OnCall)->ArgNames({"conversations", "outcome"})->Args({16, 0})->Args({16, 1});
BENCHMARK(BM_OnCall)->ArgNames({"conversations", "outcome"})->Args({1'024, 0})->Args({1'024, 1});
BENCHMARK(BM_OnCall)
    ->ArgNames({"conversations", "outcome"})
    ->Args({1'024, 1})
    ->Threads(2)
    ->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
