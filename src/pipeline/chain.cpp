#include "tollgate/pipeline/chain.hpp"

#include "tollgate/pipeline/context.hpp"

namespace tollgate::pipeline {

Chain::Chain(std::vector<std::unique_ptr<Stage>> stages) : stages_(std::move(stages)) {
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
  for (const auto& stage : stages_) {
    Decision decision = stage->on_request(context);
    if (!decision.made()) {
      base::Task<Verdict>& waiting = decision.waiting();  // a named one: g++ 12 copies others
      decision.verdict() = co_await waiting;
    }
    if (decision.verdict().refused()) co_return std::move(decision.verdict());
    if (context.cancel.cancelled()) break;
  }
  co_return Verdict::proceed();
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
