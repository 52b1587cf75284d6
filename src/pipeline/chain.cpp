#include "tollgate/pipeline/chain.hpp"

#include "tollgate/pipeline/context.hpp"

namespace tollgate::pipeline {

namespace {
/// What was decided at once, as something to await: refusals and calls cancelled on the way.
base::Task<Verdict> decided(Verdict verdict) {
  co_return std::move(verdict);
}
}  // namespace

Chain::Chain(std::vector<std::unique_ptr<Stage>> stages) : stages_(std::move(stages)) {
  for (const auto& stage : stages_)
    if (stage->sees_requests()) request_stages_.push_back(stage.get());
  for (auto it = stages_.rbegin(); it != stages_.rend(); ++it)
    if ((*it)->sees_events()) event_stages_.push_back(it->get());
}

Verdict Chain::on_head(RequestContext& context) {
  for (const auto& stage : stages_) {
    Verdict verdict = stage->on_head(context);
    if (verdict.refused()) return verdict;
  }
  return Verdict::proceed();
}

base::Task<Verdict> Chain::on_request(RequestContext& context) {
  context.chain = this;
  for (std::size_t i = 0; i < request_stages_.size(); ++i) {
    Decision decision = request_stages_[i]->on_request(context);
    if (!decision.made()) {
      if (i + 1 == request_stages_.size()) return std::move(decision.waiting());
      return go_on(context, i, std::move(decision.waiting()));
    }
    if (decision.verdict().refused()) return decided(std::move(decision.verdict()));
    if (context.cancel.cancelled()) break;
  }
  return decided(Verdict::proceed());
}

/// Waits for the stage at `at`, then asks those behind it.
base::Task<Verdict> Chain::go_on(RequestContext& context, std::size_t at,
                                 base::Task<Verdict> waiting) {
  Verdict verdict = co_await waiting;
  while (!verdict.refused() && !context.cancel.cancelled() && ++at < request_stages_.size()) {
    Decision decision = request_stages_[at]->on_request(context);
    if (decision.made()) {
      verdict = std::move(decision.verdict());
    } else {
      base::Task<Verdict>& next = decision.waiting();  // a named one: g++ 12 copies others
      verdict = co_await next;
    }
  }
  co_return verdict;
}

Verdict Chain::on_answer(RequestContext& context, Answer& answer) {
  Verdict last = Verdict::proceed();
  for (auto it = stages_.rbegin(); it != stages_.rend(); ++it) {
    Verdict verdict = (*it)->on_answer(context, answer);
    if (verdict.refused() && !last.refused()) last = std::move(verdict);
  }
  return last;
}

void Chain::on_event(RequestContext& context, StreamEvent& event) {
  for (Stage* const stage : event_stages_) stage->on_event(context, event);
}

void Chain::on_stream_end(RequestContext& context, StreamEvent& event) {
  for (Stage* const stage : event_stages_) stage->on_stream_end(context, event);
}

void Chain::on_complete(RequestContext& context) noexcept {
  for (const auto& stage : stages_) stage->on_complete(context);
}

}  // namespace tollgate::pipeline
