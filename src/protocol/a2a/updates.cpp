#include "tollgate/protocol/a2a/updates.hpp"

#include "protocol/a2a/members.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::protocol::a2a {
namespace {

using json::NodeRef;

/// The update itself: 1.0 wraps it in a member that names it.
NodeRef unwrap(NodeRef result, std::string_view camel, std::string_view snake, bool& wrapped) {
  const NodeRef inner = find_either(result, camel, snake);
  wrapped = inner.is_object();
  return wrapped ? inner : result;
}

}  // namespace

ArtifactUpdate read_artifact_update(NodeRef result) {
  ArtifactUpdate update;
  const NodeRef body = unwrap(result, "artifactUpdate", "artifact_update", update.v1);
  const NodeRef artifact = body.find("artifact");
  if (!artifact.is_object()) return update;
  update.artifact = artifact;
  update.task_id = find_either(body, "taskId", "task_id");
  update.context_id = find_either(body, "contextId", "context_id");
  update.artifact_id = find_either(artifact, "artifactId", "artifact_id");
  update.parts = artifact.find("parts");
  update.append = body.find("append").as_bool().value_or(false);
  update.last = find_either(body, "lastChunk", "last_chunk").as_bool().value_or(false);
  return update;
}

NodeRef status_parts(NodeRef result) {
  bool wrapped = false;
  const NodeRef body = unwrap(result, "statusUpdate", "status_update", wrapped);
  if (!wrapped && !body.find("kind").text_is("status-update")) return {};
  return body.find("status").find("message").find("parts");
}

void append_part_texts(NodeRef parts, std::vector<NodeRef>& out) {
  if (!parts.is_array()) return;
  for (const NodeRef part : parts.children()) {
    const NodeRef text = part.find("text");
    if (text.is_string()) out.push_back(text);
  }
}

void ArtifactAddress::assign(std::string_view id_raw, const ArtifactUpdate& update) {
  id.assign(id_raw);
  task_id.assign(update.task_id.raw());
  context_id.assign(update.context_id.raw());
  artifact_id.assign(update.artifact_id.raw());
  v1 = update.v1;
}

void append_artifact_text(std::string& out, const ArtifactAddress& address, std::string_view text) {
  json::Writer w(out);
  const auto member = [&w](std::string_view key, const std::string& raw) {
    if (!raw.empty()) w.key(key).raw(raw);
  };
  w.begin_object().member("jsonrpc", "2.0").key("id").raw(address.id.empty() ? "null" : address.id);
  w.key("result").begin_object();
  if (address.v1) {
    w.key("artifactUpdate").begin_object();
  } else {
    w.member("kind", "artifact-update");
  }
  member("taskId", address.task_id);
  member("contextId", address.context_id);
  w.key("append").boolean(true).key("lastChunk").boolean(false);
  w.key("artifact").begin_object();
  member("artifactId", address.artifact_id);
  w.key("parts").begin_array().begin_object();
  if (!address.v1) w.member("kind", "text");
  w.member("text", text).end_object().end_array().end_object();
  if (address.v1) w.end_object();
  w.end_object().end_object();
}

}  // namespace tollgate::protocol::a2a
