#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tollgate/json/document.hpp"

/// Streamed pieces of what an agent writes, in the shapes of 0.3 and 1.0.
namespace tollgate::protocol::a2a {

/// One event of a stream that adds to an artifact. Valid as long as its Document.
struct ArtifactUpdate {
  json::NodeRef task_id, context_id, artifact_id;
  json::NodeRef parts;
  bool append = false;  ///< continues the artifact; else it begins anew
  bool last = false;    ///< nothing more is added to it
  bool v1 = false;      ///< wrapped as 1.0 does

  /// Nothing: the result is no such update.
  [[nodiscard]] explicit operator bool() const noexcept { return bool(artifact); }
  json::NodeRef artifact;
};
[[nodiscard]] ArtifactUpdate read_artifact_update(json::NodeRef result);

/// The parts of the message in a status update; nothing when it has none.
[[nodiscard]] json::NodeRef status_parts(json::NodeRef result);

/// The `text` of every part that has one, in order.
void append_part_texts(json::NodeRef parts, std::vector<json::NodeRef>& out);

/// What it takes to add more text to an artifact later: raw JSON of its ids, copied.
struct ArtifactAddress {
  std::string id;                                ///< of the call that the stream answers
  std::string task_id, context_id, artifact_id;  ///< raw; empty when absent
  bool v1 = false;

  void assign(std::string_view id_raw, const ArtifactUpdate& update);
};
/// Appends a JSON-RPC message that appends one text part to the artifact.
void append_artifact_text(std::string& out, const ArtifactAddress& address, std::string_view text);

}  // namespace tollgate::protocol::a2a
