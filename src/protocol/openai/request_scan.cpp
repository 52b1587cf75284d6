#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "protocol/llm/field_reader.hpp"
#include "protocol/llm/key_map.hpp"
#include "protocol/llm/text_walk.hpp"
#include "protocol/openai/parts.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::GovernedFields;
using llm::RequestKind;

constexpr std::int64_t kMaxChoices = 1024;  // OpenAI's own limit is 128

constexpr llm::NamedField<RequestField> kNames[] = {
    {"model", RequestField::model},
    {"models", RequestField::fallback_models},
    {"fallbacks", RequestField::fallback_models},  // LiteLLM's
    {"stream", RequestField::stream},
    {"stream_options", RequestField::stream_options},
    {"max_tokens", RequestField::max_tokens},
    {"max_completion_tokens", RequestField::max_completion_tokens},
    {"max_output_tokens", RequestField::max_output_tokens},
    {"n", RequestField::n},
    {"best_of", RequestField::best_of},
    {"user", RequestField::user},
    {"safety_identifier", RequestField::safety_identifier},
    {"service_tier", RequestField::service_tier},
    {"tools", RequestField::tools},
    {"functions", RequestField::functions},
    {"response_format", RequestField::tool_format},
    {"text", RequestField::tool_format},
    {"messages", RequestField::messages},
    {"input", RequestField::input},
    {"instructions", RequestField::instructions},
    {"prompt", RequestField::prompt},
    {"prediction", RequestField::prediction},
    {"web_search_options", RequestField::hosted_search},
    {"plugins", RequestField::hosted_search},            // OpenRouter
    {"search_parameters", RequestField::hosted_search},  // xAI
    {"enable_search", RequestField::hosted_search},      // Qwen
    {"data_sources", RequestField::hosted_search},       // Azure
    {"audio", RequestField::audio},
    {"modalities", RequestField::modalities},
    {"previous_response_id", RequestField::stored_context},
    {"conversation", RequestField::stored_context},
    {"temperature", RequestField::known},
    {"top_p", RequestField::known},
    {"seed", RequestField::known},
    {"stop", RequestField::known},
    {"tool_choice", RequestField::known},
    {"function_call", RequestField::known},
    {"parallel_tool_calls", RequestField::known},
    {"presence_penalty", RequestField::known},
    {"frequency_penalty", RequestField::known},
    {"logit_bias", RequestField::known},
    {"logprobs", RequestField::known},
    {"top_logprobs", RequestField::known},
    {"reasoning_effort", RequestField::known},
    {"verbosity", RequestField::known},
    {"metadata", RequestField::metadata},
    {"store", RequestField::known},
    {"prompt_cache_key", RequestField::known},
    {"prompt_cache_retention", RequestField::known},
    {"encoding_format", RequestField::known},
    {"dimensions", RequestField::known},
    {"include", RequestField::known},
    {"truncation", RequestField::known},
};
constexpr llm::KeyMap kFields(kNames);

/// A field that only matters by being there.
bool is_set(json::NodeRef node) {
  return node && !node.is_null();
}

/// Of a string in base64, at most.
std::int64_t decoded_bytes(json::NodeRef data) {
  return static_cast<std::int64_t>(data.raw().size()) / 4 * 3 + 3;
}

/// Parts of a message whose cost nothing bounds: why; empty when something does.
std::string_view judge_part(json::NodeRef part, GovernedFields& out) {
  const std::string_view type = part.find("type").text();
  if (type == "text" || type == "refusal" || type == "input_text" || type == "output_text") {
    return {};
  }
  if (type == "image_url" || type == "input_image") {
    const json::NodeRef image = part.find("image_url");
    const json::NodeRef url = image.is_object() ? image.find("url") : image;
    if (!url.is_string()) return "an image that is not in the body";
    if (llm::is_data_url(url) && !llm::is_data_url(url, "image/")) {
      // Some hosts take documents this way. Anything else is bounded by its bytes, as text is.
      if (llm::is_data_url(url, "application/pdf")) {
        ++out.media.documents;
        out.media.add_encoded(url);
      }
      return {};
    }
    ++out.media.images;
    if (llm::is_data_url(url)) out.media.add_encoded(url);
    return {};
  }
  if (type == "input_audio") {
    const json::NodeRef data = part.find("input_audio").find("data");
    if (!data.is_string() || data.raw().find("://") != std::string_view::npos)
      return "audio that is not in the body";
    out.has_audio_input = true;
    ++out.media.audios;
    out.media.audio_bytes += decoded_bytes(data);
    out.media.add_encoded(data);
    return {};
  }
  if (type == "file" || type == "input_file") {
    const json::NodeRef file = part.find("file").is_object() ? part.find("file") : part;
    const json::NodeRef data = file.find("file_data");
    if (!llm::is_data_url(data) || is_set(file.find("file_id")))
      return "a file that is not in the body";
    ++out.media.documents;
    out.media.add_encoded(data);
    return {};
  }
  return "a content part of a type that is not known here";
}

