#include "tollgate/protocol/anthropic/dialect.hpp"

#include <chrono>

#include "protocol/anthropic/parts.hpp"
#include "protocol/llm/parse_limits.hpp"
#include "protocol/llm/piece_walk.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::protocol::anthropic {
namespace {

using llm::GovernedFields;
using llm::RequestKind;

/// The tool-use preamble is 346 to 530 tokens (Anthropic, "Tool use pricing", read 2026-11); system
/// markers and roles are less than the JSON they come in.
constexpr std::int64_t kAroundPrompt = 1'024;
/// Tools that Anthropic defines (computer, text editor, bash) bring up to about 735 tokens each.
constexpr std::int64_t kAroundTool = 1'024;

void append_error(std::string& out, const base::Error& error, std::string_view request_id) {
  json::Writer w(out);
  w.begin_object().member("type", "error").key("error").begin_object();
  w.member("type", base::info(error.code()).anthropic_type);
  w.member("message", error.message());
  w.member("code", base::info(error.code()).name);
  if (!error.param().empty()) w.member("param", error.param());
  w.end_object();
  if (!request_id.empty()) w.member("request_id", request_id);
  w.end_object();
}

std::string created_at(std::int64_t unix_seconds) {
  return base::format_rfc3339(base::WallTime(std::chrono::seconds(unix_seconds)));
}

class AnthropicDialect final : public llm::Dialect {
 public:
  [[nodiscard]] llm::DialectKind kind() const noexcept override {
    return llm::DialectKind::anthropic;
  }

  [[nodiscard]] base::Result<void> scan(RequestKind kind, const json::Document& body,
                                        GovernedFields& out) const override {
    return scan_request(kind, body, out);
  }

  bool set_output_cap(const GovernedFields& fields, json::Splicer& edits, std::int64_t cap,
                      llm::CapField) const override {
    if (!fields.root.is_object()) return false;
    if (fields.output_cap) {
      return *fields.output_cap <= cap ||
             edits.replace(fields.max_tokens_node, std::to_string(cap));
    }
    if (fields.kind != RequestKind::messages) return false;
    if (fields.max_tokens_node) return edits.replace(fields.max_tokens_node, std::to_string(cap));
    return edits.insert_member(fields.root, "max_tokens", std::to_string(cap));
  }

  bool include_usage(const GovernedFields&, json::Splicer&) const override {
    return false;  // always there
  }

  void request_texts(const GovernedFields& fields, std::vector<llm::TextSpan>& out) const override {
    anthropic::request_texts(fields, out);
  }

  [[nodiscard]] std::int64_t tokens_around(const GovernedFields& fields) const override {
    return kAroundPrompt + defined_tools(fields) * kAroundTool;
  }

  [[nodiscard]] llm::ResponseFacts read_response(const json::Document& body) const override {
    return anthropic::read_response(body);
  }

  void response_texts(const json::Document& body, std::vector<llm::TextSpan>& out) const override {
    anthropic::response_texts(body, out);
  }

  bool blank_shadow_text(const json::Document&, json::Splicer&) const override { return false; }

  void read_event(const sse::Event& event, json::Document& scratch, llm::Usage& usage,
                  llm::StreamEvent& out) const override {
    out.reset();
    if (event.is_keep_alive) {
      out.kind = llm::EventClass::ping;
      return;
    }
    if (!event.has_data || scratch.parse(event.data, llm::upstream_limits()).has_error()) return;
    out.is_json = true;
    // SDKs go by `event:`; it repeats the type, and some hosts leave it out.
    const json::NodeRef root = scratch.root();
    const std::string_view type = root.find("type").text();
    read_stream_event(root, event.name == "error" ? event.name : type, usage, out);
    llm::PieceWalk(out).odd_keys(scratch);
  }

  void append_delta_like(std::string& out, std::string_view earlier_raw, llm::Channel channel,
                         std::string_view text, json::Document& scratch) const override {
    anthropic::append_delta_like(out, earlier_raw, channel, text, scratch);
  }

  void append_cap_end(std::string& out, json::NodeRef cut, const llm::CapEnd& end) const override {
    // A block that would have begun with the event at hand was never opened.
    if (cut.find("type").text_is("content_block_delta")) {
      std::string data;
      json::Writer(data)
          .begin_object()
          .member("type", "content_block_stop")
          .member("index", cut.find("index").as_int64().value_or(0))
          .end_object();
      sse::append_event(out, "content_block_stop", data);
    }
    std::string data;
    json::Writer w(data);
    w.begin_object().member("type", "message_delta").key("delta").begin_object();
    w.member("stop_reason", "max_tokens").key("stop_sequence").null().end_object();
    w.key("usage").begin_object().member("output_tokens", end.output_tokens).end_object();
    w.end_object();
    sse::append_event(out, "message_delta", data);
    sse::append_event(out, "message_stop", R"({"type":"message_stop"})");
  }

  [[nodiscard]] std::string error_event(const base::Error& error,
                                        std::string_view request_id) const override {
    std::string out;
    sse::append_event(out, "error", error_body(error, request_id));
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
    w.begin_object().key("data").begin_array();
    for (const llm::ModelEntry& model : models) {
      w.begin_object().member("type", "model").member("id", model.name);
      w.member("display_name", model.name);
      w.member("created_at", created_at(model.created_s)).end_object();
    }
    w.end_array().key("has_more").boolean(false);
    w.key("first_id");
    if (models.empty()) {
      w.null().key("last_id").null();
    } else {
      w.string(models.front().name).member("last_id", models.back().name);
    }
    w.end_object();
    return out;
  }

 private:
  static std::int64_t defined_tools(const GovernedFields& fields) {
    std::int64_t count = 0;
    for (const llm::OfferedTool& tool : fields.tools) {
      const json::NodeRef type = tool.node.find("type");
      count += type && !type.text_is("custom") ? 1u : 0u;
    }
    return count;
  }
};

}  // namespace

const llm::Dialect& dialect() noexcept {
  static const AnthropicDialect instance;
  return instance;
}

}  // namespace tollgate::protocol::anthropic
