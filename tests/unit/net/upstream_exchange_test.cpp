// One exchange over a pooled connection, its peer scripted by hand in the same thread.
#include "net/upstream_exchange.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <new>
#include <optional>
#include <string>

#include "net/tls_session.hpp"
#include "support/temp_dir.hpp"
#include "support/test_ca.hpp"
#include "unit/net/loop.hpp"

namespace tollgate::net {
namespace {

using namespace std::chrono_literals;
using pipeline::BodyChunk;
using pipeline::TransportFailure;
using test::run_until;
using test::settle;

class Exchange : public ::testing::Test {
 protected:
  Exchange() {
    origin.scheme = "http";
    origin.host = "127.0.0.1";
    origin.port = acceptor.local_endpoint().port();
    origin.pool_key = "upstream";
    origin.max_connections = 1;
    request.path_and_query = "/v1/x";
    request.deadline = base::Deadline::never();
    request.connect_timeout = request.tls_timeout = request.first_byte_timeout = 1h;
    request.idle_timeout = request.write_timeout = request.pool_wait = 1h;
    open();
  }
  ~Exchange() override {
    exchange.reset();
    pool.close_idle();
    settle(worker.loop());
  }
  void open() {
    exchange = std::make_unique<UpstreamExchange>(worker, pool, origin, cancel, spares);
  }

  /// Sends the request and awaits the head; `outcome` is set when that is over.
  void begin() {
    outcome.reset();
    thrown = nullptr;
    base::spawn("start", start());
  }
  base::Task<void> start() {
    try {
      outcome = co_await exchange->start(request);
    } catch (...) {
      thrown = std::current_exception();
    }
  }
  bool begun() {
    return run_until(worker.loop(), [&] { return outcome.has_value() || thrown != nullptr; });
  }
  base::Task<void> read_once() { chunk = co_await exchange->read(); }
  BodyChunk read() {
    chunk.reset();
    base::spawn("read", read_once());
    EXPECT_TRUE(run_until(worker.loop(), [&] { return chunk.has_value(); }));
    return chunk.value_or(BodyChunk());
  }
  base::Task<void> read_body() { outcome = co_await exchange->read_all(body, 1 << 20); }
  TransportFailure read_all() {
    outcome.reset();
    base::spawn("read_all", read_body());
    EXPECT_TRUE(run_until(worker.loop(), [&] { return outcome.has_value(); }));
    return outcome.value_or(TransportFailure::none);
  }

  void accept() {
    peer = tcp::socket(io);
    acceptor.accept(peer);
    peer.set_option(tcp::no_delay(true));
  }
  void say(std::string_view bytes) { asio::write(peer, asio::buffer(bytes.data(), bytes.size())); }
  /// The peer's side of an exchange that begins with a new connection.
  void answer(std::string_view bytes) {
    begin();
    accept();
    settle(worker.loop());
    say(bytes);
    ASSERT_TRUE(begun());
    ASSERT_FALSE(thrown);
    ASSERT_EQ(outcome, TransportFailure::none);
  }
  void answer_and_release() {
    ASSERT_NO_FATAL_FAILURE(answer("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"));
    std::string request_head;
    asio::read_until(peer, asio::dynamic_buffer(request_head), "\r\n\r\n");
    ASSERT_EQ(read_all(), TransportFailure::none);
    ASSERT_EQ(pool.counters().idle, 1);
    open();
  }

