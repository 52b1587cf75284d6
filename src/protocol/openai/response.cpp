#include <algorithm>

#include "protocol/llm/error_status.hpp"
#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/key_map.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::read_count;
using llm::read_count_in;
using llm::TextRole;
using llm::TextWalk;

enum class ChoicePart : std::uint8_t { other, logprobs, message };
constexpr llm::NamedField<ChoicePart> kChoicePartNames[] = {
    {"logprobs", ChoicePart::logprobs},
    {"message", ChoicePart::message},
};
constexpr llm::KeyMap kChoiceParts(kChoicePartNames);

void answer_texts(json::NodeRef message, TextWalk& walk) {
  for (const json::NodeRef part : message.children()) {
    switch (message_part(part)) {
      case MessagePart::tool_calls:
        walk.structured(part, TextRole::tool_arguments);
        break;
      case MessagePart::reasoning:
      case MessagePart::reasoning_details:
        walk.structured(part, TextRole::reasoning);
        break;
      case MessagePart::refusal:
        walk.structured(part, TextRole::refusal);
        break;
      case MessagePart::audio:
        if (part.is_object()) {
          for (const json::NodeRef sound : part.children()) {
            walk.key(sound, TextRole::assistant);
            if (!llm::is_binary_data(sound)) walk.structured(sound, TextRole::assistant);
          }
          break;
        }
        if (llm::is_opaque(part)) break;
        walk.structured(part, TextRole::assistant);
        break;
      case MessagePart::other:
        walk.key(part, TextRole::assistant);
        if (llm::is_opaque(part)) break;
        [[fallthrough]];
      case MessagePart::content:
        walk.structured(part, TextRole::assistant);
        break;
    }
  }
}

void choice_texts(json::NodeRef choice, TextWalk& walk) {
  if (!choice.is_object()) {
    walk.structured(choice, TextRole::assistant);
    return;
  }
  for (const json::NodeRef member : choice.children()) {
    const ChoicePart part = kChoiceParts.of(member);
    if (part == ChoicePart::other) walk.key(member, TextRole::assistant);
    if (part == ChoicePart::logprobs || llm::is_opaque(member)) continue;
    if (part == ChoicePart::message && member.is_object()) {
      answer_texts(member, walk);
    } else {
      walk.structured(member, TextRole::assistant);
    }
  }
}

enum class Count : std::uint8_t {
  other,
  prompt,
  input,
  completion,
  output,
  prompt_details,
  input_details,
  completion_details,
  output_details,
  cache_hits,
  total,
  end,
};
constexpr llm::NamedField<Count> kCountNames[] = {
    {"prompt_tokens", Count::prompt},
    {"input_tokens", Count::input},
    {"completion_tokens", Count::completion},
    {"output_tokens", Count::output},
    {"prompt_tokens_details", Count::prompt_details},
    {"input_tokens_details", Count::input_details},
    {"completion_tokens_details", Count::completion_details},
    {"output_tokens_details", Count::output_details},
    {"prompt_cache_hit_tokens", Count::cache_hits},
    {"total_tokens", Count::total},
};
constexpr llm::KeyMap kCounts(kCountNames);

enum class AnswerField : std::uint8_t {
  other,
  error,
  model,
  service_tier,
  usage,
  choices,
  output,
  status,
  end,
};
constexpr llm::NamedField<AnswerField> kAnswerNames[] = {
    {"error", AnswerField::error},
    {"model", AnswerField::model},
    {"service_tier", AnswerField::service_tier},
    {"usage", AnswerField::usage},
    {"choices", AnswerField::choices},
    {"output", AnswerField::output},
    {"status", AnswerField::status},
};
constexpr llm::KeyMap kAnswerFields(kAnswerNames);

}  // namespace

