#include "tollgate/pipeline/payload.hpp"

#include <algorithm>

namespace tollgate::pipeline {

using domain::budget::CallBound;
using domain::budget::TokenCounts;
using protocol::llm::RequestKind;

namespace {

domain::budget::CacheWrites to_budget(protocol::llm::CacheWrites writes) {
  switch (writes) {
    case protocol::llm::CacheWrites::none:
      return domain::budget::CacheWrites::none;
    case protocol::llm::CacheWrites::five_minutes:
      return domain::budget::CacheWrites::five_minutes;
    case protocol::llm::CacheWrites::any:
      return domain::budget::CacheWrites::any;
  }
  return domain::budget::CacheWrites::any;
}

/// Whether the kind of call generates anything; embeddings and token counts do not.
bool has_output(RequestKind kind) {
  return kind == RequestKind::chat_completions || kind == RequestKind::messages;
}

}  // namespace

void Payload::reset() {
  kind = Kind::none;
  dialect = nullptr;
  fields.reset();
  rpc = {};
  model = {};
  wants_stream = false;
  rpc_method = tool = {};
  task_id.clear();
  mcp = {};
  a2a = {};
  fault.reset();
  peer_error_status = 0;
  billable = false;
  safe_to_repeat = true;
  trace_id.clear();
  session_id.clear();
  mcp_session = {};
  parent_id.clear();
  depth = 0;
  final_counts = {};
  output_text_bytes = 0;
  told_on_the_way = last_told = silent_tokens = 0;
}

CallBound Payload::bound(std::size_t body_bytes) const {
  CallBound bound;
  if (kind != Kind::model || dialect == nullptr) {
    bound.has_output = false;
    bound.cache_writes = domain::budget::CacheWrites::none;
    return bound;
  }
  bound.input_tokens = bound.text_tokens = dialect->text_token_bound(body_bytes, fields);
  bound.has_output = has_output(fields.kind);
  bound.output_cap = fields.output_cap;
  // Anthropic's 0 fills a cache and generates nothing. It costs no less than a token here, so that
  // no budget that is exhausted or closed lets it pass.
  if (bound.output_cap == 0) bound.output_cap = 1;
  bound.least_output_cap = fields.least_output_cap;
  bound.extra_output_tokens = fields.extra_output_bound;
  bound.choices = fields.choices;
  bound.has_unbounded_input = fields.has_unbounded_input();
  bound.has_audio_input = fields.has_audio_input;
  bound.has_audio_output = bound.has_output && fields.has_audio_output;
  bound.cache_writes = to_budget(fields.cache_writes);
  bound.modifier =
      domain::budget::modifier_name(fields.service_tier, fields.speed, fields.inference_geo);
  return bound;
}

TokenCounts Payload::to_counts(const protocol::llm::Usage& usage) const {
  TokenCounts counts;
  counts.input = usage.input - usage.audio_in;
  counts.output = usage.output - usage.audio_out;
  counts.cache_read = usage.cache_read - usage.audio_cache_read;
  counts.cache_write_5m = usage.cache_write_5m;
  counts.cache_write_1h = usage.cache_write_1h;
  counts.audio_input = usage.audio_in;
  counts.audio_output = usage.audio_out;
  counts.audio_cache_read = usage.audio_cache_read;
  counts.web_searches = usage.web_searches;
  const auto served = [](const std::string& told, std::string_view asked) {
    return told.empty() ? asked : std::string_view(told);
  };
  counts.modifier = domain::budget::modifier_name(
      served(usage.service_tier, fields.service_tier), served(usage.speed, fields.speed),
      served(usage.inference_geo, fields.inference_geo));
  std::string told =
      domain::budget::modifier_name(usage.service_tier, usage.speed, usage.inference_geo);
  if (told != counts.modifier) counts.or_modifier = std::move(told);
  return counts;
}

Payload::Use Payload::use(const protocol::llm::Usage& usage, bool is_final,
                          std::size_t body_bytes) const {
  Use use{to_counts(usage), !is_final || !usage.tells_cost()};
  TokenCounts& counts = use.counts;
  const auto quarter = [](std::uint64_t bytes) {
    return static_cast<std::int64_t>((bytes + 3) / 4);
  };
  if (!usage.input_told || (!is_final && usage.total_input() == 0)) {
    const std::int64_t cached = usage.total_input() - usage.input;
    counts.input = std::max(counts.input, quarter(body_bytes) - cached - counts.audio_input);
    use.is_estimated = true;
  }
  if (has_output(fields.kind) && (!usage.output_told || !is_final)) {
    // What was told on the way covers the silence before it.
    const std::int64_t seen =
        quarter(output_text_bytes) + (told_on_the_way > 0 ? told_on_the_way : silent_tokens);
    counts.output = std::max(counts.output, seen - counts.audio_output);
    use.is_estimated = true;
  }
  return use;
}

}  // namespace tollgate::pipeline
