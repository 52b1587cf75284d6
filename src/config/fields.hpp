#pragma once

#include <algorithm>

#include "config/schema.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"

/// Builders of single-value fields. Defaults come from a default-made document, so that the table
/// and the struct cannot disagree.
namespace tollgate::config {

// ---- parsers: absent means that a problem was noted ----

[[nodiscard]] std::optional<bool> read_bool(Reader&, const Node&, const std::string& path);
[[nodiscard]] std::optional<std::int64_t> read_integer(Reader&, const Node&,
                                                       const std::string& path, std::int64_t min,
                                                       std::int64_t max);
/// The same, and "_" may stand between two digits: 1_000_000.
[[nodiscard]] std::optional<std::int64_t> read_count(Reader&, const Node&, const std::string& path,
                                                     std::int64_t min, std::int64_t max);
[[nodiscard]] std::optional<std::chrono::milliseconds> read_duration(
    Reader&, const Node&, const std::string& path, std::chrono::milliseconds min,
    std::chrono::milliseconds max, std::chrono::milliseconds step);
[[nodiscard]] std::optional<std::uint64_t> read_size(Reader&, const Node&, const std::string& path,
                                                     std::uint64_t min, std::uint64_t max);
[[nodiscard]] std::optional<base::NanoUsd> read_usd(Reader&, const Node&, const std::string& path);
[[nodiscard]] std::optional<base::PicoUsdPerToken> read_usd_per_mtok(Reader&, const Node&,
                                                                     const std::string& path);
/// A name that refers to or introduces something; `${...}` is not expanded.
[[nodiscard]] std::optional<std::string> read_name(Reader&, const Node&, const std::string& path);
[[nodiscard]] std::optional<std::string> read_text(Reader&, const Node&, const std::string& path);
/// A file that must be readable; relative names resolved.
[[nodiscard]] std::optional<std::string> read_file_name(Reader&, const Node&,
                                                        const std::string& path);
/// A file that Tollgate makes; relative names resolved.
[[nodiscard]] std::optional<std::string> read_path(Reader&, const Node&, const std::string& path);
[[nodiscard]] std::optional<Url> read_url(Reader&, const Node&, const std::string& path,
                                          UrlParts allowed, std::string_view expected);
[[nodiscard]] std::optional<Address> read_address(Reader&, const Node&, const std::string& path);
[[nodiscard]] std::optional<base::WallTime> read_timestamp(Reader&, const Node&,
                                                           const std::string& path);
[[nodiscard]] std::optional<base::Sha256Digest> read_digest(Reader&, const Node&,
                                                            const std::string& path);
/// Whole percents 1-100, each once; sorted.
[[nodiscard]] std::optional<std::vector<std::uint32_t>> read_percents(Reader&, const Node&,
                                                                      const std::string& path);
/// A list of texts, or one text for a list of one; `valid` may refuse an item.
[[nodiscard]] std::optional<std::vector<std::string>> read_texts(Reader&, const Node&,
                                                                 const std::string& path,
                                                                 bool (*valid)(std::string_view),
                                                                 std::string_view expected);
/// Which of `choices` a scalar is.
[[nodiscard]] std::optional<std::size_t> read_choice(Reader&, const Node&, const std::string& path,
                                                     const std::vector<std::string>& choices);

template <class E>
std::vector<std::string> choices_of() {
  std::vector<std::string> list;
  for (const auto& entry : names(E{})) list.emplace_back(entry.name);
  return list;
}

template <class E>
std::optional<E> read_enum(Reader& reader, const Node& node, const std::string& path) {
  const auto index = read_choice(reader, node, path, choices_of<E>());
  if (!index) return std::nullopt;
  return names(E{})[*index].value;
}

/// A list of values of an enumeration, at least one and each once.
template <class E>
std::optional<std::vector<E>> read_enums(Reader& reader, const Node& node,
                                         const std::string& path) {
  std::vector<E> list;
  bool good = node.is_sequence();
  each_item(reader, node, path, fmt::format("a list, each item {}", one_of(choices_of<E>())),
            [&](const Node& item, const std::string& at) {
              const auto value = read_enum<E>(reader, item, at);
              good = good && value.has_value();
              if (!value) return;
              if (std::find(list.begin(), list.end(), *value) != list.end()) {
                reader.bad_value(item, at, "stands there twice", "each value once");
                good = false;
              }
              list.push_back(*value);
            });
  if (good && list.empty()) {
    reader.problem(node.at, path, "is an empty list", "at least one value, or no such key");
    return std::nullopt;
  }
  if (!good) return std::nullopt;
  return list;
}

// ---- fields ----

/// Text of a member's default: absent optionals give "".
template <class T, class M, class Format>
std::string default_of(M T::*member, Format format) {
  const T made{};
  if constexpr (requires { (made.*member).has_value(); }) {
    return (made.*member).has_value() ? format(*(made.*member)) : std::string();
  } else {
    return format(made.*member);
  }
}

inline std::string yaml_text(const std::string& text) {
  return text.empty() ? "\"\"" : text;
}

template <class T, class M>
Field<T> boolean(std::string key, M T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::boolean,
                     default_of(member, [](bool b) { return std::string(b ? "true" : "false"); }),
                     std::move(doc), read_bool);
}

