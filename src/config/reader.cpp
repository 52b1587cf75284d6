#include "config/reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

constexpr std::size_t kMaxReferencedFile = 64 * 1024;
/// Stands for a reference that was left alone.
constexpr std::string_view kPlaceholder = "not-looked-up-by-this-command";

/// The main file first, then those it names.
std::vector<Problem> in_file_order(std::vector<Problem> list, const std::string& main) {
  std::stable_sort(list.begin(), list.end(), [&](const Problem& a, const Problem& b) {
    const bool a_other = a.file != main, b_other = b.file != main;
    return std::tie(a_other, a.file, a.line, a.column) <
           std::tie(b_other, b.file, b.line, b.column);
  });
  return list;
}

bool is_variable_name(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

std::string in_quotes(std::string_view text) {
  constexpr std::size_t kMax = 80;
  if (text.size() <= kMax) return fmt::format("\"{}\"", text);
  std::size_t cut = kMax;  // never inside a UTF-8 character
  while (cut > 0 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) --cut;
  return fmt::format("\"{}...\"", text.substr(0, cut));
}

Reader::Reader(std::string file, const Env& env, Secrets secrets)
    : file_(std::move(file)),
      base_dir_(std::filesystem::path(file_).parent_path()),
      env_(env),
      secrets_(secrets) {}

void Reader::problem(Position at, std::string_view path, std::string what, std::string expected,
                     std::string suggestion) {
  if (!left_out_.empty() && left_out_.contains(std::string(path))) return;
  problems_.push_back({file_, at.line, at.column, std::string(path), std::move(what),
                       std::move(expected), std::move(suggestion)});
}

void Reader::problem_at(std::string_view path, std::string what, std::string expected,
                        std::string suggestion) {
  problem(place(path).value, path, std::move(what), std::move(expected), std::move(suggestion));
}

void Reader::problem_at_key(std::string_view path, std::string what, std::string expected,
                            std::string suggestion) {
  problem(place(path).key, path, std::move(what), std::move(expected), std::move(suggestion));
}

void Reader::warning_at(std::string_view path, std::string what, std::string expected,
                        std::string suggestion) {
  const Position at = place(path).key;
  warnings_.push_back({file_, at.line, at.column, std::string(path), std::move(what),
                       std::move(expected), std::move(suggestion)});
}

void Reader::note(const std::string& path, Position value, Position key) {
  places_.insert_or_assign(path, Place{value, key});
}

Reader::Place Reader::place(std::string_view path) const {
  for (;;) {
    if (const auto found = places_.find(std::string(path)); found != places_.end())
      return found->second;
    const auto cut = path.find_last_of(".[");
    if (cut == std::string_view::npos) return {};
    path = path.substr(0, cut);
  }
}

std::vector<Problem> Reader::take_problems() {
  return in_file_order(std::move(problems_), file_);
}
std::vector<Problem> Reader::take_warnings() {
  return in_file_order(std::move(warnings_), file_);
}

void Reader::add_problems(std::vector<Problem> more) {
  std::move(more.begin(), more.end(), std::back_inserter(problems_));
}

const std::string* Reader::scalar(const Node& node, std::string_view path,
                                  std::string_view expected) {
  if (node.is_scalar()) return &node.text;
  const char* what = node.is_null() ? "has no value" : node.is_map() ? "is a map" : "is a list";
  problem(node.at, path, what, std::string(expected));
  return nullptr;
}

void Reader::bad_value(const Node& node, std::string_view path, std::string_view wrong,
                       std::string_view expected, std::string suggestion) {
  problem(node.at, path, fmt::format("{} {}", in_quotes(node.text), wrong), std::string(expected),
          std::move(suggestion));
}

std::optional<std::string> Reader::expanded(const Node& node, std::string_view path,
                                            std::string_view expected) {
  const std::string* raw = scalar(node, path, expected);
  if (raw == nullptr) return std::nullopt;
  std::string out;
  std::string_view rest = *raw;
  bool refers = false;
  for (;;) {
    const auto dollar = rest.find("${");
    if (dollar == std::string_view::npos) break;
    if (dollar > 0 && rest[dollar - 1] == '$') {  // "$${" is a literal "${"
      out += rest.substr(0, dollar - 1);
      out += "${";
      rest.remove_prefix(dollar + 2);
      continue;
    }
    out += rest.substr(0, dollar);
    const auto close = rest.find('}', dollar);
    if (close == std::string_view::npos) {
      problem(node.at, path, "a ${ is not closed", "${env:NAME} or ${file:PATH}");
      return std::nullopt;
    }
    if (!replace_reference(rest.substr(dollar + 2, close - dollar - 2), node, path, out))
      return std::nullopt;
    refers = true;
    rest.remove_prefix(close + 1);
  }
  out += rest;
  // Only now: a reference that is written wrongly is a problem whoever reads it.
  if (refers && leaves_out(path)) left_out_.emplace(path);
  return out;
}

bool Reader::replace_reference(std::string_view reference, const Node& node, std::string_view path,
                               std::string& out) {
  if (reference.starts_with("env:") && reference.size() > 4) {
    const std::string name(reference.substr(4));
    if (!is_variable_name(name)) {  // perhaps the secret itself: not quoted
      problem(node.at, path, "a ${env:...} reference that names no variable",
              "a name of letters, digits and \"_\", such as ${env:OPENAI_API_KEY}");
      return false;
    }
    if (leaves_out(path)) {
      out += kPlaceholder;
      return true;
    }
    const auto value = env_.variable(name);
    if (!value) {
      problem(node.at, path, fmt::format("environment variable {} is not set", name),
              "it to be set where Tollgate starts");
      return false;
    }
    if (value->empty()) {
      problem(node.at, path, fmt::format("environment variable {} is empty", name),
              "a value where Tollgate starts");
      return false;
    }
    out += *value;
    return true;
  }
  if (reference.starts_with("file:") && reference.size() > 5) {
    if (leaves_out(path)) {
      out += kPlaceholder;
      return true;
    }
    const std::string name = resolve_file(reference.substr(5));
    std::string why;
    auto text = env_.read_file(name, kMaxReferencedFile, why);
    if (!text) {
      problem(node.at, path, fmt::format("file {} cannot be read: {}", in_quotes(name), why),
              "a readable file");
      return false;
    }
    note_source(path, name);
    while (!text->empty() && (text->back() == '\n' || text->back() == '\r')) text->pop_back();
    if (text->empty()) {
      problem(node.at, path, fmt::format("file {} is empty", in_quotes(name)), "a value in it");
      return false;
    }
    out += *text;
    return true;
  }
  // The text between the braces may be a secret put there by mistake: it is not quoted.
  problem(node.at, path, "an unknown ${...} reference",
          "${env:NAME}, ${file:PATH}, or $${ for a literal ${");
  return false;
}

std::optional<base::Secret> Reader::secret(const Node& node, std::string_view path) {
  auto value = expanded(node, path, "a secret, best as ${env:NAME} or ${file:PATH}");
  if (!value) return std::nullopt;
  if (!is_field_value(*value)) {
    problem(node.at, path, "the secret holds a line end or another control character",
            "one line of text");
    return std::nullopt;
  }
  return base::Secret(std::move(*value));
}

std::string Reader::resolve_file(std::string_view name) const {
  const std::filesystem::path path(name);
  if (path.is_absolute() || base_dir_.empty()) return path.lexically_normal().string();
  return (base_dir_ / path).lexically_normal().string();
}

}  // namespace tollgate::config
