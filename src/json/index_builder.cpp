#include "json/index_builder.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <memory>
#include <random>
#include <string>

/// Worth a fifth of the parse: see IndexBuilder::Walk.
#define TG_INLINE [[gnu::always_inline]] inline

namespace tollgate::json {
namespace {

/// What may follow a number or a literal.
constexpr std::array<bool, 256> kEndsToken = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view(",}] \n\r\t")) table[static_cast<unsigned char>(c)] = true;
  return table;
}();

/// An index begins with room for a usual body.
constexpr std::uint32_t kFewestNodes = 64;

constexpr bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The next byte that is no white space, or `end`.
[[gnu::noinline]] const char* behind_space(const char* p, const char* end) noexcept {
  while (p != end && is_space(*p)) ++p;
  return p;
}

[[gnu::cold, gnu::noinline]] std::uint8_t mark_of_escaped(std::string_view key) {
  std::string plain;
  unescape_into(plain, key);
  return mark_of(plain);
}

}  // namespace

// The frames are 56 KB that are written before they are read.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
ParseScratch::ParseScratch() {
  std::random_device device;
  const auto word = [&device] { return std::uint64_t{device()} << 32 | device(); };
  secret = {word(), word()};
}

IndexBuilder::IndexBuilder(Document& document, const ParseLimits& limits, ParseScratch& scratch)
    : document_(document),
      limits_(limits),
      scratch_(scratch),
      text_(document.text_.data()),
      end_(document.text_.data() + document.text_.size()),
      max_nodes_(std::max<std::uint32_t>(limits.max_nodes, 1)),
      max_depth_(std::min(limits.max_depth, ParseScratch::kDepthLimit)),
      nodes_(document.nodes_.get()),
      room_(std::min(document.node_capacity_, max_nodes_)) {}

bool IndexBuilder::fail(const char* message, std::size_t offset, bool is_refusal) {
  fault_ = {message, offset};
  is_refusal_ = is_refusal;
  return false;
}

bool IndexBuilder::over(base::Limit limit, const char* message, const char* at) {
  limit_ = limit;
  return fail(message, offset(at), true);
}

/// For one node more than there is room for.
[[gnu::cold, gnu::noinline]] bool IndexBuilder::make_room(const char* at, std::uint32_t nodes) {
  if (nodes == max_nodes_) return over(base::Limit::json_nodes, "too many values", at);
  const std::uint32_t capacity = std::max(kFewestNodes, std::min(nodes * 2, max_nodes_));
  auto larger = std::make_unique_for_overwrite<Node[]>(capacity);
  std::copy_n(nodes_, nodes, larger.get());
  document_.nodes_ = std::move(larger);
  document_.node_capacity_ = capacity;
  nodes_ = document_.nodes_.get();
  room_ = std::min(capacity, max_nodes_);
  return true;
}

/// Moves to the next byte that is no white space. @return it; NUL at the end of the text.
TG_INLINE char IndexBuilder::skip_space(Walk& walk) const noexcept {
  // Bodies that programs write have none.
  if (walk.at != end_ && static_cast<unsigned char>(*walk.at) > ' ') return *walk.at;
  walk.at = behind_space(walk.at, end_);
  return walk.at == end_ ? '\0' : *walk.at;
}

/// Reads the string whose opening quote is at hand. Most are short: one block of bytes decides.
TG_INLINE bool IndexBuilder::string(Walk& walk, bool& has_escape) {
  const char* const inside = walk.at + 1;
  if (end_ - inside >= kBlockBytes) {
    const StringBlock block = look(inside);
    if (block.stops != 0) {
      const char* const stop = inside + std::countr_zero(block.stops);
      if (*stop == '"') {
        walk.high |= block.high;
        walk.at = stop + 1;
        has_escape = false;
        return true;
      }
    }
  }
  const StringEnd read = read_string(inside, text_, end_, limits_.allow_lone_surrogates);
  if (read.fault != nullptr) return fail(read.fault, offset(read.at));
  walk.high |= read.is_high ? 1u : 0u;
  walk.at = read.at;
  has_escape = read.has_escape;
  return true;
}

