#include <algorithm>
#include <iterator>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/error_status.hpp"
#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/key_map.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::read_count;
using llm::read_count_in;

enum class Count : std::uint8_t {
  other,
  input,
  output,
  cache_read,
  cache_writes,
  all_cache_writes,
  output_details,
  service_tier,
  speed,
  inference_geo,
  server_tools,
  iterations,
  end,
};
constexpr llm::NamedField<Count> kCountNames[] = {
    {"input_tokens", Count::input},
    {"output_tokens", Count::output},
    {"cache_read_input_tokens", Count::cache_read},
    {"cache_creation", Count::cache_writes},
    {"cache_creation_input_tokens", Count::all_cache_writes},
    {"output_tokens_details", Count::output_details},
    {"service_tier", Count::service_tier},
    {"speed", Count::speed},
    {"inference_geo", Count::inference_geo},
    {"server_tool_use", Count::server_tools},
    {"iterations", Count::iterations},
};
constexpr llm::KeyMap kCounts(kCountNames);
using Told = llm::Members<Count, std::size(kCountNames)>;

/// Counts in a stream are cumulative: message_delta repeats what message_start told, and more of
/// it. Hosts that speak the dialect put 0 where they do not repeat, so the larger one is true.
void raise(std::int64_t& count, std::int64_t told) {
  count = std::max(count, told);
}

void take(std::string& word, json::NodeRef told) {
  if (const std::string_view text = told.text(); !text.empty()) word = text;
}

/// Tokens by kind, as a usage object has them and each of its iterations.
void read_counts(const Told& told, llm::Usage& usage) {
  const json::NodeRef writes = told[Count::cache_writes];
  const llm::TokenCount input = read_count(told[Count::input]);
  const llm::TokenCount output = read_count(told[Count::output]);
  const llm::TokenCount cache_read = read_count(told[Count::cache_read]);
  const llm::TokenCount writes_5m = read_count_in(writes, "ephemeral_5m_input_tokens");
  const llm::TokenCount writes_1h = read_count_in(writes, "ephemeral_1h_input_tokens");
  const llm::TokenCount all_writes = read_count(told[Count::all_cache_writes]);
  bool caches_told = true;
  for (const llm::TokenCount& cached : {cache_read, writes_5m, writes_1h, all_writes}) {
    caches_told = caches_told && cached.is_told_or_absent();
    usage.is_absurd = usage.is_absurd || cached.is_absurd();
  }
  usage.input_told = usage.input_told || (input.is_told() && caches_told);
  usage.output_told = usage.output_told || output.is_told();
  usage.is_absurd = usage.is_absurd || input.is_absurd() || output.is_absurd();
  raise(usage.input, input.value);
  raise(usage.output, output.value);
  raise(usage.cache_read, cache_read.value);
  raise(usage.cache_write_5m, writes_5m.value);
  raise(usage.cache_write_1h, writes_1h.value);
  // Writes that the breakdown does not name have the usual duration.
  raise(usage.cache_write_5m, all_writes.value - usage.cache_write_1h);
}

/// Brings `usage.beside` up to date, which is not in the counts meanwhile. `iterations` lists every
/// run of a model. Those of type `message`, and the `fallback_message` that answers in place of
/// one, are in the figures above the list; compaction and advisors are billed and are not
/// (Anthropic, "Compaction" and "Advisor tool", and the entries' types in its SDKs, read
/// 2026-11-27).
void read_iterations(json::NodeRef iterations, llm::Usage& usage) {
  if (!iterations.is_array()) return;
  llm::Usage::Beside sum;
  const auto add = [](std::int64_t& to, std::int64_t count) {
    to = std::min(to + count, llm::kMaxTokens);
  };
  for (const json::NodeRef run : iterations.children()) {
    const std::string_view type = run.find("type").text();
    if (type.empty() || type == "message") continue;
    // An advisor and a fallback are other models; what they cost is not in the price of this one.
    const json::NodeRef model = run.find("model");
    usage.leaves_open = usage.leaves_open || (model && !model.is_null());
    if (type == "fallback_message") continue;
    llm::Usage own;
    read_counts(Told(run, kCounts), own);
    usage.leaves_open = usage.leaves_open || !own.input_told || !own.output_told;
    usage.is_absurd = usage.is_absurd || own.is_absurd;
    add(sum.input, own.input);
    add(sum.output, own.output);
    add(sum.cache_read, own.cache_read);
    add(sum.cache_write_5m, own.cache_write_5m);
    add(sum.cache_write_1h, own.cache_write_1h);
  }
  llm::Usage::Beside& beside = usage.beside;
  raise(beside.input, sum.input);
  raise(beside.output, sum.output);
  raise(beside.cache_read, sum.cache_read);
  raise(beside.cache_write_5m, sum.cache_write_5m);
  raise(beside.cache_write_1h, sum.cache_write_1h);
}

/// Puts `usage.beside` into the counts, or takes it out.
void count_beside(llm::Usage& usage, int sign) {
  usage.input += sign * usage.beside.input;
  usage.output += sign * usage.beside.output;
  usage.cache_read += sign * usage.beside.cache_read;
  usage.cache_write_5m += sign * usage.beside.cache_write_5m;
  usage.cache_write_1h += sign * usage.beside.cache_write_1h;
}

}  // namespace

// Anthropic API reference, read 2026-11: input_tokens leaves out both cache counts.
void read_usage(json::NodeRef node, llm::Usage& usage) {
  if (!node.is_object()) return;
  const Told told(node, kCounts);
  // An event may repeat one without the other: each is raised by itself.
  count_beside(usage, -1);
  read_counts(told, usage);
  read_iterations(told[Count::iterations], usage);
  count_beside(usage, 1);
  raise(usage.reasoning, read_count_in(told[Count::output_details], "thinking_tokens").value);
  const llm::TokenCount searches = read_count_in(told[Count::server_tools], "web_search_requests");
  usage.is_absurd = usage.is_absurd || searches.is_absurd();
  raise(usage.web_searches, searches.value);
  take(usage.service_tier, told[Count::service_tier]);
  take(usage.speed, told[Count::speed]);
  take(usage.inference_geo, told[Count::inference_geo]);
}

llm::ResponseFacts read_response(const json::Document& body) {
  llm::ResponseFacts facts;
  const json::NodeRef root = body.root();
  facts.is_error = root.find("type").text_is("error");
  if (facts.is_error) facts.error_status = llm::status_of_error(root.find("error"));
  facts.model = root.find("model").text();
  read_usage(root.find("usage"), facts.usage);
  facts.finish_reason = root.find("stop_reason").text();
  facts.choices = root.find("content").is_array() ? 1 : 0;
  return facts;
}

}  // namespace tollgate::protocol::anthropic
