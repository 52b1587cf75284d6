#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stage_world.hpp"
#include "stages/relay.hpp"

namespace tollgate::stages::testing {

/// Gives a stream out in the pieces it was cut into, each in a buffer that is overwritten by the
/// next, as a connection's is.
class ScriptedExchange final : public pipeline::UpstreamExchange {
 public:
  ScriptedExchange(std::vector<std::string> pieces, protocol::http::BodyKind kind,
                   pipeline::TransportFailure failure)
      : pieces_(std::move(pieces)), failure_(failure) {
    head_.status = 200;
    head_.body_kind = kind;
  }
  base::Task<pipeline::TransportFailure> start(const pipeline::WireRequest&) override {
    co_return pipeline::TransportFailure::none;
  }
  [[nodiscard]] const protocol::http::ResponseHead& head() const override { return head_; }
  base::Operation<pipeline::BodyChunk>& reading() override { return reading_.run(next_piece()); }
  base::Task<pipeline::BodyChunk> next_piece() {
    std::fill(buffer_.begin(), buffer_.end(), '#');
    pipeline::BodyChunk chunk;
    if (next_ < pieces_.size()) {
      buffer_ = pieces_[next_++];
      view_ = buffer_;
      chunk.pieces = {&view_, 1};
    } else {
      chunk.failure = failure_;
      chunk.end = failure_ == pipeline::TransportFailure::none;
    }
    co_return chunk;
  }
  base::Task<pipeline::TransportFailure> read_all(std::string&, std::uint64_t) override {
    co_return pipeline::TransportFailure::invalid;
  }
  void limit_reads(base::Deadline by) noexcept override { read_limit = by; }
  base::Deadline read_limit;
  base::MonoTime sent{};
  [[nodiscard]] base::MonoTime sent_at() const noexcept override { return sent; }
  [[nodiscard]] base::MonoTime first_byte_at() const noexcept override { return {}; }
  [[nodiscard]] base::MonoTime read_at() const noexcept override { return {}; }

 private:
  std::vector<std::string> pieces_;
  pipeline::TransportFailure failure_;
  std::size_t next_ = 0;
  std::string buffer_;
  std::string_view view_;
  base::TaskOperation<pipeline::BodyChunk> reading_;
  protocol::http::ResponseHead head_;
};

/// The agent: keeps what it is sent.
class Agent final : public pipeline::Downstream {
 public:
  [[nodiscard]] bool committed() const noexcept override { return started; }
  bool start_stream(int, std::string_view) override {
    started = true;
    return true;
  }
  void abort() noexcept override { aborted = true; }

  std::string bytes;
  bool started = false, finished = false, aborted = false;

 private:
  base::Operation<bool>& responding(int, std::string_view,
                                    std::span<const std::string_view>) override {
    return done_.run(done());
  }
  base::Operation<bool>& writing(std::span<const std::string_view> pieces) override {
    for (const std::string_view piece : pieces) bytes += piece;
    return done_.run(done());
  }
  base::Operation<bool>& finishing() override {
    finished = true;
    return done_.run(done());
  }
  static base::Task<bool> done() { co_return true; }

  base::TaskOperation<bool> done_;
};

/// A dialect that calls no piece free: its events are read in full each time.
class Thorough final : public protocol::llm::Dialect {
 public:
  explicit Thorough(const protocol::llm::Dialect& real) : real_(real) {}
  void read_event(const protocol::sse::Event& event, json::Document& scratch,
                  protocol::llm::Usage& usage, protocol::llm::StreamEvent& out) const override {
    real_.read_event(event, scratch, usage, out);
    for (protocol::llm::TextPiece& piece : out.pieces) piece.is_free = false;
  }

