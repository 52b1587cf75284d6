#include <algorithm>

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
};
constexpr llm::KeyMap kCounts(kCountNames);

/// Counts in a stream are cumulative: message_delta repeats what message_start told, and more of
/// it. Hosts that speak the dialect put 0 where they do not repeat, so the larger one is true.
void raise(std::int64_t& count, std::int64_t told) {
  count = std::max(count, told);
}

}  // namespace

// Anthropic API reference, read 2026-11: input_tokens leaves out both cache counts.
void read_usage(json::NodeRef node, llm::Usage& usage) {
  if (!node.is_object()) return;
  const llm::Members told(node, kCounts);
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
  raise(usage.reasoning, read_count_in(told[Count::output_details], "thinking_tokens").value);
  if (const std::string_view tier = told[Count::service_tier].text(); !tier.empty()) {
    usage.service_tier = tier;
  }
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
