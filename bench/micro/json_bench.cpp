// Cost of indexing a body: what every request and every stream event pays. Bodies are made here,
// with the density of tokens and escapes that agents' requests have.
#include <benchmark/benchmark.h>

#include <string>

#include "tollgate/json/document.hpp"

namespace {

std::string chat_body(std::size_t bytes, bool is_code) {
  std::string body =
      R"({"model":"gpt-4o-mini","temperature":0.7,"max_tokens":256,"stream":true,"user":"u-17",)"
      R"("messages":[{"role":"system","content":"You are a careful assistant. Answer briefly."})";
  const std::string_view prose = "the quick brown fox jumps over the lazy dog while it rains ";
  const std::string_view code = R"(if (a < b) {\n\treturn \"x\";\n}\n// and so on, line by line\n)";
  while (body.size() < bytes) {
    body += R"(,{"role":"user","content":")";
    const std::size_t end = body.size() + (bytes > 50'000 ? 20'000 : 300);
    while (body.size() < end) body += is_code ? code : prose;
    body += "\"}";
  }
  return body + "]}";
}

std::string chunk_event() {
  return R"({"id":"chatcmpl-9abc","object":"chat.completion.chunk","created":1732000000,)"
         R"("model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_1",)"
         R"("choices":[{"index":0,"delta":{"content":" word"},"logprobs":null,"finish_reason":null}]})";
}

void run(benchmark::State& state, const std::string& text) {
  tollgate::json::Document document;
  for (auto _ : state) {
    const auto parsed = document.parse(text);
    benchmark::DoNotOptimize(parsed.has_value());
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
  state.counters["bytes"] = static_cast<double>(text.size());
}

void prose(benchmark::State& state) {
  run(state, chat_body(static_cast<std::size_t>(state.range(0)), false));
}
void code(benchmark::State& state) {
  run(state, chat_body(static_cast<std::size_t>(state.range(0)), true));
}
void event(benchmark::State& state) {
  run(state, chunk_event());
}

BENCHMARK(prose)->Arg(1'000)->Arg(10'000)->Arg(100'000);
BENCHMARK(code)->Arg(1'000)->Arg(10'000)->Arg(100'000);
BENCHMARK(event);

}  // namespace

BENCHMARK_MAIN();