std::string_view judge_content(json::NodeRef content, GovernedFields& out) {
  std::string_view reason;
  if (!content.is_array()) return reason;
  for (const json::NodeRef part : content.children()) {
    const std::string_view found = part.is_object() ? judge_part(part, out) : "";
    if (reason.empty()) reason = found;
  }
  return reason;
}

std::string_view judge_messages(json::NodeRef messages, GovernedFields& out) {
  std::string_view reason;
  for (const json::NodeRef message : messages.children()) {
    std::string_view found = judge_content(message.find("content"), out);
    if (found.empty() && message.find("audio").is_object()) found = "earlier audio by reference";
    if (reason.empty()) reason = found;
  }
  return reason;
}

/// Items of the responses API.
std::string_view judge_items(json::NodeRef input, GovernedFields& out) {
  std::string_view reason;
  for (const json::NodeRef item : input.children()) {
    std::string_view found;
    const std::string_view type = item.find("type").text();
    if (type == "item_reference") found = "an item by reference";
    if (found.empty()) found = judge_content(item.find("content"), out);
    if (found.empty()) found = judge_content(item.find("output"), out);
    if (reason.empty()) reason = found;
  }
  return reason;
}

base::Result<void> read_tools(json::NodeRef tools, std::string_view param, GovernedFields& out) {
  TG_CHECK(llm::check_kind(tools, param, json::Kind::array));
  for (const json::NodeRef tool : tools.children()) {
    if (!tool.is_object()) return llm::field_error(param, "an array of objects");
    const std::string_view type = tool.find("type").text();
    json::NodeRef name = tool.find("name");
    if (!name) name = tool.find(type == "custom" ? "custom" : "function").find("name");
    if (name && !name.is_string()) return llm::field_error(param, "named by strings");
    // Legacy `functions` have no type.
    const bool is_hosted = !type.empty() && type != "function" && type != "custom";
    const std::string_view label = name ? name.text() : type;
    out.tools.push_back({label, tool, is_hosted});
    if (is_hosted && out.unbounded_reason.empty()) {
      out.unbounded_reason = "a tool that the provider runs";
    }
  }
  return {};
}

base::Result<void> read_stream_options(json::NodeRef options, GovernedFields& out) {
  TG_CHECK(llm::check_kind(options, "stream_options", json::Kind::object));
  out.stream_options_node = options;
  out.include_usage_node = options.find("include_usage");
  TG_TRY(out.include_usage,
         llm::read_bool(out.include_usage_node, "stream_options.include_usage", false));
  return {};
}

base::Result<void> read_cap(json::NodeRef node, std::string_view param, json::NodeRef& place,
                            GovernedFields& out) {
  // Not 0, which hosts that imitate the API take for none: nothing would be held for it. Legacy
  // completions, priced by the call, may ask for 0 to have their prompt scored.
  const int least = out.kind == RequestKind::chat_completions ? 1 : 0;
  TG_TRY(const auto cap, llm::read_integer(node, param, least, llm::kMaxTokens));
  place = node;
  if (cap) out.output_cap = std::max(out.output_cap.value_or(0), *cap);
  return {};
}

base::Result<void> read_choices(json::NodeRef node, std::string_view param, GovernedFields& out) {
  TG_TRY(const auto count, llm::read_integer(node, param, 1, kMaxChoices));
  out.choices = std::max(out.choices, count.value_or(1));
  return {};
}

base::Result<void> read_model(json::NodeRef node, GovernedFields& out) {
  if (!node.is_string() || node.raw().size() <= 2) {
    return llm::field_error("model", "a string that is not empty");
  }
  out.model_node = node;
  out.model = node.text();
  return {};
}

void note(GovernedFields& out, std::string_view reason) {
  if (out.unbounded_reason.empty()) out.unbounded_reason = reason;
}

/// What a request must have for a model to work on: refused here, it costs no attempt.
std::string_view prompt_field(RequestKind kind) {
  if (kind == RequestKind::chat_completions) return "messages";
  return kind == RequestKind::embeddings ? "input" : "";
}

/// Input of embeddings (texts or token ids) or of the responses API (a text or items).
void read_input(json::NodeRef node, GovernedFields& out) {
  if (out.kind == RequestKind::other_json) note(out, judge_items(node, out));
  for (const json::NodeRef element : node.children()) {
    out.has_opaque_text |= element.is_number() || element.is_array();
  }
}