template <class T, class M>
Field<T> integer(std::string key, M T::*member, std::int64_t min, std::int64_t max,
                 std::string doc) {
  using V = typename Plain<M>::type;
  auto field = value_field(
      std::move(key), member, ValueType::integer,
      default_of(member, [](V v) { return std::to_string(v); }), std::move(doc),
      [min, max](Reader& r, const Node& n, const std::string& path) -> std::optional<V> {
        const auto value = read_integer(r, n, path, min, max);
        if (!value) return std::nullopt;
        return static_cast<V>(*value);
      });
  field.info.min = min;
  field.info.max = max;
  return field;
}

template <class T>
Field<T> count(std::string key, std::optional<std::int64_t> T::*member, std::int64_t min,
               std::int64_t max, std::string doc) {
  auto field = value_field(std::move(key), member, ValueType::count, "", std::move(doc),
                           [min, max](Reader& r, const Node& n, const std::string& path) {
                             return read_count(r, n, path, min, max);
                           });
  field.info.min = min;
  field.info.max = max;
  return field;
}

/// Durations may be any chrono type that milliseconds divide or make up.
template <class T, class M>
Field<T> duration(std::string key, M T::*member, std::chrono::milliseconds min,
                  std::chrono::milliseconds max, std::string doc) {
  using V = typename Plain<M>::type;
  using std::chrono::milliseconds;
  return value_field(
      std::move(key), member, ValueType::duration,
      default_of(member, [](V v) { return format_duration(milliseconds(v)); }), std::move(doc),
      [min, max](Reader& r, const Node& n, const std::string& path) -> std::optional<V> {
        const auto value = read_duration(r, n, path, min, max, milliseconds(V(1)));
        if (!value) return std::nullopt;
        return std::chrono::duration_cast<V>(*value);
      });
}

template <class T, class M>
Field<T> size(std::string key, M T::*member, std::uint64_t min, std::uint64_t max,
              std::string doc) {
  return value_field(
      std::move(key), member, ValueType::size,
      default_of(member, [](std::uint64_t v) { return format_size(v); }), std::move(doc),
      [min, max](Reader& r, const Node& n, const std::string& path) -> std::optional<M> {
        const auto value = read_size(r, n, path, min, max);
        if (!value) return std::nullopt;
        return static_cast<M>(*value);
      });
}

template <class T, class M>
Field<T> usd(std::string key, M T::*member, std::string doc) {
  auto field =
      value_field(std::move(key), member, ValueType::usd,
                  default_of(member, [](base::NanoUsd v) { return base::to_string(v).substr(1); }),
                  std::move(doc), read_usd);
  field.info.unit = "USD";
  return field;
}

template <class T, class M>
Field<T> usd_per_mtok(std::string key, M T::*member, std::string doc) {
  auto field = value_field(std::move(key), member, ValueType::usd_per_mtok, "", std::move(doc),
                           read_usd_per_mtok);
  field.info.unit = "USD per million tokens";
  return field;
}

template <class T, class M>
Field<T> enumeration(std::string key, M T::*member, std::string doc) {
  using E = typename Plain<M>::type;
  auto field = value_field(std::move(key), member, ValueType::enumeration,
                           default_of(member, [](E v) { return std::string(name_of(v)); }),
                           std::move(doc), read_enum<E>);
  field.info.choices = choices_of<E>();
  return field;
}

/// A list of values of an enumeration; by default all of them.
template <class T, class E>
Field<T> enumerations(std::string key, std::vector<E> T::*member, std::string doc) {
  const auto format = [](const std::vector<E>& list) {
    std::string out = "[";
    for (const E value : list) out += (out.size() > 1 ? ", " : "") + std::string(name_of(value));
    return out + "]";
  };
  auto field = value_field(std::move(key), member, ValueType::enum_list, default_of(member, format),
                           std::move(doc), read_enums<E>);
  field.info.choices = choices_of<E>();
  return field;
}

template <class T>
Field<T> text(std::string key, std::string T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::text, default_of(member, yaml_text),
                     std::move(doc), read_text);
}

template <class T>
Field<T> name(std::string key, std::string T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::name, default_of(member, yaml_text),
                     std::move(doc), read_name);
}

template <class T>
Field<T> secret(std::string key, base::Secret T::*member, std::string doc) {
  return value_field(
      std::move(key), member, ValueType::secret, "", std::move(doc),
      [](Reader& r, const Node& n, const std::string& path) { return r.secret(n, path); });
}

template <class T>
Field<T> file(std::string key, std::string T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::file, "", std::move(doc), read_file_name);
}

template <class T>
Field<T> path(std::string key, std::string T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::path, default_of(member, yaml_text),
                     std::move(doc), read_path);
}

template <class T, class M>
Field<T> url(std::string key, M T::*member, UrlParts allowed, std::string expected,
             std::string doc) {
  return value_field(std::move(key), member, ValueType::url, "", std::move(doc),
                     [allowed, expected](Reader& r, const Node& n, const std::string& path) {
                       return read_url(r, n, path, allowed, expected);
                     });
}

template <class T>
Field<T> texts(std::string key, std::vector<std::string> T::*member,
               bool (*valid)(std::string_view), std::string expected, std::string doc) {
  const auto format = [](const std::vector<std::string>& list) {
    std::string out = "[";
    for (const auto& item : list) out += (out.size() > 1 ? ", \"" : "\"") + item + "\"";
    return out + "]";
  };
  return value_field(std::move(key), member, ValueType::text_list, default_of(member, format),
                     std::move(doc),
                     [valid, expected](Reader& r, const Node& n, const std::string& path) {
                       return read_texts(r, n, path, valid, expected);
                     });
}

}  // namespace tollgate::config
