#pragma once

#include <map>
#include <string>

#include "tollgate/config/load.hpp"

namespace tollgate::config {

/// Variables and files from memory.
class FakeEnv final : public Env {
 public:
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;

  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    const auto found = variables.find(name);
    if (found == variables.end()) return std::nullopt;
    return found->second;
  }
  [[nodiscard]] std::optional<std::string> read_file(const std::string& path, std::size_t max_bytes,
                                                     std::string& why) const override {
    const auto found = files.find(path);
    if (found == files.end()) {
      why = "No such file or directory";
      return std::nullopt;
    }
    if (found->second.size() > max_bytes) {
      why = "too large";
      return std::nullopt;
    }
    return found->second;
  }
  [[nodiscard]] std::string unreadable(const std::string& path) const override {
    return files.contains(path) ? "" : "No such file or directory";
  }
};

/// A price file with one priced model per kind.
inline constexpr const char* kPriceFile = R"(version: 1
vintage: "2026-08-01"
unit: USD per million tokens
prices:
  openai:
    gpt-4o: {input: 2.5, output: 10, cache_read: 1.25, context_window: 128000, max_output: 16384}
  anthropic:
    claude-haiku-4-5: {input: 1, output: 5, cache_read: 0.1, cache_write: 1.25, cache_write_1h: 2}
  groq:
    llama: {input: 0.05, output: 0.08}
  demo:
    "*": {input: 10, output: 1000, max_output: 4096}
)";

/// All problems, one per line.
inline std::string text_of(const std::vector<Problem>& problems) {
  std::string text;
  for (const auto& problem : problems) text += to_string(problem) + "\n";
  return text;
}

}  // namespace tollgate::config
