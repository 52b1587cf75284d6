#include "config/yaml_node.hpp"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxAliasedNodes = 50'000;

Position position(const YAML::Mark& mark) {
  // A null mark (-1) happens at the end of an empty stream.
  const auto from_one = [](int v) { return static_cast<std::uint32_t>(v < 0 ? 1 : v + 1); };
  return {from_one(mark.line), from_one(mark.column)};
}

/// Stops the parse after a problem that makes the rest of the file meaningless.
struct Stop {};

class TreeBuilder final : public YAML::EventHandler {
 public:
  TreeBuilder(std::string file, std::vector<Problem>& problems)
      : file_(std::move(file)), problems_(problems) {}

  NodePtr take_root() { return std::move(root_); }

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    auto node = std::make_shared<Node>();
    node->at = position(mark);
    // An empty value has the place of the next token, lines below its key.
    if (!stack_.empty() && stack_.back().has_key && node->at.line > stack_.back().key_at.line)
      node->at = stack_.back().key_at;
    finish(std::move(node), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(Node::Kind::sequence, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(Node::Kind::map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    std::shared_ptr<Node> node;
    YAML::anchor_t anchor = 0;
    std::string path;
    std::unordered_map<std::string, Position> keys;
    bool has_key = false;  // a map waiting for the value of `key`
    bool skip_value = false;
    std::string key;
    Position key_at;
  };

  void problem(Position at, const std::string& path, std::string what, std::string expected = {}) {
    problems_.push_back(
        {file_, at.line, at.column, path, std::move(what), std::move(expected), {}});
  }
  [[nodiscard]] std::string here() const {
    if (stack_.empty()) return {};
    const Frame& top = stack_.back();
    if (top.node->is_sequence()) return join_path(top.path, top.node->items.size());
    return top.has_key ? join_path(top.path, top.key) : top.path;
  }
  void check_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!" || tag.starts_with("tag:yaml.org,2002:")) return;
    problem(position(mark), here(), fmt::format("tag {} is not supported", tag),
            "a plain value without a tag");
  }
  void open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor);
  void close();
  void set_key(const YAML::Mark& mark, const std::string& key, bool quoted);
  void finish(NodePtr node, YAML::anchor_t anchor);

  std::string file_;
  std::vector<Problem>& problems_;
  std::vector<Frame> stack_;
  std::unordered_map<YAML::anchor_t, NodePtr> anchors_;
  std::size_t aliased_ = 0;
  NodePtr root_;
};

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) {
    problem(position(mark), here(), "the alias stands inside its own anchor",
            "an anchor that is complete before it is used");
    throw Stop{};
  }
  aliased_ += found->second->weight;
  if (aliased_ > kMaxAliasedNodes) {
    problem(position(mark), here(),
            fmt::format("aliases expand to more than {} values", kMaxAliasedNodes),
            "fewer or smaller aliases");
    throw Stop{};
  }
  finish(found->second, 0);
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                           const std::string& value) {
  const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
  if (!stack_.empty() && stack_.back().node->is_map() && !stack_.back().has_key) {
    set_key(mark, value, quoted);
    return;
  }
  check_tag(mark, tag);
  auto node = std::make_shared<Node>();
  node->kind = Node::Kind::scalar;
  node->at = position(mark);
  node->text = value;
  node->quoted = quoted;
  finish(std::move(node), anchor);
}

void TreeBuilder::open(Node::Kind kind, const YAML::Mark& mark, const std::string& tag,
                       YAML::anchor_t anchor) {
  if (stack_.size() >= kMaxDepth) {
    problem(position(mark), here(), fmt::format("nested deeper than {} levels", kMaxDepth),
            "a flatter configuration");
    throw Stop{};
  }
  if (!stack_.empty() && stack_.back().node->is_map() && !stack_.back().has_key) {
    problem(position(mark), stack_.back().path, "a list or map is used as a key", "a plain name");
    throw Stop{};
  }
  check_tag(mark, tag);
  Frame frame;
  frame.path = here();
  frame.anchor = anchor;
  frame.node = std::make_shared<Node>();
  frame.node->kind = kind;
  frame.node->at = position(mark);
  stack_.push_back(std::move(frame));
}