/// Reads `"key" :` and moves behind it.
TG_INLINE bool IndexBuilder::key(Walk& walk, Frame& frame, char first) {
  if (first != '"') return fail("a key in quotes", offset(walk.at));
  const char* const begin = walk.at;
  bool has_escape = false;
  if (!string(walk, has_escape)) return false;
  walk.key_begin = offset(begin);
  walk.key_end = offset(walk.at);
  walk.key_has_escape = has_escape;
  const std::string_view raw(begin + 1, static_cast<std::size_t>(walk.at - begin) - 2);
  if (skip_space(walk) != ':') return fail("':' after a key", offset(walk.at));
  ++walk.at;
  const std::uint8_t mark = has_escape ? mark_of_escaped(raw) : mark_of(raw);
  std::uint64_t& seen = frame.seen[mark >> 6];
  const std::uint64_t bit = std::uint64_t{1} << (mark & 63);
  frame.may_repeat |= (seen & bit) != 0;
  seen |= bit;
  return true;
}

TG_INLINE bool IndexBuilder::ends_token(const char* p) const noexcept {
  return p == end_ || kEndsToken[static_cast<unsigned char>(*p)];
}

/// @param rest  the word without its first letter, which stands at `walk`.
TG_INLINE bool IndexBuilder::literal(Walk& walk, Node& node, std::string_view rest, Kind kind) {
  const char* const p = walk.at + 1;
  if (static_cast<std::size_t>(end_ - p) < rest.size() ||
      std::memcmp(p, rest.data(), rest.size()) != 0 || !ends_token(p + rest.size())) {
    return fail("true, false or null", node.begin);
  }
  walk.at = p + rest.size();
  node.kind = kind;
  node.end = offset(walk.at);
  return true;
}

/// Reads a value that is no container into `node`.
TG_INLINE bool IndexBuilder::scalar(Walk& walk, Node& node, char first) {
  switch (first) {
    case '"':
      node.kind = Kind::string;
      if (!string(walk, node.has_escape)) return false;
      node.end = offset(walk.at);
      return true;
    case 't':
      return literal(walk, node, "rue", Kind::boolean);
    case 'f':
      return literal(walk, node, "alse", Kind::boolean);
    case 'n':
      return literal(walk, node, "ull", Kind::null);
    default:
      if (first == '-' || is_digit(first)) {
        walk.at = number(node, walk.at);
        return walk.at != nullptr;
      }
      return fail("a value", node.begin);
  }
}

bool IndexBuilder::run() {
  // One value per step, and what closes behind it. Open brackets are kept on frames, not on the
  // call stack, so that depth costs no recursion; the first frame stands for the text around the
  // value.
  Walk walk;
  walk.at = text_;
  Frame* const around = scratch_.frames.data();
  Frame* frame = around;
  *frame = {};
  const bool skips_numbers = !limits_.keep_array_numbers;
  for (;;) {
    char first = skip_space(walk);
    if (frame->is_object) {
      if (!key(walk, *frame, first)) return false;
      first = skip_space(walk);
    } else {
      walk.key_begin = walk.key_end = 0;
      walk.key_has_escape = false;
    }
    ++frame->count;
    if (skips_numbers && frame != around && !frame->is_object &&
        (first == '-' || is_digit(first))) {
      Node unkept;
      unkept.begin = offset(walk.at);
      walk.at = number(unkept, walk.at);
      if (walk.at == nullptr) return false;
    } else {
      if (walk.nodes == room_ && !make_room(walk.at, walk.nodes)) return false;
      Node& node = nodes_[walk.nodes];
      node.begin = offset(walk.at);
      node.key_begin = walk.key_begin;
      node.key_end = walk.key_end;
      node.count = 0;
      node.has_escape = false;
      node.key_has_escape = walk.key_has_escape;
      if (first == '{' || first == '[') {
        if (frame == around + max_depth_)
          return over(base::Limit::json_depth, "nested too deeply", walk.at);
        const bool is_object = first == '{';
        node.kind = is_object ? Kind::object : Kind::array;
        *++frame = {{}, walk.nodes++, 0, is_object, false};
        ++walk.at;
        if (skip_space(walk) != (is_object ? '}' : ']')) continue;
      } else {
        node.next = ++walk.nodes;
        if (!scalar(walk, node, first)) return false;
      }
    }
    // A value has ended, or an empty container is about to: close what closes here.
    for (;;) {
      const char c = skip_space(walk);
      if (frame == around) return finish(walk.at, walk.nodes, walk.high != 0);
      if (c == ',' && frame->count > 0) {
        ++walk.at;
        break;
      }
      if (c != (frame->is_object ? '}' : ']')) {
        return fail(frame->is_object ? "',' or '}'" : "',' or ']'", offset(walk.at));
      }
      if (frame->may_repeat && !check_duplicates(*frame, walk.nodes)) return false;
      ++walk.at;
      Node& node = nodes_[frame->node];
      node.end = offset(walk.at);
      node.next = walk.nodes;
      node.count = frame->count;
      --frame;
    }
  }
}

