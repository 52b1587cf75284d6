// A stage that throws is a bug, and its call still completes: nothing it holds may leak.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <atomic>
#include <chrono>
#include <future>
#include <optional>
#include <thread>

#include "support/raw_client.hpp"
#include "support/temp_dir.hpp"
#include "tollgate/config/load.hpp"
#include "tollgate/server/worker_host.hpp"

namespace tollgate::server {
namespace {

using pipeline::RequestContext;
using pipeline::Verdict;
using testing::RawClient;
using testing::Response;

struct Alerts final : pipeline::AlertSink {
  void on_budget_event(const domain::budget::BudgetEvent&) noexcept override {}
  void on_loop(const domain::alerts::LoopFinding&) noexcept override {}
};
struct Throttle final : pipeline::AuthThrottle {
  bool blocked(std::string_view, base::MonoTime) noexcept override { return false; }
  void on_failure(std::string_view, std::uint32_t, base::MonoTime) noexcept override {}
};

enum class Where { head, request, answer, stream, nowhere };

/// Throws where it is told to; counts completions.
class Broken final : public pipeline::Stage {
 public:
  Broken(std::atomic<Where>& where, std::atomic<int>& completed)
      : where_(where), completed_(completed) {}
  [[nodiscard]] std::string_view name() const noexcept override { return "broken"; }
  Verdict on_head(RequestContext&) override {
    fail_at(Where::head);
    return Verdict::proceed();
  }
  pipeline::Decision on_request(RequestContext& context) override { return run(context); }
  Verdict on_answer(RequestContext&, pipeline::Answer&) override {
    fail_at(Where::answer);
    return Verdict::proceed();
  }
  void on_complete(RequestContext&) noexcept override { ++completed_; }

 private:
  base::Task<Verdict> run(RequestContext& context) {
    fail_at(Where::request);
    if (where_ == Where::stream) {
      context.downstream->start_stream(200, "content-type: text/event-stream\r\n");
      const std::string_view piece = "data: 1\n\n";
      co_await context.downstream->write(std::span(&piece, 1));
      fail_at(Where::stream);
    }
    co_return Verdict::refuse(base::Error(base::ErrorCode::not_found, "as it should be"));
  }
  void fail_at(Where here) const {
    if (where_ == here) throw std::runtime_error("a bug");
  }
  std::atomic<Where>& where_;
  std::atomic<int>& completed_;
};

class BrokenStage : public ::testing::Test {
 protected:
  BrokenStage() {
    auto loaded = config::load_text(
        "version: 1\nproviders: {demo: {kind: demo}}\nmodels: {demo/echo: demo/echo}\n",
        dir.file("tollgate.yaml"), config::SystemEnv());
    for (const auto& problem : loaded.problems) ADD_FAILURE() << to_string(problem);
    store::StoreOptions options;
    options.audit.path = dir.file("audit.db");
    store = store::AuditStore::open(std::move(options), clock).value();
    const pipeline::Runtime::Shared parts{ledger, revocations, cooldowns, registry};
    auto runtime = pipeline::Runtime::build(loaded.snapshot, {}, parts).value();
    const WorkerHost::Shared shared{clock,
                                    ledger,
                                    event_streams,
                                    *store,
                                    retry_budget,
                                    loops,
                                    alerts,
                                    throttle,
                                    in_flight,
                                    series,
                                    registry,
                                    dns,
                                    connections,
                                    body_memory,
                                    [this](pipeline::Services&) {
                                      std::vector<std::unique_ptr<pipeline::Stage>> stages;
                                      stages.push_back(std::make_unique<Broken>(where, completed));
                                      return std::make_unique<pipeline::Chain>(std::move(stages));
                                    }};
    host = std::make_unique<WorkerHost>(0, shared, runtime, nullptr);
    listener = std::make_shared<ListenerState>();
    acceptor.open(net::tcp::v4());
    acceptor.bind({net::asio::ip::address_v4::loopback(), 0});
    acceptor.listen();
    host->worker().start();
  }
  ~BrokenStage() override {
    host->force();
    host->worker().release();
    host->worker().join();
  }
  RawClient connect() {
    RawClient client(acceptor.local_endpoint().port());
    net::tcp::endpoint peer;
    net::tcp::socket accepted = acceptor.accept(peer);
    accepted.native_non_blocking(true);
    auto socket = std::make_shared<net::Socket>(accepted.release());
    host->worker().post([this, socket, peer] { host->accept(listener, std::move(*socket), peer); });
    return client;
  }
  Response call(RawClient& client) {
    return client.exchange("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n");
  }