void TreeBuilder::close() {
  Frame frame = std::move(stack_.back());
  stack_.pop_back();
  finish(std::move(frame.node), frame.anchor);
}

void TreeBuilder::set_key(const YAML::Mark& mark, const std::string& key, bool quoted) {
  Frame& frame = stack_.back();
  frame.has_key = true;
  frame.key = key;
  frame.key_at = position(mark);
  const std::string path = join_path(frame.path, key);
  if (key == "<<" && !quoted) {
    problem(frame.key_at, frame.path, "merge keys (<<) are not supported",
            "the keys written out, or an alias for a whole value");
    frame.skip_value = true;
    return;
  }
  const auto [first, fresh] = frame.keys.try_emplace(key, frame.key_at);
  if (!fresh) {
    problem(frame.key_at, path,
            fmt::format("duplicate key, first set at line {}", first->second.line),
            "each key once");
    frame.skip_value = true;
  }
}

void TreeBuilder::finish(NodePtr node, YAML::anchor_t anchor) {
  if (anchor != 0) anchors_[anchor] = node;
  if (stack_.empty()) {
    root_ = std::move(node);
    return;
  }
  Frame& frame = stack_.back();
  if (frame.node->is_map() && !frame.has_key) {  // `: value`, `~: value` or `*alias: value`
    problem(node->at, frame.path, "the key is empty or an alias", "a plain name");
    throw Stop{};
  }
  frame.node->weight += node->weight;
  if (frame.node->is_sequence()) {
    frame.node->items.push_back(std::move(node));
    return;
  }
  if (!frame.skip_value)
    frame.node->entries.push_back({std::move(frame.key), frame.key_at, std::move(node)});
  frame.has_key = false;
  frame.skip_value = false;
}

/// A tab in the indentation is the usual cause of yaml-cpp's least helpful messages.
bool indented_by_tab(std::string_view text, std::uint32_t line) {
  for (std::uint32_t at = 1; at < line; ++at) {
    const auto end = text.find('\n');
    if (end == std::string_view::npos) return false;
    text.remove_prefix(end + 1);
  }
  const auto first = text.find_first_not_of(' ');
  return first != std::string_view::npos && text[first] == '\t';
}

}  // namespace

std::string join_path(std::string_view parent, std::string_view key) {
  const bool plain = !key.empty() && std::all_of(key.begin(), key.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
  if (!plain) return fmt::format("{}[\"{}\"]", parent, key);
  return parent.empty() ? std::string(key) : fmt::format("{}.{}", parent, key);
}

std::string join_path(std::string_view parent, std::size_t index) {
  return fmt::format("{}[{}]", parent, index);
}

ParsedYaml parse_yaml(std::string_view text, const std::string& file) {
  ParsedYaml parsed;
  const auto fail = [&](Position at, std::string what, std::string expected) {
    parsed.problems.push_back(
        {file, at.line, at.column, {}, std::move(what), std::move(expected), {}});
    parsed.root.reset();
    return std::move(parsed);
  };
  // yaml-cpp takes a NUL for the end of its buffer and would silently ignore what follows.
  if (const auto nul = text.find('\0'); nul != std::string_view::npos) {
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(nul), '\n');
    return fail({static_cast<std::uint32_t>(line), 1}, "the file holds a NUL byte", "UTF-8 text");
  }
  TreeBuilder builder(file, parsed.problems);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(builder)) return fail({}, "the file is empty", "a YAML map");
    parsed.root = builder.take_root();
    TreeBuilder second(file, parsed.problems);
    if (parser.HandleNextDocument(second)) {
      const NodePtr extra = second.take_root();
      return fail(extra ? extra->at : Position{}, "the file holds a second YAML document",
                  "one document");
    }
  } catch (const Stop&) {
    parsed.root.reset();
  } catch (const YAML::Exception& error) {
    const Position at = position(error.mark);
    if (indented_by_tab(text, at.line))
      return fail(at, "the line is indented with a tab", "spaces");
    return fail(at, "not valid YAML: " + error.msg, "valid YAML 1.2");
  } catch (const std::exception& error) {  // yaml-cpp on input that confuses it
    return fail({}, std::string("not valid YAML: ") + error.what(), "valid YAML 1.2");
  }
  return parsed;
}

}  // namespace tollgate::config