// Chat completions, embeddings: OpenAI API reference, read 2026-11. Responses names the same counts
// input_tokens and output_tokens. Every chunk's usage is of the whole call so far: taken, not
// added. Rejected tokens of a prediction are part of the
// completion's. A side it leaves out keeps what was told before, of the output as a part of it.
void read_usage(json::NodeRef node, llm::Usage& usage) {
  if (!node.is_object()) return;
  const llm::Members told(node, kCounts);
  const llm::TokenCount input = read_count(told.either(Count::prompt, Count::input));
  const llm::TokenCount stated = read_count(told.either(Count::completion, Count::output));
  const llm::TokenCount total = read_count(told[Count::total]);
  const json::NodeRef in_details = told.either(Count::prompt_details, Count::input_details);
  const json::NodeRef out_details = told.either(Count::completion_details, Count::output_details);
  const llm::TokenCount reasoning = read_count_in(out_details, "reasoning_tokens");
  usage.is_absurd =
      input.is_absurd() || stated.is_absurd() || total.is_absurd() || reasoning.is_absurd();
  if (input.is_told()) {
    usage.input_told = true;
    // Cached tokens are part of the input count; DeepSeek tells them elsewhere.
    json::NodeRef cached = in_details.find("cached_tokens");
    if (!cached.is_number()) cached = told[Count::cache_hits];
    usage.cache_read = std::min(read_count(cached).value, input.value);
    usage.cache_write_5m = std::min(read_count_in(in_details, "cache_write_tokens").value,
                                    input.value - usage.cache_read);
    usage.cache_write_1h = 0;
    usage.input = input.value - usage.cache_read - usage.cache_write_5m;
    // Whether audio or text was cached is not told: taken for text, the dearer reading.
    const std::int64_t audio =
        std::min(read_count_in(in_details, "audio_tokens").value, input.value);
    usage.audio_in = std::min(audio, usage.input);
    usage.audio_cache_read = std::min(audio - usage.audio_in, usage.cache_read);
  }
  // Some hosts leave reasoning out of completion_tokens, not out of total_tokens, and bill it: xAI
  // ("Consumption and rate limits" of its documentation), which names it too, and Gemini's
  // compatible API (answers shown in Google's developer forum, thread 127400), which does not; both
  // read 2026-11-27. What else a total may hold is charged as output as well, the dearest kind. A
  // total that is no more than the input tells of no output.
  const std::int64_t beside_input = input.is_told() ? total.value - input.value : 0;
  usage.output_told = stated.is_told() || beside_input > 0;
  if (usage.output_told) {
    // More than its whole is no part of it: such reasoning stands beside what is stated.
    const std::int64_t beside_stated = reasoning.value > stated.value ? reasoning.value : 0;
    usage.output = std::max(stated.value + beside_stated, beside_input);
    usage.reasoning = reasoning.value;
    usage.audio_out = std::min(read_count_in(out_details, "audio_tokens").value, usage.output);
  }
}

llm::ResponseFacts read_response(const json::Document& body) {
  llm::ResponseFacts facts;
  const llm::Members told(body.root(), kAnswerFields);
  const json::NodeRef error = told[AnswerField::error];
  facts.is_error = error && !error.is_null();
  if (facts.is_error) facts.error_status = llm::status_of_error(error);
  facts.model = told[AnswerField::model].text();
  facts.usage.service_tier = told[AnswerField::service_tier].text();
  read_usage(told[AnswerField::usage], facts.usage);
  const json::NodeRef choices = told[AnswerField::choices];
  facts.choices = choices.is_array() ? choices.size() : 0;
  facts.finish_reason = choices.at(0).find("finish_reason").text();
  // Responses has one answer, and says `status` where chat completions say why it ended.
  if (told[AnswerField::output].is_array()) {
    facts.choices = 1;
    facts.finish_reason = told[AnswerField::status].text();
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
    const AnswerField field = kAnswerFields.of(member);
    if (field == AnswerField::other) walk.key(member, TextRole::other);
    if (llm::is_opaque(member)) continue;
    if (field == AnswerField::choices && member.is_array()) {
      for (const json::NodeRef choice : member.children()) choice_texts(choice, walk);
    } else {
      walk.structured(member, field == AnswerField::output ? TextRole::assistant : TextRole::other);
    }
  }
}

}  // namespace tollgate::protocol::openai
