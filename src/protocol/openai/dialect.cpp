#include "tollgate/protocol/openai/dialect.hpp"

#include <algorithm>

#include "protocol/llm/parse_limits.hpp"
#include "protocol/llm/piece_walk.hpp"
#include "protocol/openai/parts.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol::openai {
namespace {

using llm::GovernedFields;
using llm::RequestKind;

/// What the provider puts around a prompt: roles and separators are less than the JSON they come
/// in, so this is for the hidden preamble of reasoning models and of tools.
constexpr std::int64_t kAroundPrompt = 512;

bool lower(json::Splicer& edits, json::NodeRef node, std::int64_t cap) {
  const auto asked = node.as_int64();
  return !asked || *asked <= cap || edits.replace(node, std::to_string(cap));
}

void append_error(std::string& out, const base::Error& error, std::string_view request_id) {
  json::Writer w(out);
  w.begin_object().key("error").begin_object();
  w.member("message", error.message());
  w.member("type", base::info(error.code()).openai_type);
  w.key("param");
  if (error.param().empty()) {
    w.null();
  } else {
    w.string(error.param());
  }
  w.member("code", base::info(error.code()).name);
  if (!request_id.empty()) w.member("request_id", request_id);
  w.end_object().end_object();
}

class OpenAiDialect final : public llm::Dialect {
 public:
  [[nodiscard]] llm::DialectKind kind() const noexcept override { return llm::DialectKind::openai; }

  [[nodiscard]] base::Result<void> scan(RequestKind kind, const json::Document& body,
                                        GovernedFields& out) const override {
    return scan_request(kind, body, out);
  }

  bool set_output_cap(const GovernedFields& fields, json::Splicer& edits, std::int64_t cap,
                      llm::CapField absent_field) const override {
    if (fields.kind == RequestKind::embeddings || !fields.root.is_object()) return false;
    if (fields.output_cap) {
      return lower(edits, fields.max_tokens_node, cap) &&
             lower(edits, fields.max_completion_tokens_node, cap) &&
             lower(edits, fields.max_output_tokens_node, cap);
    }
    if (fields.kind == RequestKind::other_json) return false;  // it may not know such a field
    // An explicit null is replaced: the key must not be there twice.
    const bool is_old = absent_field == llm::CapField::max_tokens;
    const json::NodeRef null_cap =
        is_old ? fields.max_tokens_node : fields.max_completion_tokens_node;
    const std::string digits = std::to_string(cap);
    if (null_cap) return edits.replace(null_cap, digits);
    return edits.insert_member(fields.root, is_old ? "max_tokens" : "max_completion_tokens",
                               digits);
  }

  bool include_usage(const GovernedFields& fields, json::Splicer& edits) const override {
    if (!fields.stream || fields.include_usage) return false;
    if (fields.include_usage_node) return edits.replace(fields.include_usage_node, "true");
    if (fields.stream_options_node.is_object()) {
      return edits.insert_member(fields.stream_options_node, "include_usage", "true");
    }
    constexpr std::string_view kAsking = R"({"include_usage":true})";
    if (fields.stream_options_node) return edits.replace(fields.stream_options_node, kAsking);
    return edits.insert_member(fields.root, "stream_options", kAsking);
  }

  void request_texts(const GovernedFields& fields, std::vector<llm::TextSpan>& out) const override {
    openai::request_texts(fields, out);
  }

  [[nodiscard]] std::int64_t tokens_around(const GovernedFields&) const override {
    return kAroundPrompt;
  }

  [[nodiscard]] llm::ResponseFacts read_response(const json::Document& body) const override {
    return openai::read_response(body);
  }

  void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out) const override {
    openai::response_texts(body, out);
  }

  bool blank_shadow_text(const json::Document& body, json::Splicer& edits) const override {
    bool is_there = false;
    for (const json::NodeRef choice : body.root().find("choices").children()) {
      const json::NodeRef logprobs = choice.find("logprobs");
      if (!logprobs || logprobs.is_null()) continue;
      edits.replace(logprobs, "null");
      is_there = true;
    }
    return is_there;
  }

  void read_event(const sse::Event& event, json::Document& scratch, llm::Usage& usage,
                  llm::StreamEvent& out) const override {
    out.reset();
    if (event.is_keep_alive) {
      out.kind = llm::EventClass::ping;
      return;
    }
    if (event.data == "[DONE]") {
      out.kind = llm::EventClass::done;
      out.ends_all = true;
      return;
    }
    if (!event.has_data || scratch.parse(event.data, llm::upstream_limits()).has_error()) return;
    out.is_json = true;
    const json::NodeRef root = scratch.root();
    const json::NodeRef type = root.find("type");
    if (type.is_string() && !root.find("choices")) {
      read_response_event(root, type.text(), usage, out);
    } else {
      read_chunk(root, usage, out);
    }
    llm::PieceWalk(out).odd_keys(scratch);
  }

  void append_delta_like(std::string& out, std::string_view earlier_raw, llm::Channel channel,
                         std::string_view text, json::Document& scratch) const override {
    openai::append_delta_like(out, earlier_raw, channel, text, scratch);
  }

  void append_cap_end(std::string& out, json::NodeRef cut, const llm::CapEnd& end) const override {
    // As the stream has them. With an escape in it an id may be what no guardrail has read yet.
    const auto is_plain = [](json::NodeRef node) {
      return node.is_string() && node.raw().find('\\') == std::string_view::npos;
    };
    const json::NodeRef id = cut.find("id"), model = cut.find("model"), at = cut.find("created");
    for (const std::uint32_t choice : end.choices) {
      std::string data;
      json::Writer w(data);
      w.begin_object().member("id", is_plain(id) ? id.text() : end.request_id);
      w.member("object", "chat.completion.chunk").member("created", at.as_int64().value_or(0));
      if (is_plain(model)) w.member("model", model.text());
      w.key("choices").begin_array().begin_object();
      w.member("index", std::int64_t{choice}).key("delta").begin_object().end_object();
      w.member("finish_reason", "length").end_object().end_array().end_object();
      sse::append_event(out, {}, data);
    }
    sse::append_event(out, {}, "[DONE]");
  }

  [[nodiscard]] std::string error_event(const base::Error& error,
                                        std::string_view request_id) const override {
    std::string out;
    sse::append_event(out, {}, error_body(error, request_id));
    return out;
  }

  [[nodiscard]] std::string error_body(const base::Error& error,
                                       std::string_view request_id) const override {
    std::string out;
    append_error(out, error, request_id);
    return out;
  }

  [[nodiscard]] std::string models_body(std::span<const llm::ModelEntry> models) const override {
    std::string out;
    json::Writer w(out);
    w.begin_object().member("object", "list").key("data").begin_array();
    for (const llm::ModelEntry& model : models) {
      w.begin_object().member("id", model.name).member("object", "model");
      w.member("created", model.created_s).member("owned_by", model.owned_by).end_object();
    }
    w.end_array().end_object();
    return out;
  }
};

}  // namespace

const llm::Dialect& dialect() noexcept {
  static const OpenAiDialect instance;
  return instance;
}

}  // namespace tollgate::protocol::openai
