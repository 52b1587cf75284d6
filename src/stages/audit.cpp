#include <algorithm>

#include "tollgate/base/digest.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/keys/key_format.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/stages/stages.hpp"

namespace tollgate::stages {
namespace {

using base::Error;
using base::ErrorCode;
using pipeline::RequestContext;
using pipeline::Verdict;
using store::AuditRecord;

store::Outcome outcome_of(const RequestContext& context) {
  if (context.client_gone()) return store::Outcome::client_closed;
  if (context.stopped_by_gateway()) return store::Outcome::failed;
  if (context.upstream_cut) return store::Outcome::upstream_cut;
  if (!context.refusal) return context.status >= 400 ? store::Outcome::failed : store::Outcome::ok;
  return context.refusal->http_status() >= 500 ? store::Outcome::failed : store::Outcome::refused;
}

/// The sizes and digest of a body, and its first bytes when they are kept.
void capture(store::AuditBody& into, std::string_view body, std::uint32_t cap) {
  into.captured = true;
  into.full_bytes = body.size();
  into.sha256 = base::sha256(body);
  into.stored = body.substr(0, cap);
}

class AuditStage final : public pipeline::Stage {
 public:
  [[nodiscard]] std::string_view name() const noexcept override { return "audit"; }
  [[nodiscard]] bool sees_events() const noexcept override { return false; }
  [[nodiscard]] bool sees_requests() const noexcept override { return false; }

  /// A caller is known by now: takes the slot its record will need.
  Verdict on_head(RequestContext& context) override {
    if (context.key == nullptr) return Verdict::proceed();
    switch (context.services->store.admit()) {
      case store::Admission::reserved:
        context.audit_slot = true;
        break;
      case store::Admission::unrecorded:
        context.unrecorded = true;
        break;
      case store::Admission::refused:
        context.services->metrics.limit_hits(telemetry::LimitHit::audit_queue).inc();
        return Verdict::refuse(Error(ErrorCode::audit_unavailable,
                                     "the audit log cannot take a record now; try again shortly")
                                   .with_retry_after(1));
    }
    if (!context.record) context.record = take_record();
    return Verdict::proceed();
  }

  pipeline::Decision on_request(RequestContext&) override { return Verdict::proceed(); }

  void on_complete(RequestContext& context) noexcept override {
    count(context);
    // A caller that auth knew but did not permit never got to on_head here; it has a row too.
    if (context.key != nullptr && !context.audit_slot && !context.unrecorded && context.refusal &&
        context.refusal->code() != ErrorCode::audit_unavailable) {
      Verdict late = on_head(context);
      if (late.refused()) return;
    }
    if (!context.record || (!context.audit_slot && !context.unrecorded)) return;
    fill(context, *context.record);
    if (context.audit_slot) {
      context.services->store.record(*context.record, memory_);
    } else {
      context.services->store.record_unreserved(*context.record);
    }
    keep(std::move(context.record));
    if (masked_body_.capacity() > kKeepBody) std::string().swap(masked_body_);
    context.audit_slot = context.unrecorded = false;
  }

 private:
  std::unique_ptr<AuditRecord> take_record() {
    if (spares_.empty()) return std::make_unique<AuditRecord>();
    auto record = std::move(spares_.back());
    spares_.pop_back();
    return record;
  }
  /// For the next call, which finds it and its strings' memory in this core's cache.
  void keep(std::unique_ptr<AuditRecord> record) {
    record->clear();
    if (spares_.size() < kMostSpares) spares_.push_back(std::move(record));
  }

