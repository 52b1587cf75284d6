#include "tollgate/net/upstream_client.hpp"

#include "net/demo_exchange.hpp"
#include "net/upstream_exchange.hpp"

namespace tollgate::net {

UpstreamClient::UpstreamClient(Worker& worker, UpstreamPool& pool) : worker_(worker), pool_(pool) {}
UpstreamClient::~UpstreamClient() = default;

std::unique_ptr<pipeline::UpstreamExchange> UpstreamClient::open(const config::Origin& origin,
                                                                 pipeline::CancelSignal& cancel) {
  return std::make_unique<UpstreamExchange>(worker_, pool_, origin, cancel, spares_);
}

std::unique_ptr<pipeline::UpstreamExchange> UpstreamClient::open_demo(
    pipeline::CancelSignal& cancel) {
  return std::make_unique<DemoExchange>(worker_, cancel);
}

base::Task<bool> UpstreamClient::sleep_until(base::Deadline deadline,
                                             pipeline::CancelSignal& cancel) {
  const bool ran = co_await worker_.sleep_until(deadline, &cancel);
  co_return ran;
}

}  // namespace tollgate::net
