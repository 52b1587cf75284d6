#pragma once

#include <string>

#include "tollgate/json/splice.hpp"
#include "tollgate/pipeline/context.hpp"

/// What one attempt sends and what comes back, as bytes: URLs, header lines, governed edits.
namespace tollgate::stages {

/// The request of one attempt. Reused between attempts; views of it are handed to the exchange.
class AttemptRequest {
 public:
  /// Builds everything for `candidate` of the call's plan.
  void build(pipeline::RequestContext& context, std::size_t candidate);

  pipeline::WireRequest wire;
  /// The usage chunk was asked for by us: the agent must not see it.
  bool usage_injected = false;

 private:
  void build_path(const pipeline::RequestContext& context, const config::Provider& provider);
  void build_headers(const pipeline::RequestContext& context,
                     const pipeline::DeploymentRuntime& to);
  void build_body(const pipeline::RequestContext& context, const config::Deployment& deployment,
                  config::ProviderKind kind);
  void build_opaque_body(const pipeline::RequestContext& context,
                         const config::Deployment& deployment);

  std::string path_;
  std::string headers_;
  json::Splicer edits_;
  std::vector<std::string_view> pieces_;
};

/// Header lines of a relayed answer: what passes of the upstream's, and the gateway's own.
/// An MCP session id is sealed for the key, and named in the record.
void build_answer_headers(pipeline::RequestContext& context,
                          const protocol::http::ResponseHead& head, unsigned attempts,
                          std::string& out);

}  // namespace tollgate::stages
