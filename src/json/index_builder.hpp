#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "json/strings.hpp"
#include "json/structurals.hpp"
#include "tollgate/base/error.hpp"
#include "tollgate/json/document.hpp"

namespace tollgate::json {

/// Memory of a parse that is of no use after it; one per thread, so that Documents stay small.
struct ParseScratch {
  struct Key {
    std::uint32_t hash;
    std::uint32_t node;
  };
  /// Random per thread: without it a sender could choose keys that all hash alike and make
  /// duplicate detection quadratic.
  struct HashSecret {
    std::uint64_t a, b;
  };

  ParseScratch();

  HashSecret secret;
  StructuralScan structurals;
  std::vector<Key> keys;             ///< of the objects now open, innermost last
  std::vector<std::uint32_t> table;  ///< for duplicates in large objects
};

/// Builds a Document's index from the positions of its tokens, checking what stage 1 does not:
/// grammar, numbers, literals, escapes, duplicate keys, limits.
class IndexBuilder {
 public:
  IndexBuilder(Document& document, const ParseLimits& limits, ParseScratch& scratch,
               std::span<const std::uint32_t> positions);

  /// True when the text is one value. Else `fault()` says why not.
  [[nodiscard]] bool run();
  [[nodiscard]] const Fault& fault() const noexcept { return fault_; }
  /// Whether the fault is a limit or a duplicate key, not bad syntax: phrased differently.
  [[nodiscard]] bool is_refusal() const noexcept { return is_refusal_; }
  /// The limit that the text is over, if that is its fault.
  [[nodiscard]] std::optional<base::Limit> limit() const noexcept { return limit_; }

 private:
  struct Frame {
    std::uint64_t seen;  ///< bit (hash mod 64) of each key: usually shows that no two are equal
    std::uint32_t node;
    std::uint32_t count;
    std::uint32_t first_key;  ///< in ParseScratch::keys
    bool is_object;
    bool may_repeat;  ///< two keys have the same bit
  };

  /// Where the walk stands. A local of run(), handed to functions that are inlined there, so that
  /// it stays in registers: members would be stored and loaded again around every node written.
  struct Walk {
    std::uint32_t cursor = 0;                  ///< next token
    std::uint32_t nodes = 0;                   ///< written so far
    std::uint32_t key_begin = 0, key_end = 0;  ///< of the member whose value comes next
    bool key_has_escape = false;
  };

  [[nodiscard]] inline char token(const Walk& walk) const noexcept;
  [[nodiscard]] inline std::uint32_t offset(const Walk& walk) const noexcept;
  inline bool key(Walk& walk, Frame& frame);
  inline bool next_member(Walk& walk, Frame& frame);
  inline bool scalar(Walk& walk, char first);
  inline bool string(std::uint32_t cursor, std::uint32_t& end, bool& has_escape);
  bool number(Node& node);
  bool literal(Node& node, std::string_view word, Kind kind);
  [[nodiscard]] bool ends_token(const char* p) const noexcept;
  [[nodiscard]] std::uint32_t hash_escaped(std::string_view key) const;
  bool check_duplicates(const Frame& frame);
  bool check_duplicates_by_table(std::span<const ParseScratch::Key> keys);
  bool same_key(std::uint32_t a, std::uint32_t b);
  bool fail(const char* message, std::size_t offset, bool is_refusal = false);
  bool over(base::Limit limit, const char* message, std::size_t offset);

  Document& document_;
  const ParseLimits& limits_;
  ParseScratch& scratch_;
  const char* const text_;
  const char* const text_end_;
  const std::uint32_t size_;
  const std::uint32_t* const positions_;
  const std::uint32_t count_;
  const std::uint32_t max_nodes_;
  const std::uint32_t max_depth_;
  Node* nodes_ = nullptr;
  Fault fault_;
  bool is_refusal_ = false;
  std::optional<base::Limit> limit_;
  static constexpr std::uint32_t kDepthLimit = 1024;
  std::array<Frame, kDepthLimit> frames_;  // left uninitialised on purpose
};

}  // namespace tollgate::json
