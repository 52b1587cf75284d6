#include "tollgate/pipeline/context.hpp"

#include <algorithm>
#include <type_traits>

namespace tollgate::pipeline {
namespace {
/// Bodies larger than this are given back after the call, so that one large request does not pin
/// its memory to an idle connection.
constexpr std::uint32_t kKeepBytes = 64 * 1024;
/// As much of a captured answer.
constexpr std::uint32_t kKeepCaptured = 8 * 1024;
/// Of a name that an agent or an upstream has chosen.
constexpr std::uint32_t kKeepName = 1024;
/// What is captured is digested in pieces of this size: for each event of a stream the digest's
/// code and tables would be fetched into the cache again.
constexpr std::size_t kDigestPiece = 4 * 1024;
}  // namespace

void RequestContext::begin(RuntimePtr pinned, Services& with, Downstream& agent,
                           base::MonoTime received) {
  runtime = std::move(pinned);
  services = &with;
  downstream = &agent;
  received_at = received;
  started = with.clock.wall();
  deadline = base::Deadline::after(received_at, config().timeouts.total);
  with.ids.next("req_", started, request_id);
}

void RequestContext::drop_index() {
  if (!has_document) return;
  payload.fields.reset();
  auto& rpc = payload.rpc;
  for (json::NodeRef* const node :
       {&rpc.root, &rpc.id, &rpc.method_node, &rpc.params, &rpc.result, &rpc.error})
    *node = {};
  document.drop_index();
  has_document = false;
}

void RequestContext::reset() {
  chain = nullptr;
  cancel.reset();
  early_end_ = EarlyEnd::none;
  received_at = body_read_at = first_byte_at = finished_at = first_content_at = {};
  head = nullptr;
  head_fault.reset();
  route = {};
  body.clear();
  body_held_keys = false;
  if (body.capacity() > kKeepBytes) body.shrink_to_fit();
  if (has_document) document.trim();
  has_document = false;
  payload.reset();
  key = nullptr;
  alias = nullptr;
  peer = nullptr;
  plan.candidates.clear();
  plan.skipped.clear();
  rules = nullptr;
  secrets = nullptr;
  loop_ticket.reset();
  bound = {};
  bound_is_estimate = false;
  hold_plan = {};
  who = {};
  session_scope.clear();
  end_user_scope.clear();
  rates = {};
  held_candidate = kNotHeld;
  largest_hold = {};
  attempts = 0;
  free_of_charge = true;
  hold_awaited = false;
  priced.reset();
  usage_is_final = answer_unmeasured = false;
  edits.reset({});
  request_inspected = false;
  is_stream = upstream_cut = false;
  status = 0;
  response_bytes = 0;
  upstream_time = gateway_time = {};
  served_by = broken_by = nullptr;
  served_candidate = 0;
  usage = {};
  served_model.clear();
  estimated = false;
  cost = {};
  refusal.reset();
  captured_response.clear();
  response_digest_used = false;
}

void RequestContext::capture_response(std::string_view bytes) {
  const config::Audit& audit = config().audit;
  if (audit.bodies == config::BodyCapture::none || !record) return;
  response_digest_used = true;
  const std::size_t room =
      audit.body_bytes - std::min<std::size_t>(audit.body_bytes, captured_response.size());
  if (bytes.size() <= room) {
    captured_response.append(bytes);
    if (captured_response.size() - digested_ >= kDigestPiece) digest_captured();
    return;
  }
  digest_captured();
  response_digest_.update(bytes);
  captured_response.append(bytes.substr(0, room));
  digested_ = captured_response.size();
}

void RequestContext::capture_unread_response(std::string_view bytes) {
  if (config().audit.bodies != config::BodyCapture::masked) {
    capture_response(bytes);
    return;
  }
  if (!record) return;
  response_digest_used = true;
  digest_captured();
  response_digest_.update(bytes);
}

void RequestContext::digest_captured() noexcept {
  response_digest_.update(std::string_view(captured_response).substr(digested_));
  digested_ = captured_response.size();
}

base::Sha256Digest RequestContext::finish_response_digest() noexcept {
  digest_captured();
  digested_ = 0;
  response_digest_used = false;
  return response_digest_.finish();
}

void RequestContext::end() {
  if (response_digest_used) {
    const auto unused = finish_response_digest();
    static_cast<void>(unused);
  }
  hold.release();
  event_stream.release();
  abandoned.clear();
  policy_state.reset();
  if (audit_slot) services->store.release();  // taken, but nothing was recorded
  audit_slot = unrecorded = false;
  if (in_flight) {
    services->in_flight.fetch_sub(1, std::memory_order_relaxed);
    services->metrics.in_flight().dec();
    in_flight = false;
  }
  // Now, not at the next call, which may be long in coming.
  if (body.capacity() > kKeepBytes) std::string().swap(body);
  if (captured_response.capacity() > kKeepCaptured) std::string().swap(captured_response);
  for (std::string* const chosen : {&payload.task_id, &served_model})
    if (chosen->capacity() > kKeepName) std::string().swap(*chosen);
  edits.trim(kKeepBytes);
  refusal.reset();
  priced.reset();
  head_fault.reset();
  // Texts that its escapes stand for outlive an index that was dropped.
  document.trim(kKeepBytes / sizeof(json::Node));
  auto& tools = payload.fields.tools;
  if (tools.capacity() > kKeepBytes / sizeof(tools[0])) std::decay_t<decltype(tools)>().swap(tools);
  has_document = false;
  key = nullptr;
  rules = nullptr;
  secrets = nullptr;
  head = nullptr;
  runtime.reset();
}

}  // namespace tollgate::pipeline
