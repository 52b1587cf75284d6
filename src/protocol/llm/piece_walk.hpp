#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::protocol::llm {

/// A number for a place whose text continues from event to event (FNV-1a of its name).
[[nodiscard]] constexpr std::uint32_t place_of(std::string_view name) noexcept {
  std::uint32_t hash = 2166136261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619u;
  return hash;
}

/// Collects the pieces of one event of a stream into its StreamEvent.
class PieceWalk {
 public:
  explicit PieceWalk(StreamEvent& event) : out(event) {}

  /// A string that continues `channel`. Nothing, other kinds and empty strings are skipped.
  void add(json::NodeRef node, Channel channel, bool read_only = false);
  /// The same for a string of which nothing else is read (TextPiece::is_free).
  void add_free(json::NodeRef node, Channel channel, bool read_only = false);
  /// Texts below `node` that are complete by themselves; all strings but encoded ones.
  void whole(json::NodeRef node, bool read_only = false);
  /// The same for a member of which nothing else is read: free when it is a string by itself.
  void whole_free(json::NodeRef member);
  /// Whole texts below `node`, where everything is text (tool input), keys and numbers too.
  void whole_free_form(json::NodeRef node);

  /// Keys anywhere in the event but plain names, and those that are pieces already.
  void odd_keys(const json::Document& document);

  StreamEvent& out;

 private:
  void add_whole(const json::TextRef& ref, bool read_only, bool is_free = false);
};

}  // namespace tollgate::protocol::llm
