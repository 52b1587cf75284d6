#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/task.hpp"
#include "tollgate/pipeline/stage.hpp"

namespace tollgate::pipeline {

/// The fixed list of stages of one worker; app/default_chain.cpp says which and why.
/// Threads: the worker's. Lifetime: of the worker.
class Chain {
 public:
  explicit Chain(std::vector<std::unique_ptr<Stage>> stages);

  Verdict on_head(RequestContext& context);
  base::Task<Verdict> on_request(RequestContext& context);
  /// In reverse order; a refusal of one stage replaces the answer and is seen by those before it.
  Verdict on_answer(RequestContext& context, Answer& answer);
  void on_event(RequestContext& context, StreamEvent& event);
  void on_stream_end(RequestContext& context, StreamEvent& event);
  /// In list order, every stage, entered or not.
  void on_complete(RequestContext& context) noexcept;

 private:
  base::Task<Verdict> go_on(RequestContext& context, std::size_t at, base::Task<Verdict> waiting);

  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<Stage*> request_stages_;  ///< those that see requests, in list order
  std::vector<Stage*> event_stages_;    ///< those that see events, in reverse order
};

}  // namespace tollgate::pipeline