  [[nodiscard]] protocol::llm::DialectKind kind() const noexcept override { return real_.kind(); }
  [[nodiscard]] base::Result<void> scan(protocol::llm::RequestKind kind, const json::Document& body,
                                        protocol::llm::GovernedFields& out) const override {
    return real_.scan(kind, body, out);
  }
  bool set_output_cap(const protocol::llm::GovernedFields& fields, json::Splicer& edits,
                      std::int64_t cap, protocol::llm::CapField absent) const override {
    return real_.set_output_cap(fields, edits, cap, absent);
  }
  bool include_usage(const protocol::llm::GovernedFields& fields,
                     json::Splicer& edits) const override {
    return real_.include_usage(fields, edits);
  }
  void request_texts(const protocol::llm::GovernedFields& fields,
                     std::vector<protocol::llm::TextSpan>& out) const override {
    real_.request_texts(fields, out);
  }
  [[nodiscard]] std::int64_t tokens_around(
      const protocol::llm::GovernedFields& fields) const override {
    return real_.tokens_around(fields);
  }
  void append_cap_end(std::string& out, json::NodeRef cut,
                      const protocol::llm::CapEnd& end) const override {
    real_.append_cap_end(out, cut, end);
  }
  [[nodiscard]] protocol::llm::ResponseFacts read_response(
      const json::Document& body) const override {
    return real_.read_response(body);
  }
  void response_texts(const json::Document& body,
                      std::vector<protocol::llm::TextSpan>& out) const override {
    real_.response_texts(body, out);
  }
  bool blank_shadow_text(const json::Document& body, json::Splicer& edits) const override {
    return real_.blank_shadow_text(body, edits);
  }
  void append_delta_like(std::string& out, std::string_view earlier, protocol::llm::Channel channel,
                         std::string_view text, json::Document& scratch) const override {
    real_.append_delta_like(out, earlier, channel, text, scratch);
  }
  [[nodiscard]] std::string error_event(const base::Error& error,
                                        std::string_view id) const override {
    return real_.error_event(error, id);
  }
  [[nodiscard]] std::string error_body(const base::Error& error,
                                       std::string_view id) const override {
    return real_.error_body(error, id);
  }
  [[nodiscard]] std::string models_body(
      std::span<const protocol::llm::ModelEntry> models) const override {
    return real_.models_body(models);
  }

 private:
  const protocol::llm::Dialect& real_;
};

/// What a relayed stream came to, for the agent, the record and the money.
struct Outcome {
  RelayEnd end = RelayEnd::not_started;
  pipeline::TransportFailure failure = pipeline::TransportFailure::none;
  base::MonoTime read_limit;
  std::string bytes;
  bool finished = false, aborted = false;
  std::string captured, digest, model, refusal;
  std::uint64_t response_bytes = 0, output_text_bytes = 0;
  std::int64_t input = 0, output = 0;
  bool usage_is_final = false, input_told = false, output_told = false, upstream_cut = false;
  std::string tier;
  std::vector<store::AuditVerdict> verdicts;
  bool operator==(const Outcome&) const = default;
};

/// Everything a call needs to relay a stream, without sockets.
class RelayBench {
 public:
  /// @param guardrail  of the configuration below
  explicit RelayBench(std::string_view guardrail = "everything") {
    rules_ =
        world_.runtime->policy->rules_for(std::vector<std::string>{std::string(guardrail)}).value();
    std::vector<std::unique_ptr<pipeline::Stage>> stages;
    stages.push_back(make_policy_stage());
    stages.push_back(make_router_stage());
    stages.push_back(make_audit_stage());
    chain_.emplace(std::move(stages));
  }

  /// A call to a model, received now, with its plan made and its record begun.
  void begin(pipeline::RequestContext& context, Agent& agent,
             std::string_view model = "demo/echo") {
    context.begin(world_.runtime, *world_.services, agent, clock_.mono());
    context.body_read_at = clock_.mono();
    context.chain = &*chain_;
    context.record = std::make_unique<store::AuditRecord>();
    context.alias = world_.runtime->aliases.find(model)->second.get();
    context.plan = domain::routing::plan(
        context.alias->routable, domain::routing::Dialect::openai,
        [](const config::Provider&) { return true; }, world_.services->rng, clock_.mono());
  }
  [[nodiscard]] test::FakeClock& clock() noexcept { return clock_; }
  /// How the bodies of relay() are framed, and end.
  protocol::http::BodyKind body_kind = protocol::http::BodyKind::chunked;
  pipeline::TransportFailure body_failure = pipeline::TransportFailure::none;
  std::chrono::nanoseconds first_event_within = std::chrono::minutes(1);
  std::chrono::nanoseconds sent_before{0};

