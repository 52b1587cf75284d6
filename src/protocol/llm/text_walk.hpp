#pragma once

#include <string_view>
#include <vector>

#include "tollgate/protocol/llm/types.hpp"

/// Finding text in structures whose shape is known: what both dialects share.
namespace tollgate::protocol::llm {

/// Collects texts below a node of a message, block or part: every string but those known to be
/// something else. Keys that name structure are only believed where structure is expected; below
/// tool input everything is text.
class TextWalk {
 public:
  explicit TextWalk(std::vector<TextSpan>& out) : out_(out) {}

  /// A string by itself. Nothing and empty strings are skipped.
  void add(json::NodeRef node, TextRole role, bool read_only = false);
  /// Everything below `node` but ids, type tags, signatures, encrypted and binary data.
  void structured(json::NodeRef node, TextRole role, bool read_only = false);
  /// Everything below `node`, keys and long numbers too: data a model wrote or will read as it is.
  void free_form(json::NodeRef node, TextRole role);

 private:
  std::vector<TextSpan>& out_;
  std::vector<json::TextRef> refs_;
};

/// A member that is no text where structure is expected: an id, a type tag, a signature, encrypted
/// or binary data, cache directives. Judged with its value: an `id` that reads like prose is text.
[[nodiscard]] bool is_structural(json::NodeRef member);

/// `data:` URLs, whose content no guardrail can read.
[[nodiscard]] bool is_data_url(json::NodeRef node) noexcept;

}  // namespace tollgate::protocol::llm
