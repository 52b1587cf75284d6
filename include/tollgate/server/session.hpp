#pragma once

#include <boost/intrusive/list_hook.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tollgate/base/task.hpp"
#include "tollgate/net/channel.hpp"
#include "tollgate/pipeline/context.hpp"
#include "tollgate/pipeline/exchange.hpp"
#include "tollgate/protocol/http/chunked.hpp"
#include "tollgate/protocol/http/gzip_inflater.hpp"
#include "tollgate/protocol/http/ip_address.hpp"
#include "tollgate/protocol/http/request_head.hpp"

namespace tollgate::server {

class WorkerHost;
struct ListenerState;

/// One agent's connection: reads requests, runs each through the chain, writes what comes back.
///
/// Owns the call's RequestContext and is the Downstream its stages write to. Watches the agent's
/// socket while a call runs, so that a vanished agent cancels it (one read is always outstanding).
/// Lifetime: deletes itself when `run` ends. Threads: its worker's.
class Session final : public pipeline::Downstream,
                      private net::ChannelWatcher,
                      public boost::intrusive::list_base_hook<
                          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Session(WorkerHost& host, std::shared_ptr<const ListenerState> listener, net::ChannelPtr channel,
          protocol::http::IpAddress peer);
  ~Session() override;

  /// The connection's whole life. Spawned once; the session is destroyed at its end.
  base::Task<void> run();

  /// Draining: finish the call that runs, then close; an idle connection closes at once.
  void close_when_idle();
  /// The drain deadline has passed, or a second signal: end everything now.
  void force_close();

  // ---- Downstream ----
  [[nodiscard]] bool committed() const noexcept override { return committed_; }
  base::Task<bool> respond(int status, std::string_view header_lines,
                           std::span<const std::string_view> body) override;
  base::Task<bool> start_stream(int status, std::string_view header_lines) override;
  base::Task<bool> write(std::span<const std::string_view> pieces) override;
  base::Task<bool> finish() override;
  void abort() noexcept override;

 private:
  enum class ReadHead : std::uint8_t { ok, closed, refused };

  void on_peer_closed(net::Channel& channel) override;

  base::Task<bool> accept_proxy_header();
  base::Task<bool> accept_tls();
  base::Task<ReadHead> read_head();
  base::Task<void> serve();
  /// Reads the body into the context; false when the connection is of no further use (the refusal,
  /// if one is due, is in `refusal_`).
  base::Task<bool> read_body();
  base::Task<bool> read_length(std::uint64_t length, bool gzip);
  base::Task<bool> read_chunked(bool gzip);
  bool take_payload(std::string_view payload, bool gzip);
  /// Answers with an error made here, in the caller's dialect, through the chain when a call
  /// exists.
  base::Task<void> answer_error(base::Error error);
  base::Task<void> linger();
  void append_common_headers(std::string& out, bool close);

  WorkerHost& host_;
  std::shared_ptr<const ListenerState> listener_;
  net::ChannelPtr channel_;
  protocol::http::IpAddress peer_;
  protocol::http::IpAddress client_;
  protocol::http::RequestParser parser_;
  protocol::http::ChunkedDecoder chunked_;
  std::unique_ptr<protocol::http::GzipInflater> inflater_;
  std::vector<std::string_view> payload_;
  std::unique_ptr<pipeline::RequestContext> context_;
  std::optional<base::Error> refusal_;
  std::string out_head_;
  std::string chunk_head_;
  std::vector<std::string_view> out_;
  std::size_t head_size_ = 0;
  std::uint32_t served_ = 0;
  bool keep_alive_ = true;
  bool committed_ = false;
  bool streaming_ = false;
  bool chunked_out_ = false;
  bool idle_ = true;
  bool closing_ = false;
  bool body_unread_ = false;
};

}  // namespace tollgate::server
