#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/load.hpp"

namespace tollgate::config {

/// A place in a file, both from 1.
struct Position {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

struct Node;
using NodePtr = std::shared_ptr<const Node>;

/// One YAML value with its place. Aliases share the anchor's node, so the graph is a DAG; its size
/// when walked as a tree is bounded by parse_yaml.
struct Node {
  enum class Kind : std::uint8_t { null, scalar, sequence, map };
  struct Entry {
    std::string key;
    Position key_at;
    NodePtr value;
  };

  Kind kind = Kind::null;
  Position at;
  std::string text;     ///< of a scalar, before any `${...}` is expanded
  bool quoted = false;  ///< written with quotes or as a block: never a number or a boolean
  std::vector<NodePtr> items;
  std::vector<Entry> entries;  ///< in file order, keys unique
  std::size_t weight = 1;      ///< values in the tree below and including this one

  [[nodiscard]] bool is_null() const noexcept { return kind == Kind::null; }
  [[nodiscard]] bool is_scalar() const noexcept { return kind == Kind::scalar; }
  [[nodiscard]] bool is_map() const noexcept { return kind == Kind::map; }
  [[nodiscard]] bool is_sequence() const noexcept { return kind == Kind::sequence; }
};

/// `root` is null when the text is not one YAML document; `problems` then says why.
struct ParsedYaml {
  NodePtr root;
  std::vector<Problem> problems;
};

/// Reads one YAML 1.2 document, keeping the place of every key and value.
///
/// Goes by yaml-cpp's event interface and not by YAML::Node: version 0.7 keeps duplicate keys
/// silently, loses the place of keys, ignores `<<` and copies aliases without a bound. Here a
/// duplicate key, a merge key, a custom tag, a second document, a cycle, nesting deeper than 64 and
/// more than 50 000 values coming from aliases are problems with their place.
[[nodiscard]] ParsedYaml parse_yaml(std::string_view text, const std::string& file);

/// `parent.key`, or `parent["key"]` when the key is not made of letters, digits, `_` and `-`.
[[nodiscard]] std::string join_path(std::string_view parent, std::string_view key);
[[nodiscard]] std::string join_path(std::string_view parent, std::size_t index);

}  // namespace tollgate::config
