#include "support/canned.hpp"

#include <nlohmann/json.hpp>

#include "support/fake_upstream.hpp"

namespace tollgate::testing {
namespace {

using nlohmann::json;

std::string json_string(std::string_view text) {
  return json(std::string(text)).dump();
}

std::string chunk_with(const std::string& choices, const std::string& more = "") {
  return sse_data(
      R"({"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"real-m","choices":)" +
      choices + more + "}");
}

}  // namespace

const char* const kOneProvider = R"(
providers:
  up: {kind: openai_compatible, base_url: "@{UP}/v1", api_key: provider-credential-0123456789abcdef, proxy: none}
models:
  m: {deployments: [{provider: up, model: real-m, price: {input: 2.5, output: 10}}]}
orgs: {acme: {}}
teams: {research: {org: acme}}
agents: {coder: {team: research}}
keys:
  - id: k1
    digest: "@{digest:agent}"
    agent: coder
    tags: [ci]
)";

std::string chat_request(std::string_view model, std::string_view text, std::string_view more) {
  return R"({"model":)" + json_string(model) + R"(,"messages":[{"role":"user","content":)" +
         json_string(text) + "}]" + std::string(more) + "}";
}

std::string completion(std::string_view text, int input_tokens, int output_tokens) {
  return R"({"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"real-m","choices":[{"index":0,"message":{"role":"assistant","content":)" +
         json_string(text) + R"(},"finish_reason":"stop"}],"usage":{"prompt_tokens":)" +
         std::to_string(input_tokens) + R"(,"completion_tokens":)" + std::to_string(output_tokens) +
         R"(,"total_tokens":)" + std::to_string(input_tokens + output_tokens) + "}}";
}

std::string chat_chunk(std::string_view text) {
  return chunk_with(R"([{"index":0,"delta":{"content":)" + json_string(text) +
                    R"(},"finish_reason":null}])");
}

std::vector<std::string> chat_stream(const std::vector<std::string>& texts, bool with_usage) {
  std::vector<std::string> out{chunk_with(
      R"([{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}])")};
  for (const std::string& text : texts) out.push_back(chat_chunk(text));
  out.push_back(chunk_with(R"([{"index":0,"delta":{},"finish_reason":"stop"}])"));
  if (with_usage) {
    out.push_back(chunk_with(
        "[]", R"(,"usage":{"prompt_tokens":12,"completion_tokens":5,"total_tokens":17})"));
  }
  out.push_back(sse_data("[DONE]"));
  return out;
}

std::string joined_content(const std::vector<std::string>& data) {
  std::string out;
  for (const std::string& value : data) {
    const json event = json::parse(value, nullptr, false);
    if (!event.is_object() || !event.contains("choices")) continue;
    for (const json& choice : event["choices"]) {
      if (choice.contains("delta") && choice["delta"].contains("content") &&
          choice["delta"]["content"].is_string()) {
        out += choice["delta"]["content"].get<std::string>();
      }
    }
  }
  return out;
}

std::string anthropic_message(std::string_view text) {
  return R"({"id":"msg_1","type":"message","role":"assistant","model":"real-claude","content":[{"type":"text","text":)" +
         json_string(text) +
         R"(}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":5}})";
}

std::vector<std::string> anthropic_stream(const std::vector<std::string>& texts) {
  std::vector<std::string> out{
      sse_data(
          R"({"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"real-claude","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":12,"output_tokens":1}}})",
          "message_start"),
      sse_data(
          R"({"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}})",
          "content_block_start"),
      sse_data(R"({"type":"ping"})", "ping")};
  for (const std::string& text : texts) {
    out.push_back(
        sse_data(R"({"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":)" +
                     json_string(text) + "}}",
                 "content_block_delta"));
  }
  out.push_back(sse_data(R"({"type":"content_block_stop","index":0})", "content_block_stop"));
  out.push_back(sse_data(
      R"({"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}})",
      "message_delta"));
  out.push_back(sse_data(R"({"type":"message_stop"})", "message_stop"));
  return out;
}

}  // namespace tollgate::testing
