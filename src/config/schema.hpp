#pragma once

#include <fmt/format.h>

#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "config/reader.hpp"
#include "config/values.hpp"

/// The declarative tables behind reading, unknown-key detection, docs/configuration.md, the JSON
/// Schema and the example: each key is written down once, in tables*.cpp.
namespace tollgate::config {

enum class ValueType : std::uint8_t {
  boolean,
  integer,
  count,  ///< an integer whose digits "_" may group
  duration,
  size,
  usd,
  usd_per_mtok,
  factor,  ///< a decimal above 0
  text,
  name,
  secret,
  file,
  path,
  url,
  address,
  enumeration,
  timestamp,
  digest,
  percent_list,
  text_list,
  enum_list,
  object,
  object_map,  ///< name -> object
  object_list,
  secret_map,   ///< name -> secret
  usd_map,      ///< name -> USD
  list_map,     ///< name -> list of texts
  enum_map,     ///< name -> enumeration
  price_table,  ///< section -> model -> object
};

struct SectionInfo;

/// What is known about one key, type-erased.
struct FieldInfo {
  std::string key;
  ValueType type = ValueType::text;
  std::string default_text;  ///< YAML text; empty = none
  std::string unit;
  std::string doc;  ///< one line
  bool restart_only = false;
  bool required = false;
  std::vector<std::string> choices;
  std::int64_t min = 0, max = 0;           ///< for integers and counts, when max > min
  const SectionInfo* section = nullptr;    ///< for objects and collections of them
  std::string example;                     ///< YAML text in the example; default_text when empty
  std::vector<std::string> example_names;  ///< entries of a map in the example
  bool commented = false;                  ///< stands in the example as a comment
};

struct SectionInfo {
  std::string title;      ///< heading in the docs and definition name in the JSON Schema
  std::string doc;        ///< a sentence or two
  std::string shorthand;  ///< what a plain text may stand for; empty = none
  std::vector<FieldInfo> fields;
  std::vector<std::string> exactly_one;  ///< keys of which one must stand, and no other
};

/// One key of documents of type T: its facts and how to read it.
template <class T>
struct Field {
  using Read = std::function<void(Reader&, const Node&, const std::string& path, T&)>;
  FieldInfo info;
  Read read;

  Field unit(std::string text) && { return info.unit = std::move(text), std::move(*this); }
  Field restart() && { return info.restart_only = true, std::move(*this); }
  Field required() && { return info.required = true, std::move(*this); }
  Field example(std::string text) && { return info.example = std::move(text), std::move(*this); }
  Field commented() && { return info.commented = true, std::move(*this); }
  Field default_is(std::string text) && {
    return info.default_text = std::move(text), std::move(*this);
  }
  Field named(std::vector<std::string> entries) && {
    return info.example_names = std::move(entries), std::move(*this);
  }
};

/// Notes an unknown key together with the nearest one.
void unknown_key(Reader& reader, const Node::Entry& entry, const std::string& path,
                 const SectionInfo& section);

/// Notes that none of the keys of `section.exactly_one` stands in `node`, or more than one.
void check_exactly_one(Reader& reader, const Node& node, const std::string& path,
                       const SectionInfo& section);

/// All keys of one kind of map, in documented order.
template <class T>
class Table {
 public:
  using Shorthand = std::function<void(Reader&, const Node&, const std::string& path, T&)>;

  Table(std::string title, std::string doc, std::vector<Field<T>> fields)
      : fields_(std::move(fields)) {
    info_.title = std::move(title);
    info_.doc = std::move(doc);
    for (const auto& field : fields_) info_.fields.push_back(field.info);
  }
  /// Lets a text or list stand for the whole map; `doc` tells what it means.
  Table shorthand(std::string doc, Shorthand read) && {
    info_.shorthand = std::move(doc);
    shorthand_ = std::move(read);
    return std::move(*this);
  }

  /// Asks for one of these keys. The first is the example's, the others stand there as comments.
  Table exactly_one(std::vector<std::string> keys) && {
    info_.exactly_one = std::move(keys);
    return std::move(*this);
  }

  [[nodiscard]] const SectionInfo& info() const noexcept { return info_; }

  void read(Reader& reader, const Node& node, const std::string& path, T& out) const {
    if constexpr (requires { out.path = path; }) out.path = path;
    if (shorthand_ && !node.is_map() && !node.is_null()) return shorthand_(reader, node, path, out);
    if (!node.is_map() && !node.is_null())
      return reader.problem(node.at, path, node.is_scalar() ? "is a single value" : "is a list",
                            "a map with keys such as " + info_.fields.front().key);
    std::vector<bool> seen(fields_.size());
    for (const auto& entry : node.entries) {
      const std::string at = join_path(path, entry.key);
      const std::size_t index = find(entry.key);
      if (index == fields_.size()) {
        unknown_key(reader, entry, at, info_);
        continue;
      }
      seen[index] = true;
      reader.note(at, entry.value->at, entry.key_at);
      fields_[index].read(reader, *entry.value, at, out);
    }
    for (std::size_t i = 0; i < fields_.size(); ++i)
      if (fields_[i].info.required && !seen[i])
        reader.problem(node.at, path, fmt::format("{} is missing", fields_[i].info.key),
                       fmt::format("{}: {}", fields_[i].info.key, fields_[i].info.doc));
    if (!info_.exactly_one.empty()) check_exactly_one(reader, node, path, info_);
  }

