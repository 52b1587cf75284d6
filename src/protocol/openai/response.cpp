#include <algorithm>

#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::read_count;
using llm::TextRole;
using llm::TextWalk;

json::NodeRef first_of(json::NodeRef object, std::string_view a, std::string_view b) {
  const json::NodeRef found = object.find(a);
  return found ? found : object.find(b);
}

void choice_texts(json::NodeRef choice, TextWalk& walk) {
  if (!choice.is_object()) walk.structured(choice, TextRole::assistant);
  for (const json::NodeRef member : choice.children()) {
    if (member.key_is("logprobs") || llm::is_opaque(member)) continue;
    if (!member.key_is("message") || !member.is_object()) {
      walk.structured(member, TextRole::assistant);
      continue;
    }
    for (const json::NodeRef part : member.children()) {
      if (part.key_is("content")) {
        walk.structured(part, TextRole::assistant);
      } else if (part.key_is("tool_calls") || part.key_is("function_call")) {
        walk.structured(part, TextRole::tool_arguments);
      } else if (part.key_is("reasoning_content") || part.key_is("reasoning") ||
                 part.key_is("reasoning_details")) {
        walk.structured(part, TextRole::reasoning);
      } else if (part.key_is("refusal")) {
        walk.structured(part, TextRole::refusal);
      } else if (part.key_is("audio") && part.is_object()) {
        for (const json::NodeRef sound : part.children())
          if (!llm::is_binary_data(sound)) walk.structured(sound, TextRole::assistant);
      } else if (!llm::is_opaque(part)) {
        walk.structured(part, TextRole::assistant);
      }
    }
  }
}

}  // namespace

// Chat completions, embeddings: OpenAI API reference, read 2026-11. Responses names the same counts
// input_tokens and output_tokens. Every chunk's usage is of the whole call so far: taken, not
// added.
void read_usage(json::NodeRef node, llm::Usage& usage) {
  if (!node.is_object()) return;
  const std::int64_t input = read_count(first_of(node, "prompt_tokens", "input_tokens"));
  const std::int64_t stated = read_count(first_of(node, "completion_tokens", "output_tokens"));
  const json::NodeRef in_details = first_of(node, "prompt_tokens_details", "input_tokens_details");
  const json::NodeRef out_details =
      first_of(node, "completion_tokens_details", "output_tokens_details");
  usage.reported = true;
  // Cached tokens are part of the input count; DeepSeek tells them elsewhere.
  json::NodeRef cached = in_details.find("cached_tokens");
  if (!cached.is_number()) cached = node.find("prompt_cache_hit_tokens");
  usage.cache_read = std::min(read_count(cached), input);
  usage.cache_write_5m =
      std::min(read_count(in_details.find("cache_write_tokens")), input - usage.cache_read);
  usage.cache_write_1h = 0;
  usage.input = input - usage.cache_read - usage.cache_write_5m;
  // Some hosts (xAI, Gemini's compatible API) leave reasoning out of completion_tokens, not out of
  // total_tokens, and bill it.
  usage.output = std::max(stated, read_count(node.find("total_tokens")) - input);
  usage.reasoning = read_count(out_details.find("reasoning_tokens"));
  usage.audio_in = read_count(in_details.find("audio_tokens"));
  usage.audio_out = read_count(out_details.find("audio_tokens"));
}

llm::ResponseFacts read_response(const json::Document& body) {
  llm::ResponseFacts facts;
  const json::NodeRef root = body.root();
  const json::NodeRef error = root.find("error");
  facts.is_error = error && !error.is_null();
  facts.model = root.find("model").text();
  facts.usage.service_tier = root.find("service_tier").text();
  read_usage(root.find("usage"), facts.usage);
  const json::NodeRef choices = root.find("choices");
  facts.choices = choices.is_array() ? choices.size() : 0;
  facts.finish_reason = choices.at(0).find("finish_reason").text();
  // Responses has one answer, and says `status` where chat completions say why it ended.
  if (root.find("output").is_array()) {
    facts.choices = 1;
    facts.finish_reason = root.find("status").text();
  }
  return facts;
}

void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out) {
  TextWalk walk(out);
  const json::NodeRef root = body.root();
  if (!root.is_object()) {
    walk.structured(root, TextRole::other);
    return;
  }
  for (const json::NodeRef member : root.children()) {
    if (llm::is_opaque(member)) continue;
    if (member.key_is("choices") && member.is_array()) {
      for (const json::NodeRef choice : member.children()) choice_texts(choice, walk);
    } else {
      walk.structured(member, member.key_is("output") ? TextRole::assistant : TextRole::other);
    }
  }
}

}  // namespace tollgate::protocol::openai