  static void count(RequestContext& context) {
    auto& metrics = context.services->metrics;
    const auto surface = context.route.surface;
    auto outcome = telemetry::CallOutcome::ok();
    if (context.client_gone()) {
      outcome = telemetry::CallOutcome::error(ErrorCode::client_closed);
    } else if (context.stopped_by_gateway()) {
      outcome = telemetry::CallOutcome::error(ErrorCode::draining);
    } else if (context.refusal) {
      outcome = telemetry::CallOutcome::error(context.refusal->code());
    } else if (context.status >= 400) {
      outcome = telemetry::CallOutcome::relayed_error();
    }
    metrics.requests(surface, outcome).inc();
    metrics.request_duration(surface).observe(context.finished_at - context.received_at);
    if (context.gateway_time.count() > 0)
      metrics.gateway_time(surface).observe(context.gateway_time);
    if (context.upstream_time.count() > 0)
      metrics.upstream_time(surface).observe(context.upstream_time);
    if (context.is_stream && context.first_content_at != base::MonoTime{})
      metrics.ttft(surface).observe(context.first_content_at - context.received_at);
  }

  /// One copy of std::string's code for all columns: it would be some 60 bytes in each place. Of an
  /// append, which need not ask whether the value is a part of the column.
  [[gnu::noinline]] static void set(std::string& column, std::string_view value) {
    column.clear();
    if (value.size() > kMostText) [[unlikely]]
      return set_long(column, value);
    if (!value.empty()) column.append(value);
  }
  /// Agents and upstreams choose names of megabytes, which would stay in memory and on disk where
  /// no limit on bodies sees them. Virtual keys are taken out first: of one that is cut nobody
  /// could tell that it is one, so the cut is made as much before the end as a key may be long.
  [[gnu::cold]] static void set_long(std::string& column, std::string_view value) {
    constexpr std::size_t kKeyAtMost = 256;
    column.append(value.substr(0, kMostText + kKeyAtMost));
    if (domain::keys::can_hold_key(column)) domain::keys::redact_keys(column);
    std::size_t size = std::min(kMostText, column.size() - std::min(column.size(), kKeyAtMost));
    while (size > 0 && (static_cast<unsigned char>(column[size]) & 0xC0) == 0x80) --size;
    column.resize(size);
  }

  void fill(RequestContext& context, AuditRecord& record) {
    const auto& payload = context.payload;
    const auto& key = *context.key;
    set(record.request_id, context.request_id);
    set(record.trace_id, payload.trace_id);
    set(record.session_id, payload.session_id);
    set(record.parent_id, payload.parent_id);
    set(record.end_user, payload.fields.end_user);
    record.started = context.started;
    set(record.principal.key_id, key.id);
    set(record.principal.agent, key.agent);
    set(record.principal.team, key.team);
    set(record.principal.org, key.org);
    if (!key.tags.empty()) record.principal.tags = key.tags;
    set(record.client_address, context.client_address);
    set(record.surface, to_string(context.route.surface));
    set(record.method, context.head->method_text);
    set(record.path, context.head_fault ? context.target.raw_path() : context.target.path());
    set(record.model_asked, payload.model);
    if (!payload.is_model_call()) {
      set(record.rpc_method, payload.rpc_method);
      if (context.peer != nullptr) set(record.rpc_target, context.route.name);
      set(record.tool, payload.tool);
      set(record.task_id, payload.task_id);
    }
    if (const auto* const target = answered_by(context)) {
      const config::Deployment& deployment = *target->deployment;
      set(record.model_served,
          context.served_model.empty() ? deployment.model : context.served_model);
      set(record.provider, target->provider->name);
      set(record.deployment, deployment.id);
    }
    const auto& counts = payload.final_counts;
    record.tokens.input = counts.input + counts.audio_input;
    record.tokens.output = counts.output + counts.audio_output;
    record.tokens.cache_read = counts.cache_read + counts.audio_cache_read;
    record.tokens.cache_write = counts.cache_write_5m;
    record.tokens.cache_write_1h = counts.cache_write_1h;
    record.tokens.reasoning = context.usage.reasoning;
    record.estimated = context.estimated;
    record.cost = context.cost;
    record.held = context.largest_hold;
    set(record.price_source, price_source(context));
    record.output_cap_lowered = context.hold_plan.is_lowered;
    record.total_us = base::to_micros(context.finished_at - context.received_at);
    if (context.gateway_time.count() > 0) record.gateway_us = base::to_micros(context.gateway_time);
    if (context.upstream_time.count() > 0)
      record.upstream_us = base::to_micros(context.upstream_time);
    const base::MonoTime first = context.is_stream && context.first_content_at != base::MonoTime{}
                                     ? context.first_content_at
                                     : context.first_byte_at;
    if (first != base::MonoTime{}) record.ttft_us = base::to_micros(first - context.received_at);
    record.outcome = outcome_of(context);
    record.status = context.status != 0 ? context.status : (context.client_gone() ? 499 : 0);
    if (context.refusal)
      record.error_code = base::info(context.refusal->code()).name;
    else if (context.client_gone())
      record.error_code = base::info(ErrorCode::client_closed).name;
    else if (context.stopped_by_gateway())
      record.error_code = base::info(ErrorCode::draining).name;
    else if (context.upstream_cut)
      record.error_code = base::info(ErrorCode::upstream_cut).name;
    record.stream = context.is_stream;
    record.request_bytes = context.body.size();
    record.response_bytes = context.response_bytes;
    set(record.config_digest, context.config().source_digest);
    // Agents choose these texts, and some put their key there; no column may hold a credential.
    for (std::string* text :
         {&record.session_id, &record.end_user, &record.method, &record.path, &record.model_asked,
          &record.model_served, &record.rpc_method, &record.tool, &record.task_id})
      if (domain::keys::can_hold_key(*text)) domain::keys::redact_keys(*text);
    capture_bodies(context, record);
  }

