// TLS over sockets that do not wait: both sides in one thread, stepped by hand.
#include "net/tls_session.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/error.hpp>
#include <boost/asio/ssl/error.hpp>
#include <optional>
#include <string>

#include "support/temp_dir.hpp"
#include "support/test_ca.hpp"

namespace tollgate::net {
namespace {

class Tls : public ::testing::Test {
 protected:
  Tls() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    ours = Socket(fds[0]);
    theirs = Socket(fds[1]);
    server_context = testing::server_context(ca.issue("leaf"));
    client_context = testing::client_context(ca.ca_file());
  }

  void start(const char* name = "localhost", bool verify = true) {
    server.emplace(server_context.get(), ours, true);
    client.emplace(client_context.get(), theirs, false);
    client->set_peer_name(name, verify);
  }
  /// A connection in the place of the last one.
  void anew() {
    int fds[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    server.reset();
    client.reset();
    ours = Socket(fds[0]);
    theirs = Socket(fds[1]);
  }
  /// Steps both sides until neither waits; their errors.
  std::pair<error_code, error_code> shake() {
    std::pair<error_code, error_code> ends(asio::error::would_block, asio::error::would_block);
    for (int i = 0; i < 20; ++i) {
      edge();
      if (ends.second == asio::error::would_block) client->handshake(ends.second);
      edge();
      if (ends.first == asio::error::would_block) server->handshake(ends.first);
    }
    return ends;
  }
  /// As if epoll had told of both.
  void edge() {
    ours.note_readable(false);
    theirs.note_readable(false);
  }
  /// Reads what there is; what ended it.
  error_code drain(TlsSession& session, std::string& into) {
    error_code error;
    std::string room(64 * 1024, '\0');
    for (;;) {
      const std::size_t got = session.read(room.data(), room.size(), error);
      if (error) return error;
      into.append(room, 0, got);
    }
  }

  testing::TempDir dir;
  testing::TestCa ca{dir.path()};
  testing::SslCtxPtr server_context, client_context;
  Socket ours, theirs;
  std::optional<TlsSession> server, client;
};

TEST_F(Tls, BytesPassBothWaysAndNothingIsAskedOfTheKernelTwice) {
  start();
  const auto [server_end, client_end] = shake();
  ASSERT_FALSE(server_end) << server_end.message();
  ASSERT_FALSE(client_end) << client_end.message();
  error_code error;
  client->write("question", 8, error);
  ASSERT_FALSE(error);
  edge();
  std::string got;
  EXPECT_EQ(drain(*server, got), asio::error::would_block);
  EXPECT_EQ(got, "question");
  EXPECT_FALSE(server->has_pending());
  EXPECT_FALSE(ours.readable());
  server->write("answer", 6, error);
  edge();
  got.clear();
  EXPECT_EQ(drain(*client, got), asio::error::would_block);
  EXPECT_EQ(got, "answer");
}

TEST_F(Tls, ARecordThatDoesNotFitTheSocketIsTriedAgainAndArrivesOnce) {
  start();
  shake();
  const int small = 4096;
  ::setsockopt(ours.fd(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
  std::string sent, got;
  error_code error;
  int waits = 0;
  for (int i = 0; i < 64; ++i) {
    std::string record(16 * 1024, static_cast<char>('a' + i % 26));
    sent += record;
    for (;;) {
      server->write(record.data(), record.size(), error);
      if (error != asio::error::would_block) break;
      ++waits;
      std::string moved = record;  // the same bytes elsewhere
      record.swap(moved);
      edge();
      drain(*client, got);
    }
    ASSERT_FALSE(error);
  }
  edge();
  drain(*client, got);
  EXPECT_EQ(got, sent);
  EXPECT_GT(waits, 0);
}

TEST_F(Tls, AReadIntoLittleRoomLeavesTheRestPending) {
  start();
  shake();
  error_code error;
  client->write("abcdef", 6, error);
  edge();
  char room[4];
  EXPECT_EQ(server->read(room, 4, error), 4u);
  EXPECT_TRUE(server->has_pending()) << "no edge will tell of it";
  EXPECT_EQ(server->read(room, 4, error), 2u);
  EXPECT_FALSE(server->has_pending());
}

TEST_F(Tls, AnEndWithoutCloseNotifyIsToldFromOneWithIt) {
  for (const bool politely : {true, false}) {
    SCOPED_TRACE(politely);
    anew();
    start();
    shake();
    error_code error;
    client->write("last", 4, error);
    if (politely) client->close_notify();
    theirs.shutdown_send();
    ours.note_readable(true);
    std::string got;
    EXPECT_EQ(drain(*server, got), politely ? error_code(asio::error::eof)
                                            : error_code(asio::ssl::error::stream_truncated));
    EXPECT_EQ(got, "last");
  }
}

TEST_F(Tls, WhatIsNotTlsIsAProtocolError) {
  start();
  shake();
  ASSERT_EQ(::send(theirs.fd(), "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
  edge();
  std::string got;
  EXPECT_EQ(drain(*server, got), make_error_code(boost::system::errc::protocol_error));
  EXPECT_EQ(got, "");
}

TEST_F(Tls, TheNameMustBeTheCertificatesUnlessVerificationIsOff) {
  start("elsewhere");
  EXPECT_EQ(shake().second, make_error_code(boost::system::errc::protocol_error));
  anew();
  start("192.0.2.1");
  EXPECT_EQ(shake().second, make_error_code(boost::system::errc::protocol_error));
  anew();
  start("127.0.0.1");
  EXPECT_EQ(shake().second, error_code()) << "an address is looked for among the addresses";
  for (const char* name : {"elsewhere", "192.0.2.1"}) {
    anew();
    start(name, false);
    EXPECT_EQ(shake().second, error_code()) << name;
  }
}

TEST_F(Tls, BuffersThatWereGivenBackAreTakenAgain) {
  start();
  shake();
  error_code error;
  for (int round = 0; round < 3; ++round) {
    server->release_idle_buffers();
    server->release_idle_buffers();
    client->write("abcdef", 6, error);
    edge();
    char room[4];
    EXPECT_EQ(server->read(room, 4, error), 4u);
    // Two bytes lie in them: they must not go.
    server->release_idle_buffers();
    server->release_idle_buffers();
    EXPECT_EQ(server->read(room, 4, error), 2u);
    server->write("x", 1, error);
    EXPECT_FALSE(error);
    edge();
    std::string got;
    EXPECT_EQ(drain(*client, got), asio::error::would_block);
    EXPECT_EQ(got, "x");
  }
}

TEST_F(Tls, APeerThatOnlyChangesKeysIsCutOff) {
  server.emplace(server_context.get(), ours, true);
  const std::unique_ptr<SSL, decltype(&SSL_free)> peer(SSL_new(client_context.get()), SSL_free);
  SSL_set_fd(peer.get(), theirs.fd());
  SSL_set_connect_state(peer.get());
  error_code error = asio::error::would_block;
  for (int i = 0; i < 20; ++i) {
    SSL_do_handshake(peer.get());
    edge();
    if (error) server->handshake(error);
  }
  ASSERT_FALSE(error);
  ASSERT_EQ(SSL_is_init_finished(peer.get()), 1);
  const auto change_keys = [&] {
    SSL_key_update(peer.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    SSL_do_handshake(peer.get());
  };
  std::string got;
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) change_keys();
    SSL_write(peer.get(), "data", 4);
    edge();
    EXPECT_EQ(drain(*server, got), asio::error::would_block) << "with data between them it may";
  }
  EXPECT_EQ(got, "datadatadatadatadata");
  for (int i = 0; i < 2000; ++i) {
    change_keys();
    if (i % 100 != 99) continue;
    edge();
    error = drain(*server, got);
    if (error != asio::error::would_block) break;
  }
  EXPECT_EQ(error, make_error_code(boost::system::errc::protocol_error));
}

TEST_F(Tls, BytesThatWereReadBeforeTheHandshakeBelongToIt) {
  start();
  error_code error;
  client->handshake(error);
  EXPECT_EQ(error, asio::error::would_block);
  char hello[4096];
  const ssize_t size = ::recv(ours.fd(), hello, sizeof hello, 0);
  ASSERT_GT(size, 0);
  server->prepend({hello, static_cast<std::size_t>(size)});
  EXPECT_TRUE(server->has_pending());
  const auto [server_end, client_end] = shake();
  EXPECT_FALSE(server_end);
  EXPECT_FALSE(client_end);
}

}  // namespace
}  // namespace tollgate::net
