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
  final_counts = {};
  output_text_bytes = 0;
}

CallBound Payload::bound(std::size_t body_bytes) const {
  CallBound bound;
  if (kind != Kind::model || dialect == nullptr) {
    bound.has_output = false;
    bound.cache_writes = domain::budget::CacheWrites::none;
    return bound;
  }
  bound.input_tokens = dialect->input_token_bound(body_bytes, fields);
  bound.has_output = has_output(fields.kind);
  bound.output_cap = fields.output_cap;
  // Anthropic's 0 fills a cache and generates nothing. It costs no less than a token here, so that
  // no budget that is exhausted or closed lets it pass.
  if (bound.output_cap == 0) bound.output_cap = 1;
  bound.extra_output_tokens = fields.extra_output_bound;
  bound.choices = fields.choices;
  bound.has_unbounded_input = fields.has_unbounded_input();
  bound.cache_writes = to_budget(fields.cache_writes);
  return bound;
}

TokenCounts Payload::to_counts(const protocol::llm::Usage& usage) const {
  TokenCounts counts;
  counts.input = usage.input;
  counts.output = usage.output;
  counts.cache_read = usage.cache_read;
  counts.cache_write_5m = usage.cache_write_5m;
  counts.cache_write_1h = usage.cache_write_1h;
  return counts;
}

Payload::Use Payload::use(const protocol::llm::Usage& usage, bool is_final,
                          std::size_t body_bytes) const {
  Use use{to_counts(usage), !is_final || usage.is_absurd};
  TokenCounts& counts = use.counts;
  const auto quarter = [](std::uint64_t bytes) {
    return static_cast<std::int64_t>((bytes + 3) / 4);
  };
  if (!usage.input_told || (!is_final && usage.total_input() == 0)) {
    const std::int64_t cached = usage.total_input() - usage.input;
    counts.input = std::max(counts.input, quarter(body_bytes) - cached);
    use.is_estimated = true;
  }
  if (has_output(fields.kind) && (!usage.output_told || !is_final)) {
    counts.output = std::max(counts.output, quarter(output_text_bytes));
    use.is_estimated = true;
  }
  return use;
}

}  // namespace tollgate::pipeline