  /// Whose answer the row tells of: the one the agent got, else the last that broke off before.
  static const domain::routing::RoutableDeployment* answered_by(const RequestContext& context) {
    return context.served_by != nullptr ? context.served_by : context.broken_by;
  }

  /// What the call was charged by; empty for what is free and for what reached no deployment.
  static std::string_view price_source(const RequestContext& context) {
    const auto* const target = answered_by(context);
    if (context.free_of_charge || target == nullptr) return {};
    const auto& price = context.priced ? context.priced->price : target->deployment->price;
    if (!price) return "unpriced_hold";
    switch (price->source) {
      case config::PriceSource::catalogue:
        return "catalogue";
      case config::PriceSource::overrides:
        return "override";
      case config::PriceSource::per_call:
        return "per_call";
    }
    return {};
  }

  void capture_bodies(RequestContext& context, AuditRecord& record) {
    const config::Audit& audit = context.config().audit;
    if (audit.bodies == config::BodyCapture::none) return;
    if (!context.body.empty()) {
      const bool masked = audit.bodies == config::BodyCapture::masked;
      // A request that its guardrails refused, or never saw, is not known to be clean (and may be
      // masked in part only): of such a body the record has length and digest.
      const bool is_clean = !masked || context.request_inspected;
      if (masked && is_clean && !context.edits.empty()) {
        masked_body_ = context.edits.str();
        capture(record.request_body, masked_body_, audit.body_bytes);
      } else {
        capture(record.request_body, context.body, is_clean ? audit.body_bytes : 0);
      }
    }
    if (context.response_digest_used) {
      record.response_body.captured = true;
      record.response_body.full_bytes = context.response_bytes;
      record.response_body.sha256 = context.finish_response_digest();
      record.response_body.stored = context.captured_response;
    }
  }

  static constexpr std::size_t kMostSpares = 512;  ///< of some 2 KB each
  static constexpr std::size_t kKeepBody = 256 * 1024;
  static constexpr std::size_t kMostText = 2'048;  ///< bytes of a column (docs/audit-schema.md)

  std::vector<std::unique_ptr<AuditRecord>> spares_;  ///< cleared
  store::RecordMemory memory_;
  std::string masked_body_;  ///< of the call that is being recorded
};

}  // namespace

std::unique_ptr<pipeline::Stage> make_audit_stage() {
  return std::make_unique<AuditStage>();
}

}  // namespace tollgate::stages
