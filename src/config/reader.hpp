#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "config/values.hpp"
#include "config/yaml_node.hpp"
#include "tollgate/base/secret.hpp"
#include "tollgate/config/load.hpp"

namespace tollgate::config {

/// Collects the problems of one file while its tree is read into documents, and remembers where
/// every path stands, so that later cross-checks can point at it.
///
/// Lifetime: one per file and load. Threads: one.
class Reader {
 public:
  /// Relative file names are taken from the folder of `file`.
  Reader(std::string file, const Env& env, Secrets secrets = Secrets::resolve);

  [[nodiscard]] const Env& env() const noexcept { return env_; }
  [[nodiscard]] Secrets secrets() const noexcept { return secrets_; }
  /// Whether a `${...}` in the value of `path` is to be left alone (Secrets::leave_out).
  [[nodiscard]] bool leaves_out(std::string_view path) const noexcept {
    return secrets_ == Secrets::leave_out && path != "control_socket" &&
           !path.starts_with("audit.");
  }

  // ---- problems ----

  /// Dropped when the value of `path` was left out: nobody can say whether what stands for it fits.
  void problem(Position at, std::string_view path, std::string what, std::string expected = {},
               std::string suggestion = {});
  /// At the value of `path`, else of its nearest known parent.
  void problem_at(std::string_view path, std::string what, std::string expected = {},
                  std::string suggestion = {});
  /// At the key of a map entry.
  void problem_at_key(std::string_view path, std::string what, std::string expected = {},
                      std::string suggestion = {});
  void warning_at(std::string_view path, std::string what, std::string expected = {},
                  std::string suggestion = {});
  /// Remembers where a value (and its key) stands.
  void note(const std::string& path, Position value, Position key);
  [[nodiscard]] bool has(std::string_view path) const {
    return places_.contains(std::string(path));
  }

  /// Both lists in the order of the file.
  [[nodiscard]] std::vector<Problem> take_problems();
  [[nodiscard]] std::vector<Problem> take_warnings();
  void add_problems(std::vector<Problem> more);
  /// Adds to the source files.
  void note_source(std::string_view path, std::string file) {
    source_files_.push_back({std::string(path), std::move(file)});
  }
  [[nodiscard]] const std::vector<SourceFile>& source_files() const noexcept {
    return source_files_;
  }
  [[nodiscard]] bool clean() const noexcept { return problems_.empty(); }

  // ---- values; absent means: a problem was noted ----

  /// A scalar as written. `expected` describes the type ("a duration such as ...").
  [[nodiscard]] const std::string* scalar(const Node& node, std::string_view path,
                                          std::string_view expected);
  /// A scalar with its `${env:NAME}` and `${file:PATH}` replaced, once. Trailing line ends of
  /// files are cut. `$${` stands for a literal `${`.
  [[nodiscard]] std::optional<std::string> expanded(const Node& node, std::string_view path,
                                                    std::string_view expected);
  [[nodiscard]] std::optional<base::Secret> secret(const Node& node, std::string_view path);
  /// Notes `"<value>" <wrong>`, quoting the value as written.
  void bad_value(const Node& node, std::string_view path, std::string_view wrong,
                 std::string_view expected, std::string suggestion = {});
  /// A relative name becomes one beside the configuration.
  [[nodiscard]] std::string resolve_file(std::string_view name) const;

 private:
  struct Place {
    Position value;
    Position key;
  };
  [[nodiscard]] Place place(std::string_view path) const;
  [[nodiscard]] bool replace_reference(std::string_view reference, const Node& node,
                                       std::string_view path, std::string& out);

  std::string file_;
  std::filesystem::path base_dir_;
  const Env& env_;
  Secrets secrets_;
  std::vector<Problem> problems_;
  std::vector<Problem> warnings_;
  std::vector<SourceFile> source_files_;
  std::unordered_map<std::string, Place> places_;
  std::unordered_set<std::string> left_out_;  ///< paths whose references were not looked up
};

/// "\"text\"", cut when long; to_string(Problem) makes it printable.
[[nodiscard]] std::string in_quotes(std::string_view text);
/// `a, b or c`.
template <class List>
[[nodiscard]] std::string one_of(const List& list) {
  std::string text;
  std::size_t i = 0;
  const std::size_t count = std::size(list);
  for (const auto& item : list) {
    if (i != 0) text += i + 1 == count ? " or " : ", ";
    text += item;
    ++i;
  }
  return text;
}

}  // namespace tollgate::config
