#include "net/demo_exchange.hpp"

#include "tollgate/protocol/http/head_writer.hpp"

namespace tollgate::net {

using domain::demo::Action;
using pipeline::BodyChunk;
using pipeline::TransportFailure;

base::Task<TransportFailure> DemoExchange::wait(std::chrono::nanoseconds duration,
                                                base::Deadline limit, TransportFailure on_limit) {
  const base::Deadline until(worker_.now() + duration);
  const base::Deadline first = until.earlier(limit);
  const bool ran = co_await worker_.sleep_until(first, &cancel_);
  if (!ran) co_return TransportFailure::cancelled;
  const base::MonoTime now = worker_.now();
  if (!limit.passed(now) || limit.at() >= until.at()) co_return TransportFailure::none;
  co_return deadline_.passed(now) ? TransportFailure::total_timeout : on_limit;
}

base::Task<TransportFailure> DemoExchange::start(const pipeline::WireRequest& request) {
  deadline_ = request.deadline;
  idle_timeout_ = request.idle_timeout;
  domain::demo::Request ask;
  for (const std::string_view piece : request.body) body_ += piece;
  ask.method = request.method;
  ask.path_and_query = request.path_and_query;
  ask.model = request.demo_model;
  ask.body = body_;
  script_.emplace(ask);
  sent_at_ = worker_.now();
  const base::Deadline first_byte =
      base::Deadline::after(sent_at_, request.first_byte_timeout).earlier(deadline_);
  constexpr auto kForever = std::chrono::hours(24 * 365);
  for (;;) {
    const Action& action = script_->next();
    TransportFailure failure = TransportFailure::none;
    switch (action.kind) {
      case Action::Kind::delay:
        failure = co_await wait(action.wait, first_byte, TransportFailure::first_byte_timeout);
        if (failure != TransportFailure::none) co_return failure;
        break;
      case Action::Kind::hang:
        co_return co_await wait(kForever, first_byte, TransportFailure::first_byte_timeout);
      case Action::Kind::head: {
        protocol::http::HeadWriter writer;
        writer.status_line(action.status);
        writer.raw_lines(action.header_lines);
        writer.end();
        head_bytes_ = writer.view();
        parser_.reset(request.method == "HEAD");
        const auto progress = parser_.feed(head_bytes_);
        if (progress.has_error()) co_return TransportFailure::invalid;
        first_byte_at_ = worker_.now();
        co_return TransportFailure::none;
      }
      case Action::Kind::body:
      case Action::Kind::end:
      case Action::Kind::cut:
        co_return TransportFailure::reset;
    }
  }
}

base::Task<BodyChunk> DemoExchange::play() {
  BodyChunk chunk;
  constexpr auto kForever = std::chrono::hours(24 * 365);
  while (!ended_) {
    if (cancel_.cancelled()) {
      chunk.failure = TransportFailure::cancelled;
      co_return chunk;
    }
    const base::Deadline idle =
        base::Deadline::after(worker_.now(), idle_timeout_).earlier(deadline_);
    const Action& action = script_->next();
    switch (action.kind) {
      case Action::Kind::delay:
        chunk.failure = co_await wait(action.wait, idle, TransportFailure::idle_timeout);
        if (chunk.failure != TransportFailure::none) co_return chunk;
        break;
      case Action::Kind::hang:
        chunk.failure = co_await wait(kForever, idle, TransportFailure::idle_timeout);
        co_return chunk;
      case Action::Kind::body:
        piece_ = action.body;
        chunk.pieces = std::span<const std::string_view>(&piece_, 1);
        co_return chunk;
      case Action::Kind::cut:
      case Action::Kind::head:
        chunk.failure = TransportFailure::cut;
        co_return chunk;
      case Action::Kind::end:
        ended_ = true;
        break;
    }
  }
  chunk.end = true;
  co_return chunk;
}

base::Task<TransportFailure> DemoExchange::read_all(std::string& into, std::uint64_t limit) {
  for (;;) {
    const BodyChunk chunk = co_await read();
    for (const std::string_view piece : chunk.pieces) {
      if (into.size() + piece.size() > limit) co_return TransportFailure::too_large;
      into.append(piece);
    }
    if (chunk.failure != TransportFailure::none) co_return chunk.failure;
    if (chunk.end) co_return TransportFailure::none;
  }
}

}  // namespace tollgate::net