base::Result<void> read_field(RequestField field, json::NodeRef node, GovernedFields& out) {
  switch (field) {
    case RequestField::model:
      return read_model(node, out);
    case RequestField::fallback_models:
      if (!is_set(node)) return {};
      return base::Error(base::ErrorCode::invalid_request,
                         fmt::format("`{}` is not accepted: the gateway chooses where a call goes; "
                                     "ask for one model",
                                     node.key()))
          .with_param(std::string(node.key()));
    case RequestField::stream: {
      out.stream_node = node;
      TG_TRY(out.stream, llm::read_bool(node, "stream", false));
      return {};
    }
    case RequestField::stream_options:
      return read_stream_options(node, out);
    case RequestField::max_tokens:
      return read_cap(node, "max_tokens", out.max_tokens_node, out);
    case RequestField::max_completion_tokens:
      return read_cap(node, "max_completion_tokens", out.max_completion_tokens_node, out);
    case RequestField::max_output_tokens:
      // Of the responses API. Chat completions have no such field: hosts that ignore it would give
      // a full answer where it was taken for the cap.
      if (out.kind != RequestKind::other_json) return {};
      return read_cap(node, "max_output_tokens", out.max_output_tokens_node, out);
    case RequestField::n:
      return read_choices(node, "n", out);
    case RequestField::best_of:
      return read_choices(node, "best_of", out);
    case RequestField::user: {
      TG_TRY(const auto user, llm::read_string(node, "user"));
      if (out.end_user.empty()) out.end_user = user;
      return {};
    }
    case RequestField::safety_identifier: {
      TG_TRY(const auto user, llm::read_string(node, "safety_identifier"));
      if (!user.empty()) out.end_user = user;
      return {};
    }
    case RequestField::service_tier: {
      TG_TRY(out.service_tier, llm::read_string(node, "service_tier"));
      return {};
    }
    case RequestField::tools:
      return read_tools(node, "tools", out);
    case RequestField::functions:
      return read_tools(node, "functions", out);
    case RequestField::messages:
      if (out.kind == RequestKind::chat_completions && !node.is_array())
        return llm::field_error("messages", "an array");
      note(out, judge_messages(node, out));
      return {};
    case RequestField::input:
      read_input(node, out);
      return {};
    case RequestField::prompt:
      // A stored prompt by id (responses), token ids (legacy completions), or text.
      if (node.is_object()) note(out, "a stored `prompt`");
      for (const json::NodeRef element : node.children()) {
        out.has_opaque_text |= element.is_number() || element.is_array();
      }
      return {};
    case RequestField::prediction:
      // Predicted tokens that the answer does not use are billed as output.
      if (is_set(node)) out.extra_output_bound = static_cast<std::int64_t>(node.raw().size());
      return {};
    case RequestField::hosted_search:
      // An empty object asks for a search too; an empty list, null or false does not.
      if (is_set(node) && node.as_bool().value_or(true) && (!node.is_array() || node.size() > 0)) {
        note(out, "a search that the provider runs");
      }
      return {};
    case RequestField::audio:
      out.has_audio_output = out.has_audio_output || is_set(node);
      return {};
    case RequestField::modalities:
      for (const json::NodeRef modality : node.children()) {
        if (modality.text_is("audio")) {
          out.has_audio_output = true;
        } else if (!modality.text_is("text")) {
          note(out, "output other than text, which is priced apart");
        }
      }
      return {};
    case RequestField::stored_context:
      if (is_set(node)) note(out, "a stored conversation");
      return {};
    case RequestField::unknown: {
      const std::string_view name = kFields.in_other_case(node);
      return name.empty() ? base::Result<void>() : llm::other_case_error(node, name);
    }
    case RequestField::known:
    case RequestField::metadata:
    case RequestField::instructions:
    case RequestField::tool_format:
      return {};
  }
  return {};
}

}  // namespace

RequestField request_field(json::NodeRef member) {
  return kFields.of(member);
}

base::Result<void> scan_request(RequestKind kind, const json::Document& body, GovernedFields& out) {
  out.reset();
  out.kind = kind;
  out.root = body.root();
  if (!out.root.is_object()) {
    if (kind == RequestKind::other_json) return {};
    return base::Error(base::ErrorCode::invalid_request, "the body must be a JSON object");
  }
  // What providers bill as cache writes without being asked differs; price the dearest.
  out.cache_writes = llm::CacheWrites::five_minutes;
  const std::string_view prompt = prompt_field(kind);
  bool has_prompt = prompt.empty();
  for (const json::NodeRef member : out.root.children()) {
    const RequestField field = request_field(member);
    TG_CHECK(read_field(field, member, out));
    if (field == RequestField::messages || field == RequestField::input)
      has_prompt = has_prompt || (is_set(member) && member.key_is(prompt));
  }
  if (!out.model_node && kind != RequestKind::other_json) {
    return base::Error(base::ErrorCode::invalid_request, "`model` is missing").with_param("model");
  }
  if (!has_prompt) {
    return base::Error(base::ErrorCode::invalid_request, "`" + std::string(prompt) + "` is missing")
        .with_param(std::string(prompt));
  }
  return {};
}

}  // namespace tollgate::protocol::openai
