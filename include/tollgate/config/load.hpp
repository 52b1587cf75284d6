#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tollgate/config/snapshot.hpp"

/// Turns one YAML file (and the price file it names) into a Snapshot, or into the list of
/// everything that is wrong with it.
///
/// Place:   start-up, reload and `tollgate check`; never on the data path.
/// Threads: all functions are re-entrant; they share nothing.
/// Errors:  never by exception; every fault of the input is a Problem with its place.
namespace tollgate::config {

/// One thing wrong with the configuration, and how to put it right.
///
/// Holds no secret: values are quoted as they stand in the file (`${env:NAME}`, never what it
/// expands to), and values of secret fields are not quoted at all.
struct Problem {
  std::string file;          ///< as given to load_file, or the price file
  std::uint32_t line = 0;    ///< from 1; 0 = the file as a whole
  std::uint32_t column = 0;  ///< from 1, in bytes
  std::string path;          ///< "providers.openai.base_url", "keys[2].digest"; may be empty
  std::string what;          ///< what is wrong
  std::string expected;      ///< what is expected; may be empty
  std::string suggestion;    ///< the nearest known key or value; may be empty
};

/// `file:line:col: path: what; expected ...; did you mean "..."?` on one line, without its end.
[[nodiscard]] std::string to_string(const Problem& problem);

/// What a configuration may read besides its own text; injected so that tests need no environment.
class Env {
 public:
  virtual ~Env() = default;
  /// Absent when the variable is not set.
  [[nodiscard]] virtual std::optional<std::string> variable(const std::string& name) const = 0;
  /// The whole file, at most `max_bytes`. On failure absent, and `why` says why in a few words.
  [[nodiscard]] virtual std::optional<std::string> read_file(const std::string& path,
                                                             std::size_t max_bytes,
                                                             std::string& why) const = 0;
  /// Empty when `path` is a regular file this process may read; else why not, in a few words.
  [[nodiscard]] virtual std::string unreadable(const std::string& path) const = 0;
};

/// The process environment and the real file system.
class SystemEnv final : public Env {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override;
  [[nodiscard]] std::optional<std::string> read_file(const std::string& path, std::size_t max_bytes,
                                                     std::string& why) const override;
  [[nodiscard]] std::string unreadable(const std::string& path) const override;
};

/// Whether a load looks up what only a serving gateway needs.
enum class Secrets : std::uint8_t {
  resolve,
  /// For commands beside a gateway (keys, budgets, audit, health), which must work for whoever has
  /// no provider credentials at hand: every `${...}` is left alone and stands for a placeholder,
  /// and certificates and proxy variables are not looked at. What such a command does need
  /// (`control_socket`, `audit`) is resolved all the same. Never serve such a snapshot.
  leave_out,
};

/// A file that was read for the configuration, or one it names to be read by who uses it.
struct SourceFile {
  std::string path;  ///< the YAML path that names it; empty: the configuration itself
  std::string file;
};

struct LoadOptions {
  std::uint64_t generation = 1;  ///< copied into the Snapshot
  Secrets secrets = Secrets::resolve;
  /// Checks that only upper layers can make (whether a regex compiles). Gets the snapshot as far as
  /// it could be built, problems or not, so that everything is reported at once, and the
  /// configuration itself, prices, certificates, keys and `${file:...}`. Of what it returns only
  /// `path`, `what`, `expected` and `suggestion` count; the place is looked up by `path`.
  std::function<std::vector<Problem>(const Snapshot&, const std::vector<SourceFile>&)>
      further_checks;
};

/// Either a snapshot and its warnings, or every problem found in one pass, in the order of the
/// file.
struct LoadResult {
  SnapshotPtr snapshot;  ///< null when there is any problem
  std::vector<Problem> problems;
  std::vector<Problem> warnings;
  bool unreadable = false;  ///< the file itself could not be read: `problems` says why
  [[nodiscard]] bool ok() const noexcept { return snapshot != nullptr; }
};

/// Reads `path` and everything it refers to. Relative paths inside stand for files beside `path`.
[[nodiscard]] LoadResult load_file(const std::string& path, const Env& env,
                                   const LoadOptions& options = {});
/// The same for text already read; `path` names it in problems and anchors relative paths.
[[nodiscard]] LoadResult load_text(std::string_view yaml, const std::string& path, const Env& env,
                                   const LoadOptions& options = {});

/// The whole snapshot as indented JSON, for `tollgate check --json` and the admin port. Secrets are
/// `"***"` (absent ones `""`), webhook URLs are cut after their host.
[[nodiscard]] std::string dump(const Snapshot& snapshot);

/// What the YAML's rules for `keys` say of a key made at run time. `path` of each is the member at
/// fault ("agent", "allow.mcp.search"); there is no file and no line.
struct KeyReview {
  std::vector<Problem> problems;  ///< unknown owners, guardrails, surfaces, servers; expiry passed
  std::vector<Problem> warnings;  ///< lists that match nothing; no budget on any scope
};
[[nodiscard]] KeyReview review_key(const Key& key, const Snapshot& snapshot, base::WallTime now);

/// The key with the owners it has by its agent and team, where it names none itself: what the
/// YAML's keys and those of a running gateway show.
[[nodiscard]] Key with_owners(Key key, const Snapshot& snapshot);

/// YAML paths of settings that differ but only count from the next start ("workers",
/// "listeners[0].address"); for the log of a reload.
[[nodiscard]] std::vector<std::string> restart_only_changes(const Snapshot& running,
                                                            const Snapshot& next);

}  // namespace tollgate::config
