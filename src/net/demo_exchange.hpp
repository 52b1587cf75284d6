#pragma once

#include <optional>
#include <string>

#include "tollgate/domain/demo/script.hpp"
#include "tollgate/net/worker.hpp"
#include "tollgate/pipeline/exchange.hpp"

namespace tollgate::net {

/// Plays the demo model's script as if it were an upstream: same interface, same failures, no
/// socket.
class DemoExchange final : public pipeline::UpstreamExchange {
 public:
  DemoExchange(Worker& worker, pipeline::CancelSignal& cancel) : worker_(worker), cancel_(cancel) {}

  base::Task<pipeline::TransportFailure> start(const pipeline::WireRequest& request) override;
  [[nodiscard]] const protocol::http::ResponseHead& head() const override { return parser_.head(); }
  base::Task<pipeline::TransportFailure> read_all(std::string& into, std::uint64_t limit) override;
  /// The script sends no comments, and nothing behind its end.
  void limit_reads(base::Deadline) noexcept override {}
  [[nodiscard]] base::MonoTime sent_at() const noexcept override { return sent_at_; }
  [[nodiscard]] base::MonoTime first_byte_at() const noexcept override { return first_byte_at_; }
  [[nodiscard]] base::MonoTime read_at() const noexcept override { return worker_.now(); }

 private:
  base::Operation<pipeline::BodyChunk>& reading() override { return reading_.run(play()); }
  /// The script up to the next piece of the body.
  base::Task<pipeline::BodyChunk> play();
  /// Waits `duration` at most until `limit`; the failure that ended the wait, if any.
  base::Task<pipeline::TransportFailure> wait(std::chrono::nanoseconds duration,
                                              base::Deadline limit,
                                              pipeline::TransportFailure on_limit);

  Worker& worker_;
  pipeline::CancelSignal& cancel_;
  base::TaskOperation<pipeline::BodyChunk> reading_;
  std::optional<domain::demo::Script> script_;
  protocol::http::ResponseParser parser_;
  std::string head_bytes_;
  std::string body_;
  std::string_view piece_;
  base::Deadline deadline_;
  std::chrono::nanoseconds idle_timeout_{0};
  base::MonoTime sent_at_{}, first_byte_at_{};
  bool ended_ = false;
};

}  // namespace tollgate::net
