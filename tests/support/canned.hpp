#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Bodies of the OpenAI and Anthropic dialects, with usage that makes costs easy to check by hand.
namespace tollgate::testing {

/// One provider `up` at @{UP}, one alias `m` (its model `real-m`, $2.50 / $10 per million tokens),
/// one key `k1` of agent `coder` in team `research` of org `acme`.
extern const char* const kOneProvider;
/// What kOneProvider sends upstream as its credential.
inline constexpr std::string_view kProviderKey = "provider-credential-0123456789abcdef";

/// A chat request with `more` (`,"name":value` pairs) after the messages.
[[nodiscard]] std::string chat_request(std::string_view model, std::string_view text,
                                       std::string_view more = R"(,"max_tokens":100)");
/// A chat completion; cost at kOneProvider's prices: (input * 2500 + output * 10000) nano-USD.
[[nodiscard]] std::string completion(std::string_view text, int input_tokens = 12,
                                     int output_tokens = 5);
inline constexpr std::string_view kCompletionCost = "80000";  ///< of 12 in, 5 out

/// Events of a chat stream: one per text, then finish, then usage when asked, then [DONE].
[[nodiscard]] std::vector<std::string> chat_stream(const std::vector<std::string>& texts,
                                                   bool with_usage = true);
/// One content event of a chat stream.
[[nodiscard]] std::string chat_chunk(std::string_view text);
/// The texts of all content deltas in these `data:` values, joined.
[[nodiscard]] std::string joined_content(const std::vector<std::string>& data);

/// An Anthropic message and its stream (12 in, 5 out).
[[nodiscard]] std::string anthropic_message(std::string_view text);
[[nodiscard]] std::vector<std::string> anthropic_stream(const std::vector<std::string>& texts);

}  // namespace tollgate::testing
