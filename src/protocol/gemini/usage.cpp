#include "tollgate/protocol/gemini/usage.hpp"

#include <algorithm>

#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/key_map.hpp"

namespace tollgate::protocol::gemini {
namespace {

using llm::read_count;
using llm::TokenCount;

enum class Count : std::uint8_t {
  other,
  prompt,
  cached,
  candidates,
  thoughts,
  tool_use,
  total,
  prompt_details,
  cache_details,
  candidates_details,
  tool_use_details,
  service_tier,
  traffic_type,
  end,
};
// JSON of protocol buffers: readers of it accept both spellings, writers choose one.
constexpr llm::NamedField<Count> kNames[] = {
    {"promptTokenCount", Count::prompt},
    {"prompt_token_count", Count::prompt},
    {"cachedContentTokenCount", Count::cached},
    {"cached_content_token_count", Count::cached},
    {"candidatesTokenCount", Count::candidates},
    {"candidates_token_count", Count::candidates},
    {"thoughtsTokenCount", Count::thoughts},
    {"thoughts_token_count", Count::thoughts},
    {"toolUsePromptTokenCount", Count::tool_use},
    {"tool_use_prompt_token_count", Count::tool_use},
    {"totalTokenCount", Count::total},
    {"total_token_count", Count::total},
    {"promptTokensDetails", Count::prompt_details},
    {"prompt_tokens_details", Count::prompt_details},
    {"cacheTokensDetails", Count::cache_details},
    {"cache_tokens_details", Count::cache_details},
    {"candidatesTokensDetails", Count::candidates_details},
    {"candidates_tokens_details", Count::candidates_details},
    {"toolUsePromptTokensDetails", Count::tool_use_details},
    {"tool_use_prompt_tokens_details", Count::tool_use_details},
    {"serviceTier", Count::service_tier},
    {"service_tier", Count::service_tier},
    {"trafficType", Count::traffic_type},
    {"traffic_type", Count::traffic_type},
};
constexpr llm::KeyMap kCounts(kNames);

/// Tokens of audio in `[{"modality":"AUDIO","tokenCount":12}, ...]`, at most `most`.
std::int64_t audio_of(json::NodeRef details, std::int64_t most) {
  std::int64_t audio = 0;
  for (const json::NodeRef part : details.children()) {
    if (!part.find("modality").text_is("AUDIO")) continue;
    json::NodeRef count = part.find("tokenCount");
    if (!count) count = part.find("token_count");
    audio = std::min(audio + read_count(count).value, most);
  }
  return audio;
}

/// What Vertex calls the kinds of traffic that have names in requests.
std::string_view tier_of(std::string_view traffic) {
  if (traffic == "ON_DEMAND" || traffic == "TRAFFIC_TYPE_UNSPECIFIED") return "standard";
  if (traffic == "ON_DEMAND_PRIORITY") return "priority";
  if (traffic == "ON_DEMAND_FLEX") return "flex";
  return traffic;
}

}  // namespace

void read_usage(json::NodeRef usage_metadata, llm::Usage& usage) {
  if (!usage_metadata.is_object()) return;
  const llm::Members told(usage_metadata, kCounts);
  const TokenCount prompt = read_count(told[Count::prompt]);
  const TokenCount cached = read_count(told[Count::cached]);
  const TokenCount tool_use = read_count(told[Count::tool_use]);
  const TokenCount candidates = read_count(told[Count::candidates]);
  const TokenCount thoughts = read_count(told[Count::thoughts]);
  const TokenCount total = read_count(told[Count::total]);
  usage.is_absurd = false;
  for (const TokenCount& count : {prompt, cached, tool_use, candidates, thoughts, total})
    usage.is_absurd = usage.is_absurd || count.is_absurd();
  const std::int64_t sent = prompt.value + tool_use.value;
  if (prompt.is_told()) {
    usage.input_told = cached.is_told_or_absent() && tool_use.is_told_or_absent();
    usage.cache_read = std::min(cached.value, prompt.value);
    usage.input = sent - usage.cache_read;
    usage.cache_write_5m = usage.cache_write_1h = 0;
    const std::int64_t audio = audio_of(told[Count::prompt_details], prompt.value) +
                               audio_of(told[Count::tool_use_details], tool_use.value);
    // How much of the cache was audio is not always told: then as little as can be, the dearer
    // reading.
    const json::NodeRef cache_details = told[Count::cache_details];
    usage.audio_cache_read = std::min(audio, audio_of(cache_details, usage.cache_read));
    usage.audio_in = std::min(audio - usage.audio_cache_read, usage.input);
    usage.audio_cache_read = std::min(audio - usage.audio_in, usage.cache_read);
  }
  // The first chunks of a stream, and answers that were blocked, have no candidates to count.
  const std::int64_t beside_input = prompt.is_told() ? total.value - sent : 0;
  usage.output_told = (candidates.is_told() || thoughts.is_told() || beside_input > 0) &&
                      candidates.is_told_or_absent() && thoughts.is_told_or_absent();
  if (candidates.is_told() || thoughts.is_told() || beside_input > 0) {
    usage.output = std::max(candidates.value + thoughts.value, beside_input);
    usage.reasoning = thoughts.value;
    usage.audio_out = audio_of(told[Count::candidates_details], candidates.value);
  }
  std::string_view tier = told[Count::service_tier].text();
  if (tier.empty()) tier = tier_of(told[Count::traffic_type].text());
  if (!tier.empty()) usage.service_tier = tier;
}

}  // namespace tollgate::protocol::gemini
