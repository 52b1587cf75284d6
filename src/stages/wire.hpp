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
  /// Gives memory back that is more than `keep_bytes` each. Ends the views.
  void trim(std::size_t keep_bytes) noexcept;

  pipeline::WireRequest wire;
  /// The usage chunk was asked for by us: the agent must not see it.
  bool usage_injected = false;

 private:
  void build_path(const pipeline::RequestContext& context, const config::Provider& provider);
  void build_headers(const pipeline::RequestContext& context, const pipeline::DeploymentRuntime& to,
                     bool changes_body);
  /// Both say whether it is another body than the agent's.
  bool build_body(const pipeline::RequestContext& context, const config::Deployment& deployment,
                  config::OutputCapField cap_field);
  bool build_opaque_body(const pipeline::RequestContext& context,
                         const config::Deployment& deployment);

  std::string path_;
  std::string headers_;
  json::Splicer edits_;
  std::vector<std::string_view> pieces_;
};

/// Header lines of a relayed answer: what passes of the upstream's, and the gateway's own.
/// An MCP session id is sealed for the key, and named in the record.
/// @param changes_body  the agent's body is not the upstream's, or need not be
void build_answer_headers(pipeline::RequestContext& context,
                          const protocol::http::ResponseHead& head, unsigned attempts,
                          bool changes_body, std::string& out);
/// Makes application/json of the content type among such lines.
void set_json_type(std::string& lines);

}  // namespace tollgate::stages
