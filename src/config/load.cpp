#include "tollgate/config/load.hpp"

#include <fmt/format.h>

#include "config/resolve.hpp"
#include "config/tables.hpp"

namespace tollgate::config {
namespace {

constexpr std::size_t kMaxConfigFile = 32 << 20;

}  // namespace

LoadResult load_text(std::string_view yaml, const std::string& path, const Env& env,
                     const LoadOptions& options) {
  LoadResult result;
  Reader reader(path, env, options.secrets);
  reader.note_source("", path);
  auto parsed = parse_yaml(yaml, path);
  reader.add_problems(std::move(parsed.problems));
  if (parsed.root && !parsed.root->is_map()) {
    reader.problem(parsed.root->at, "", "the file is not a map",
                   "keys such as providers and models");
  } else if (parsed.root) {
    RootDoc root;
    root_table().read(reader, *parsed.root, "", root);
    auto snapshot = std::make_shared<Snapshot>();
    snapshot->generation = options.generation;
    snapshot->source_digest = base::to_hex(base::sha256(yaml));
    const Catalogue catalogue = load_catalogue(reader, root.prices);
    resolve_edge(reader, root, *snapshot);
    resolve_upstreams(reader, root, *snapshot);
    resolve_models(reader, root, catalogue, *snapshot);
    resolve_guardrails(reader, root, *snapshot);
    resolve_budgets(reader, root, *snapshot);
    resolve_access(reader, root, *snapshot);
    resolve_loops(reader, root, *snapshot);
    if (options.further_checks)
      for (auto& found : options.further_checks(*snapshot, reader.source_files()))
        reader.problem_at(found.path, std::move(found.what), std::move(found.expected),
                          std::move(found.suggestion));
    if (reader.clean()) result.snapshot = std::move(snapshot);
  }
  result.problems = reader.take_problems();
  result.warnings = reader.take_warnings();
  return result;
}

LoadResult load_file(const std::string& path, const Env& env, const LoadOptions& options) {
  std::string why;
  const auto text = env.read_file(path, kMaxConfigFile, why);
  if (!text) {
    LoadResult result;
    result.unreadable = true;
    result.problems.push_back(
        {path, 0, 0, "", "cannot be read: " + why, "a readable YAML file", ""});
    return result;
  }
  return load_text(*text, path, env, options);
}

}  // namespace tollgate::config