 private:
  [[nodiscard]] std::size_t find(std::string_view key) const {
    std::size_t i = 0;
    while (i < fields_.size() && fields_[i].info.key != key) ++i;
    return i;
  }

  SectionInfo info_;
  std::vector<Field<T>> fields_;
  Shorthand shorthand_;
};

/// The value type behind std::optional, or the type itself.
template <class V>
struct Plain {
  using type = V;
};
template <class V>
struct Plain<std::optional<V>> {
  using type = V;
};

/// A field read by `parse(Reader&, const Node&, path) -> std::optional<V>`, V = the member's type
/// without std::optional.
template <class T, class M, class Parse>
Field<T> value_field(std::string key, M T::*member, ValueType type, std::string default_text,
                     std::string doc, Parse parse) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = type;
  field.info.default_text = std::move(default_text);
  field.info.doc = std::move(doc);
  field.read = [member, parse](Reader& reader, const Node& node, const std::string& path, T& out) {
    if (auto value = parse(reader, node, path)) out.*member = std::move(*value);
  };
  return field;
}

/// Walks the entries of a map node, noting places; anything but a map or null is a problem.
template <class Each>
void each_entry(Reader& reader, const Node& node, const std::string& path,
                std::string_view expected, Each each) {
  if (!node.is_map() && !node.is_null()) {
    reader.problem(node.at, path, node.is_scalar() ? "is a single value" : "is a list",
                   std::string(expected));
    return;
  }
  for (const auto& entry : node.entries) {
    const std::string at = join_path(path, entry.key);
    reader.note(at, entry.value->at, entry.key_at);
    each(entry, at);
  }
}

/// Walks the items of a list node, noting places; anything but a list or null is a problem.
template <class Each>
void each_item(Reader& reader, const Node& node, const std::string& path, std::string_view expected,
               Each each) {
  if (!node.is_sequence() && !node.is_null()) {
    reader.problem(node.at, path, node.is_scalar() ? "is a single value" : "is a map",
                   std::string(expected));
    return;
  }
  for (std::size_t i = 0; i < node.items.size(); ++i) {
    const std::string at = join_path(path, i);
    reader.note(at, node.items[i]->at, node.items[i]->at);
    each(*node.items[i], at);
  }
}

/// `key: {...}` read by `table` into a member, or into an optional one that then exists.
template <class T, class M>
Field<T> object(std::string key, M T::*member, const Table<typename Plain<M>::type>& table,
                std::string doc) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = ValueType::object;
  field.info.doc = std::move(doc);
  field.info.section = &table.info();
  field.read = [member, &table](Reader& reader, const Node& node, const std::string& path, T& out) {
    typename Plain<M>::type value{};
    table.read(reader, node, path, value);
    out.*member = std::move(value);
  };
  return field;
}

/// `key: [{...}, ...]`. Elements replace the member's default when the key is present.
template <class T, class U>
Field<T> list_of(std::string key, std::vector<U> T::*member, const Table<U>& table,
                 std::string doc) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = ValueType::object_list;
  field.info.default_text = "[]";
  field.info.doc = std::move(doc);
  field.info.section = &table.info();
  field.read = [member, &table](Reader& reader, const Node& node, const std::string& path, T& out) {
    (out.*member).clear();
    each_item(reader, node, path, "a list, each item starting with \"- \"",
              [&](const Node& item, const std::string& at) {
                table.read(reader, item, at, (out.*member).emplace_back());
              });
  };
  return field;
}

/// `key: {name: {...}, ...}` into a std::map; `valid` judges the names.
template <class T, class U>
Field<T> map_of(std::string key, std::map<std::string, U, std::less<>> T::*member,
                const Table<U>& table, bool (*valid)(std::string_view), std::string doc) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = ValueType::object_map;
  field.info.default_text = "{}";
  field.info.doc = std::move(doc);
  field.info.section = &table.info();
  field.read = [member, &table, valid](Reader& reader, const Node& node, const std::string& path,
                                       T& out) {
    each_entry(reader, node, path, "a map of names",
               [&](const Node::Entry& entry, const std::string& at) {
                 if (!valid(entry.key))
                   reader.problem(
                       entry.key_at, at, fmt::format("{} is not a good name", in_quotes(entry.key)),
                       valid == is_name ? "letters, digits, \".\", \"_\" and \"-\", at most 128"
                                        : "letters, digits and any of \"._-/:@+\", at most 128");
                 table.read(reader, *entry.value, at, (out.*member)[entry.key]);
               });
  };
  return field;
}

}  // namespace tollgate::config