  /// The call completes on its worker after the agent has seen the end: waits for it.
  bool completes(int times) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(5);
    while (completed < times && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    return completed == times;
  }

  testing::TempDir dir;
  base::SystemClock clock;
  domain::budget::Ledger ledger{clock};
  domain::budget::EventStreams event_streams;
  domain::keys::Revocations revocations;
  domain::routing::CooldownTable cooldowns;
  domain::routing::RetryBudget retry_budget;
  domain::loops::LoopBreaker loops{config::LoopMemory{}};
  telemetry::Registry registry{1};
  telemetry::CoreSeries series{registry, {}};
  Alerts alerts;
  Throttle throttle;
  net::DnsCache dns{clock, {}};
  ConnectionLimiter connections;
  BodyMemory body_memory;
  std::atomic<std::int64_t> in_flight{0};
  std::atomic<Where> where{Where::nowhere};
  std::atomic<int> completed{0};
  std::unique_ptr<store::AuditStore> store;
  std::unique_ptr<WorkerHost> host;
  std::shared_ptr<ListenerState> listener;
  net::asio::io_context accepting;
  net::tcp::acceptor acceptor{accepting};
};

TEST_F(BrokenStage, BeforeAnAnswerItIs500AndTheCallCompletesOnce) {
  for (const Where place : {Where::head, Where::request}) {
    where = place;
    completed = 0;
    RawClient client = connect();
    const Response response = call(client);
    EXPECT_EQ(response.status, 500) << response.failure;
    EXPECT_NE(response.body.find("internal_error"), std::string::npos) << response.body;
    EXPECT_EQ(response.body.find("a bug"), std::string::npos) << "what() is for the log";
    EXPECT_TRUE(client.wait_closed());
    EXPECT_TRUE(completes(1));
    EXPECT_EQ(in_flight, 0);
  }
}

TEST_F(BrokenStage, AfterTheFirstByteTheAnswerIsCut) {
  where = Where::stream;
  RawClient client = connect();
  const Response response = call(client);
  EXPECT_EQ(response.status, 200);
  EXPECT_FALSE(response.complete) << "no last chunk";
  EXPECT_TRUE(completes(1));
}

TEST_F(BrokenStage, WhenTheErrorCannotBeToldEitherTheConnectionEnds) {
  where = Where::answer;
  RawClient client = connect();
  EXPECT_EQ(call(client).status, 0);
  EXPECT_TRUE(client.wait_closed());
  EXPECT_TRUE(completes(1));
  where = Where::nowhere;
  RawClient next = connect();
  EXPECT_EQ(call(next).status, 404) << "and the worker goes on";
}

TEST_F(BrokenStage, AConnectionThatCannotBeWatchedIsNotTakenAndNotCounted) {
  std::promise<bool> taken;
  host->worker().post([&] {
    net::Socket refused(::memfd_create("file", 0));  // epoll takes no files
    taken.set_value(host->accept(listener, std::move(refused), acceptor.local_endpoint()));
  });
  EXPECT_FALSE(taken.get_future().get());
  EXPECT_EQ(host->sessions(), 0);
  EXPECT_TRUE(connections.try_enter(1)) << "the place is free";
  connections.leave(std::nullopt);
  const auto address = protocol::http::IpAddress::v4({127, 0, 0, 1});
  EXPECT_TRUE(connections.try_enter_address(address, 1)) << "and the address's too";
}

}  // namespace
}  // namespace tollgate::server
