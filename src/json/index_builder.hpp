#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "json/key_hash.hpp"
#include "json/strings.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::json {

/// Memory of a parse that is of no use after it; one per thread, so that Documents stay small.
struct ParseScratch {
  /// An open array or object, or what is around the value.
  struct Frame {
    std::array<std::uint64_t, 4> seen;  ///< bit (mark of a key): mostly shows that no two are equal
    std::uint32_t node;
    std::uint32_t count;
    bool is_object;
    bool may_repeat;  ///< two keys have the same mark
  };
  struct Key {
    std::uint32_t hash;
    std::uint32_t node;
  };
  static constexpr std::uint32_t kDepthLimit = 1024;

  ParseScratch();

  HashSecret secret;
  std::array<Frame, kDepthLimit + 1> frames;  ///< written before they are read
  std::vector<Key> keys;                      ///< of the object whose keys are compared
  std::vector<std::uint32_t> table;           ///< for duplicates in large objects
};

/// Builds a Document's index in one pass over the text, checking all of JSON but its UTF-8 on the
/// way: that is checked at the end, and only in texts that have any byte over 0x7F.
class IndexBuilder {
 public:
  IndexBuilder(Document& document, const ParseLimits& limits, ParseScratch& scratch);

  /// True when the text is one value. Else `fault()` says why not.
  [[nodiscard]] bool run();
  [[nodiscard]] const Fault& fault() const noexcept { return fault_; }
  /// Whether the fault is a limit or a duplicate key, not bad syntax: phrased differently.
  [[nodiscard]] bool is_refusal() const noexcept { return is_refusal_; }
  /// The limit that the text is over, if that is its fault.
  [[nodiscard]] std::optional<base::Limit> limit() const noexcept { return limit_; }

 private:
  using Frame = ParseScratch::Frame;

  /// Where the walk stands. A local of run(), handed to functions that are inlined there, so that
  /// it stays in registers: members would be stored and loaded again around every node written.
  /// No function that is called gets its address.
  struct Walk {
    const char* at = nullptr;                  ///< next byte
    std::uint32_t nodes = 0;                   ///< written so far
    std::uint32_t key_begin = 0, key_end = 0;  ///< of the member whose value comes next
    bool key_has_escape = false;
    std::uint32_t high = 0;  ///< not 0: strings have bytes over 0x7F
  };

  inline char skip_space(Walk& walk) const noexcept;
  [[nodiscard]] std::uint32_t offset(const char* at) const noexcept {
    return static_cast<std::uint32_t>(at - text_);
  }
  inline bool key(Walk& walk, Frame& frame, char first);
  inline bool scalar(Walk& walk, Node& node, char first);
  inline bool string(Walk& walk, bool& has_escape);
  inline bool literal(Walk& walk, Node& node, std::string_view rest, Kind kind);
  const char* number(Node& node, const char* at);
  [[nodiscard]] inline bool ends_token(const char* p) const noexcept;
  [[nodiscard]] bool finish(const char* at, std::uint32_t nodes, bool is_high);
  bool make_room(const char* at, std::uint32_t nodes);
  [[nodiscard]] std::uint32_t hash_of(const Node& node) const;
  bool check_duplicates(const Frame& frame, std::uint32_t end);
  bool check_duplicates_by_table(std::span<const ParseScratch::Key> keys);
  bool same_key(std::uint32_t a, std::uint32_t b);
  bool fail(const char* message, std::size_t offset, bool is_refusal = false);
  bool over(base::Limit limit, const char* message, const char* at);

  Document& document_;
  const ParseLimits& limits_;
  ParseScratch& scratch_;
  const char* const text_;
  const char* const end_;
  const std::uint32_t max_nodes_;
  const std::uint32_t max_depth_;
  Node* nodes_ = nullptr;
  std::uint32_t room_ = 0;  ///< nodes that may be written before make_room() must be asked
  Fault fault_;
  bool is_refusal_ = false;
  std::optional<base::Limit> limit_;
};

}  // namespace tollgate::json