/// The value has ended: nothing may follow, and what was taken for UTF-8 must be it. Only strings
/// can have other bytes than ASCII here.
bool IndexBuilder::finish(const char* at, std::uint32_t nodes, bool is_high) {
  if (at != end_) return fail("nothing after the value", offset(at));
  if (is_high && !simdjson::validate_utf8(text_, static_cast<std::size_t>(end_ - text_)))
    return fail("valid UTF-8", first_bad_utf8(document_.text_));
  document_.node_count_ = nodes;
  return true;
}

/// Reads the number at `p`. @return its end; null when it is none.
const char* IndexBuilder::number(Node& node, const char* p) {
  const auto bad = [&]() -> const char* {
    fail("a number", node.begin);
    return nullptr;
  };
  const char* const end = end_;
  const auto digits = [&p, end] {
    const char* const first = p;
    while (p != end && is_digit(*p)) ++p;
    return p != first;
  };
  if (*p == '-') ++p;
  if (p != end && *p == '0') {
    ++p;
  } else if (!digits()) {
    return bad();
  }
  if (p != end && *p == '.') {
    ++p;
    if (!digits()) return bad();
  }
  if (p != end && (*p == 'e' || *p == 'E')) {
    ++p;
    if (p != end && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return bad();
  }
  if (!ends_token(p)) return bad();
  node.kind = Kind::number;
  node.end = offset(p);
  return p;
}

std::uint32_t IndexBuilder::hash_of(const Node& node) const {
  const std::string_view raw(text_ + node.key_begin + 1, node.key_end - node.key_begin - 2);
  if (!node.key_has_escape) return hash_key(raw, scratch_.secret);
  std::string plain;
  unescape_into(plain, raw);
  return hash_key(plain, scratch_.secret);
}

/// For an object that ends before node `end`, and in which two keys have the same mark.
[[gnu::noinline]] bool IndexBuilder::check_duplicates(const Frame& frame, std::uint32_t end) {
  constexpr std::size_t kFew = 24;  // compared pair by pair: at most 276 integer comparisons
  std::vector<ParseScratch::Key>& keys = scratch_.keys;
  keys.clear();
  for (std::uint32_t i = frame.node + 1; i != end; i = nodes_[i].next)
    keys.push_back({hash_of(nodes_[i]), i});
  if (keys.size() > kFew) return check_duplicates_by_table(keys);
  for (std::size_t i = 1; i < keys.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (keys[i].hash == keys[j].hash && same_key(keys[i].node, keys[j].node)) {
        return fail("the same key twice in one object", nodes_[keys[i].node].key_begin, true);
      }
    }
  }
  return true;
}

bool IndexBuilder::check_duplicates_by_table(std::span<const ParseScratch::Key> keys) {
  const std::size_t slots = std::bit_ceil(keys.size() * 2);
  scratch_.table.assign(slots, 0);
  for (std::uint32_t i = 0; i < keys.size(); ++i) {
    std::size_t slot = keys[i].hash & (slots - 1);
    while (scratch_.table[slot] != 0) {
      const ParseScratch::Key& other = keys[scratch_.table[slot] - 1];
      if (other.hash == keys[i].hash && same_key(keys[i].node, other.node)) {
        return fail("the same key twice in one object", nodes_[keys[i].node].key_begin, true);
      }
      slot = (slot + 1) & (slots - 1);
    }
    scratch_.table[slot] = i + 1;
  }
  return true;
}

bool IndexBuilder::same_key(std::uint32_t a, std::uint32_t b) {
  const auto inner = [this](const Node& node) {
    return std::string_view(text_ + node.key_begin + 1, node.key_end - node.key_begin - 2);
  };
  const Node& x = nodes_[a];
  const Node& y = nodes_[b];
  if (!x.key_has_escape && !y.key_has_escape) return inner(x) == inner(y);
  std::string plain_x, plain_y;
  unescape_into(plain_x, inner(x));
  unescape_into(plain_y, inner(y));
  return plain_x == plain_y;
}

}  // namespace tollgate::json
