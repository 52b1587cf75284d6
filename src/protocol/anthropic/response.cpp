#include <algorithm>

#include "protocol/anthropic/parts.hpp"
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
  usage.reported = true;
  raise(usage.input, read_count(told[Count::input]));
  raise(usage.output, read_count(told[Count::output]));
  raise(usage.cache_read, read_count(told[Count::cache_read]));
  const json::NodeRef writes = told[Count::cache_writes];
  raise(usage.cache_write_5m, read_count_in(writes, "ephemeral_5m_input_tokens"));
  raise(usage.cache_write_1h, read_count_in(writes, "ephemeral_1h_input_tokens"));
  // Writes that the breakdown does not name have the usual duration.
  const std::int64_t all_writes = read_count(told[Count::all_cache_writes]);
  raise(usage.cache_write_5m, all_writes - usage.cache_write_1h);
  raise(usage.reasoning, read_count_in(told[Count::output_details], "thinking_tokens"));
  if (const std::string_view tier = told[Count::service_tier].text(); !tier.empty()) {
    usage.service_tier = tier;
  }
}

llm::ResponseFacts read_response(const json::Document& body) {
  llm::ResponseFacts facts;
  const json::NodeRef root = body.root();
  facts.is_error = root.find("type").text_is("error");
  facts.model = root.find("model").text();
  read_usage(root.find("usage"), facts.usage);
  facts.finish_reason = root.find("stop_reason").text();
  facts.choices = root.find("content").is_array() ? 1 : 0;
  return facts;
}

}  // namespace tollgate::protocol::anthropic
