#include <algorithm>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/field_reader.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::read_count;

/// Counts in a stream are cumulative: message_delta repeats what message_start told, and more of
/// it. Hosts that speak the dialect put 0 where they do not repeat, so the larger one is true.
void raise(std::int64_t& count, std::int64_t told) {
  count = std::max(count, told);
}

}  // namespace

// Anthropic API reference, read 2026-11: input_tokens leaves out both cache counts.
void read_usage(json::NodeRef node, llm::Usage& usage) {
  if (!node.is_object()) return;
  usage.reported = true;
  raise(usage.input, read_count(node.find("input_tokens")));
  raise(usage.output, read_count(node.find("output_tokens")));
  raise(usage.cache_read, read_count(node.find("cache_read_input_tokens")));
  const json::NodeRef writes = node.find("cache_creation");
  raise(usage.cache_write_5m, read_count(writes.find("ephemeral_5m_input_tokens")));
  raise(usage.cache_write_1h, read_count(writes.find("ephemeral_1h_input_tokens")));
  // Writes that the breakdown does not name have the usual duration.
  const std::int64_t all_writes = read_count(node.find("cache_creation_input_tokens"));
  raise(usage.cache_write_5m, all_writes - usage.cache_write_1h);
  raise(usage.reasoning, read_count(node.find("output_tokens_details").find("thinking_tokens")));
  if (const std::string_view tier = node.find("service_tier").text(); !tier.empty()) {
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
