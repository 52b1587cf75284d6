#pragma once

#include <memory>

#include "tollgate/net/upstream_pool.hpp"
#include "tollgate/pipeline/exchange.hpp"

namespace tollgate::net {

struct ExchangeBuffers;

/// One worker's way to upstreams: pooled connections and the demo model.
class UpstreamClient final : public pipeline::UpstreamClient {
 public:
  UpstreamClient(Worker& worker, UpstreamPool& pool);
  ~UpstreamClient() override;
  std::unique_ptr<pipeline::UpstreamExchange> open(const config::Origin& origin,
                                                   pipeline::CancelSignal& cancel) override;
  std::unique_ptr<pipeline::UpstreamExchange> open_demo(pipeline::CancelSignal& cancel) override;
  base::Task<bool> sleep_until(base::Deadline deadline, pipeline::CancelSignal& cancel) override;
  void post(std::function<void()> work) override { worker_.post(std::move(work)); }

 private:
  Worker& worker_;
  UpstreamPool& pool_;
  std::vector<std::unique_ptr<ExchangeBuffers>> spares_;
};

}  // namespace tollgate::net
