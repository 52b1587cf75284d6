#include "tollgate/store/audit_record.hpp"

#include "store/audit_row.hpp"

namespace tollgate::store {

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
    case Outcome::ok:
      return "ok";
    case Outcome::refused:
      return "refused";
    case Outcome::failed:
      return "failed";
    case Outcome::client_closed:
      return "client_closed";
    case Outcome::upstream_cut:
      return "upstream_cut";
    case Outcome::interrupted:
      return "interrupted";
  }
  return "failed";
}

Outcome outcome_from_text(std::string_view text) noexcept {
  for (const Outcome outcome : {Outcome::ok, Outcome::refused, Outcome::client_closed,
                                Outcome::upstream_cut, Outcome::interrupted}) {
    if (to_string(outcome) == text) return outcome;
  }
  return Outcome::failed;
}

std::string_view to_string(LedgerKind kind) noexcept {
  switch (kind) {
    case LedgerKind::call:
      return "call";
    case LedgerKind::abandoned:
      return "abandoned";
    case LedgerKind::interrupted:
      return "interrupted";
    case LedgerKind::aggregate:
      return "aggregate";
    case LedgerKind::adjusted:
      return "adjusted";
  }
  return "call";
}

void AuditAttempt::clear() noexcept {
  deployment.clear();
  outcome.clear();
  error_code.clear();
  http_status = 0;
  started_us = duration_us = 0;
  billed = {};
}

void LedgerCharge::clear() noexcept {
  provider.clear();
  model.clear();
  amount = {};
  tokens = calls = 0;
  slot = kNoSlot;
  estimated = overrun = false;
  kind = LedgerKind::call;
  charged_at = {};
}

void AuditScope::clear() noexcept {
  kind = config::ScopeKind::tag;
  id.clear();
}

void AuditRecord::clear() noexcept {
  for (std::string* text :
       {&request_id,      &trace_id,       &session_id,    &parent_id,      &principal.key_id,
        &principal.agent, &principal.team, &principal.org, &client_address, &surface,
        &method,          &path,           &model_asked,   &model_served,   &provider,
        &deployment,      &rpc_method,     &rpc_target,    &tool,           &task_id,
        &price_source,    &error_code,     &config_digest, &end_user,       &service_tier}) {
    text->clear();
  }
  principal.tags.clear();
  attempts.clear();
  verdicts.clear();
  charges.clear();
  scopes.clear();
  started = held_at = {};
  tokens = {};
  server_tool_calls = 0;
  estimated = overrun = stream = output_cap_lowered = false;
  cost = held = {};
  total_us = 0;
  gateway_us = upstream_us = ttft_us = -1;
  status = 0;
  outcome = Outcome::ok;
  request_bytes = response_bytes = 0;
  for (AuditBody* body : {&request_body, &response_body}) {
    *body = {};
  }
}

}  // namespace tollgate::store