  asio::io_context io;  // of the peer, which blocks
  tcp::acceptor acceptor{io, tcp::endpoint(asio::ip::address_v4::loopback(), 0)};
  tcp::socket peer{io};
  base::SystemClock clock;
  Worker worker{0, clock};
  DnsCache dns{clock, {}};
  UpstreamPool pool{worker, dns};
  SpareBuffers spares;
  config::Origin origin;
  pipeline::WireRequest request;
  pipeline::CancelSignal cancel;
  std::unique_ptr<UpstreamExchange> exchange;
  std::optional<TransportFailure> outcome;
  std::exception_ptr thrown;
  std::optional<BodyChunk> chunk;
  std::string body;
};

TEST_F(Exchange, BytesBeforeAMalformedChunkStayUntilTheNextRead) {
  answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\n");
  const BodyChunk got = read();
  EXPECT_EQ(got.failure, TransportFailure::invalid);
  ASSERT_EQ(got.pieces.size(), 1u);
  settle(worker.loop());
  EXPECT_EQ(pool.counters().busy, 1) << "the pieces point into the connection's buffer";
  EXPECT_EQ(got.pieces[0], "good");
  const BodyChunk again = read();
  EXPECT_EQ(again.failure, TransportFailure::invalid);
  EXPECT_TRUE(again.pieces.empty());
  EXPECT_EQ(pool.counters().busy, 0);
}

TEST_F(Exchange, AWholeBodyThatFailsGivesItsConnectionBackAtOnce) {
  answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\nzz\r\n");
  EXPECT_EQ(read_all(), TransportFailure::invalid);
  EXPECT_EQ(body, "good");
  EXPECT_EQ(pool.counters().busy, 0);
}

TEST_F(Exchange, AnAnswerBeforeTheRequestIsOutIsNotEarlierThanIt) {
  ASSERT_NO_FATAL_FAILURE(answer_and_release());  // the idle connection's read goes on
  const std::string large(64 << 20, 'x');
  const std::string_view piece = large;
  request.body = std::span(&piece, 1);
  request.has_body = true;
  begin();
  settle(worker.loop());
  ASSERT_FALSE(outcome) << "more than the sockets hold";
  say("HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\n");
  settle(worker.loop());
  std::string some(1 << 20, '\0');
  for (std::size_t left = large.size(); left > 0;) {
    left -= std::min(left, peer.read_some(asio::buffer(some)));
    worker.loop().turn(base::MonoTime::min());
  }
  ASSERT_TRUE(begun());
  EXPECT_EQ(outcome, TransportFailure::none);
  EXPECT_EQ(exchange->head().status, 413);
  EXPECT_GE(exchange->first_byte_at(), exchange->sent_at());
  EXPECT_GE(exchange->read_at(), exchange->sent_at());
}

TEST_F(Exchange, WhatAnIdleConnectionSaidInThisTurnIsNotTheAnswerToARequest) {
  ASSERT_NO_FATAL_FAILURE(answer_and_release());
  say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
  // Posted: runs after this turn's reads, before anybody is told of them.
  worker.post([this] { begin(); });
  worker.loop().turn(base::MonoTime::min());
  ASSERT_FALSE(outcome);
  accept();
  settle(worker.loop());
  say("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(begun());
  EXPECT_EQ(outcome, TransportFailure::none);
  EXPECT_EQ(exchange->head().status, 201);
  EXPECT_EQ(pool.counters().connects, 2);
}

TEST_F(Exchange, AConnectionThatCannotBeWatchedIsAFailedConnectAndLeavesItsPlace) {
  {
    const test::NoWatches exhausted(worker.loop());
    begin();
    ASSERT_TRUE(begun());
  }
  ASSERT_FALSE(thrown);
  EXPECT_EQ(outcome, TransportFailure::connect);
  ASSERT_EQ(pool.counters().busy, 0);
  acceptor.accept();  // it got as far as the kernel
  open();
  answer("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(Exchange, AConnectThatThrowsLeavesItsPlace) {
  // A context that OpenSSL can make nothing of, as when it has no memory.
  const auto unusable = std::make_shared<asio::ssl::context>(asio::ssl::context::tls_client);
  const asio::ssl::context taken = std::move(*unusable);
  auto contexts = std::make_shared<TlsContexts>();
  contexts->emplace(origin.pool_key, unusable);
  pool.set_tls_contexts(contexts);
  origin.scheme = "https";
  for (int i = 0; i < 2; ++i) {
    begin();
    ASSERT_TRUE(begun());
    ASSERT_TRUE(thrown) << "the one place of the pool is free again";
    EXPECT_THROW(std::rethrow_exception(thrown), std::bad_alloc);
    ASSERT_EQ(pool.counters().busy, 0);
  }
}

// ---- over TLS ----

class TlsExchange : public Exchange {
 protected:
  TlsExchange() {
    config::UpstreamTls profile;
    profile.ca_file = ca.ca_file();
    auto contexts = std::make_shared<TlsContexts>();
    contexts->emplace(origin.pool_key, make_client_context(profile));
    pool.set_tls_contexts(contexts);
    origin.scheme = "https";
  }
  /// Takes the connection and answers the request with `bytes`.
  void answer_over_tls(std::string_view bytes) {
    begin();
    tcp::socket taken = acceptor.accept();
    taken.native_non_blocking(true);
    ours = Socket(taken.release());
    session.emplace(context.get(), ours, true);
    error_code error = asio::error::would_block;
    ASSERT_TRUE(run_until(worker.loop(), [&] {
      ours.note_readable(false);
      if (error == asio::error::would_block) session->handshake(error);
      return error != asio::error::would_block;
    }));
    ASSERT_FALSE(error) << error.message();
    settle(worker.loop());
    ours.note_readable(false);
    std::string room(64 * 1024, '\0');
    session->read(room.data(), room.size(), error);
    ASSERT_FALSE(error) << error.message();
    if (!bytes.empty()) session->write(bytes.data(), bytes.size(), error);
  }
  /// The same, and ends the connection, with close_notify or without.
  void answer_and_end(std::string_view bytes, bool politely) {
    ASSERT_NO_FATAL_FAILURE(answer_over_tls(bytes));
    if (politely) session->close_notify();
    ours.shutdown_send();
    ASSERT_TRUE(begun());
    ASSERT_FALSE(thrown);
  }

  testing::TempDir dir;
  testing::TestCa ca{dir.path()};
  testing::SslCtxPtr context = testing::server_context(ca.issue("leaf"));
  Socket ours;
  std::optional<TlsSession> session;
};

TEST_F(TlsExchange, ABodyUntilCloseIsCompleteAtACloseNotify) {
  answer_and_end("HTTP/1.1 200 OK\r\n\r\nsome of it", true);
  EXPECT_EQ(read_all(), TransportFailure::none);
  EXPECT_EQ(body, "some of it");
}

TEST_F(TlsExchange, ABodyUntilCloseIsCutByAnEndWithoutCloseNotify) {
  answer_and_end("HTTP/1.1 200 OK\r\n\r\nsome of it", false);
  EXPECT_EQ(read_all(), TransportFailure::cut);
  EXPECT_EQ(body, "some of it");
}

TEST_F(TlsExchange, ABodyWithALengthNeedsNoCloseNotify) {
  answer_and_end("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nall!", false);
  EXPECT_EQ(read_all(), TransportFailure::none);
  EXPECT_EQ(body, "all!");
}

TEST_F(TlsExchange, ARequestThatMetAnEndedConnectionIsSentAgainHoweverItEnded) {
  answer_over_tls("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
  ASSERT_TRUE(begun());
  ASSERT_EQ(read_all(), TransportFailure::none);
  open();
  // It ends between being taken and being written to, in one turn; nothing of the request arrives.
  worker.post([this] { begin(); });
  worker.post([this] { ours.close(); });
  EXPECT_TRUE(run_until(worker.loop(), [&] { return pool.counters().connects == 2; }));
  EXPECT_FALSE(outcome);
  cancel.cancel();
  EXPECT_TRUE(begun());
}

TEST_F(TlsExchange, AnEndBeforeTheHeadIsAResetHoweverItComes) {
  for (const bool politely : {true, false}) {
    SCOPED_TRACE(politely);
    answer_and_end("", politely);
    EXPECT_EQ(outcome, TransportFailure::reset);
    session.reset();
    open();
  }
}

}  // namespace
}  // namespace tollgate::net