  Outcome relay(const protocol::llm::Dialect& dialect, std::vector<std::string> pieces) {
    Agent agent;
    pipeline::RequestContext context;
    context.begin(world_.runtime, *world_.services, agent, clock_.mono());
    context.request_id = "req_test";
    context.chain = &*chain_;
    context.rules = rules_;
    context.secrets = &secrets_;
    context.payload.kind = pipeline::Payload::Kind::model;
    context.payload.dialect = &dialect;
    context.payload.fields.choices = 1;
    context.record = std::make_unique<store::AuditRecord>();
    ScriptedExchange exchange(std::move(pieces), body_kind, body_failure);
    exchange.sent = clock_.mono() - sent_before;
    Outcome out;
    {
      Relay relay(context, exchange, true, "content-type: text/event-stream\r\n",
                  base::Deadline(clock_.mono() + first_event_within));
      base::spawn("relay", run(relay, out));
    }
    out.read_limit = exchange.read_limit.at();
    out.bytes = agent.bytes;
    out.finished = agent.finished;
    out.aborted = agent.aborted;
    out.captured = context.captured_response;
    if (context.response_digest_used) out.digest = base::to_hex(context.finish_response_digest());
    out.model = context.served_model;
    if (context.refusal) out.refusal = context.refusal->message();
    out.response_bytes = context.response_bytes;
    out.output_text_bytes = context.payload.output_text_bytes;
    out.input = context.usage.input;
    out.output = context.usage.output;
    out.tier = context.usage.service_tier;
    out.usage_is_final = context.usage_is_final;
    out.input_told = context.usage.input_told;
    out.output_told = context.usage.output_told;
    out.upstream_cut = context.upstream_cut;
    out.verdicts = context.record->verdicts;
    context.end();
    return out;
  }

 private:
  static base::Task<void> run(Relay& relay, Outcome& out) {
    out.end = co_await relay.run();
    out.failure = relay.failure();
  }

  static constexpr const char* kYaml =
      "version: 1\n"
      "providers:\n"
      "  demo: {kind: demo}\n"
      "  own: {kind: openai_compatible, base_url: \"http://127.0.0.1:1/v1\", proxy: none,\n"
      "        api_key: provider-credential-1,\n"
      "        headers: {Content-Type: application/own+json, X-Own: ours}}\n"
      "  newer: {kind: openai_compatible, base_url: \"http://127.0.0.1:1/v1\", proxy: none,\n"
      "          output_cap_field: max_completion_tokens}\n"
      "models:\n"
      "  demo/echo: demo/echo\n"
      "  own: {deployments: [{provider: own, model: m}]}\n"
      "  either: {deployments: [{provider: newer, model: m}, {provider: own, model: m2, priority: "
      "1}]}\n"
      "audit: {bodies: masked, body_bytes: 20000B}\n"
      "guardrails:\n"
      "  everything:\n"
      "    rules:\n"
      "      - {name: mail, detector: email, action: mask}\n"
      "      - {name: card, detector: payment_card, action: mask}\n"
      "      - {name: word, keyword: forbidden, action: block}\n"
      "      - {name: note, keyword: notable, action: flag}\n"
      "  detectors:\n"
      "    detectors: {api_key: mask, payment_card: mask, iban: mask, email: mask}\n"
      "  flags:\n"
      "    rules:\n"
      "      - {name: mail, detector: email, action: flag}\n"
      "      - {name: note, keyword: notable, action: flag}\n";

  test::FakeClock clock_;
  QuietAlerts alerts_;
  NoUpstream upstream_;
  StageWorld world_{kYaml, clock_, upstream_, alerts_};
  domain::policy::Secrets secrets_{{"provider-credential-1", "provider-credential"}};
  const domain::policy::RuleSet* rules_ = nullptr;
  std::optional<pipeline::Chain> chain_;
};

}  // namespace tollgate::stages::testing
