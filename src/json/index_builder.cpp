#include "json/index_builder.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <random>
#include <string>

/// Worth a fifth of the parse: see IndexBuilder::Walk.
#define TG_INLINE [[gnu::always_inline]] inline

namespace tollgate::json {
namespace {

__extension__ typedef unsigned __int128 uint128;

constexpr bool is_space(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::uint64_t load(const char* p, std::size_t bytes) {
  std::uint64_t value = 0;
  std::memcpy(&value, p, bytes);
  return value;
}

std::uint64_t fold(std::uint64_t a, std::uint64_t b) {
  const uint128 product = static_cast<uint128>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// Folded multiplication over 16-byte blocks, the last one overlapping (after wyhash).
std::uint32_t hash_key(std::string_view key, const ParseScratch::HashSecret& with) {
  const char* p = key.data();
  std::size_t left = key.size();
  std::uint64_t state = with.a;
  while (left > 16) {
    state = fold(load(p, 8) ^ with.b, load(p + 8, 8) ^ state);
    p += 16;
    left -= 16;
  }
  std::uint64_t low = 0, high = 0;
  if (left >= 8) {
    low = load(p, 8);
    high = load(p + left - 8, 8);
  } else if (left >= 4) {
    low = load(p, 4) << 32 | load(p + left - 4, 4);
  } else if (left > 0) {
    const auto byte = [p](std::size_t i) {
      return std::uint64_t{static_cast<unsigned char>(p[i])};
    };
    low = byte(0) << 16 | byte(left / 2) << 8 | byte(left - 1);
  }
  const std::uint64_t mixed =
      fold(low ^ with.b, high ^ state ^ (std::uint64_t{key.size()} * 0x9E3779B97F4A7C15ull));
  return static_cast<std::uint32_t>(mixed ^ mixed >> 32);
}

}  // namespace

ParseScratch::ParseScratch() {
  std::random_device device;
  const auto word = [&device] { return std::uint64_t{device()} << 32 | device(); };
  secret = {word(), word()};
}

// frames_ is 40 KB of stack that is written before it is read.
// NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
IndexBuilder::IndexBuilder(Document& document, const ParseLimits& limits, ParseScratch& scratch,
                           std::span<const std::uint32_t> positions)
    : document_(document),
      limits_(limits),
      scratch_(scratch),
      text_(document.text_.data()),
      text_end_(document.text_.data() + document.text_.size()),
      size_(static_cast<std::uint32_t>(document.text_.size())),
      positions_(positions.data()),
      count_(static_cast<std::uint32_t>(positions.size())),
      max_nodes_(std::max<std::uint32_t>(limits.max_nodes, 1)),
      max_depth_(std::min(limits.max_depth, kDepthLimit)) {
  // Every value begins with a token of its own.
  const std::uint32_t wanted = std::min(count_, max_nodes_);
  if (document.node_capacity_ < wanted) {
    const std::uint32_t capacity = std::bit_ceil(std::max<std::uint32_t>(wanted, 64));
    document.nodes_ = std::make_unique_for_overwrite<Node[]>(capacity);
    document.node_capacity_ = capacity;
  }
  nodes_ = document.nodes_.get();
  scratch.keys.clear();
}

bool IndexBuilder::fail(const char* message, std::size_t offset, bool is_refusal) {
  fault_ = {message, offset};
  is_refusal_ = is_refusal;
  return false;
}

bool IndexBuilder::over(base::Limit limit, const char* message, std::size_t offset) {
  limit_ = limit;
  return fail(message, offset, true);
}

TG_INLINE char IndexBuilder::token(const Walk& walk) const noexcept {
  return walk.cursor < count_ ? text_[positions_[walk.cursor]] : '\0';
}

TG_INLINE std::uint32_t IndexBuilder::offset(const Walk& walk) const noexcept {
  return walk.cursor < count_ ? positions_[walk.cursor] : size_;
}

TG_INLINE bool IndexBuilder::string(std::uint32_t cursor, std::uint32_t& end, bool& has_escape) {
  const std::uint32_t begin = positions_[cursor];
  // Between two tokens there is nothing but white space, so that the closing quote is found from
  // behind, without reading the string.
  std::uint32_t last = (cursor + 1 < count_ ? positions_[cursor + 1] : size_) - 1;
  while (is_space(text_[last])) --last;
  if (last == begin || text_[last] != '"') return fail("',' or the end after a string", last);
  end = last + 1;
  if (!may_have_backslash(text_ + begin + 1, text_ + last, text_end_)) {
    has_escape = false;
    return true;
  }
  const Fault fault = check_escapes(text_ + begin + 1, text_ + last, text_end_,
                                    limits_.allow_lone_surrogates, has_escape);
  return fault.message == nullptr || fail(fault.message, begin + 1 + fault.offset);
}

std::uint32_t IndexBuilder::hash_escaped(std::string_view key) const {
  std::string plain;
  unescape_into(plain, key);
  return hash_key(plain, scratch_.secret);
}

/// Reads `"key" :` at the cursor, which then stands at the value.
TG_INLINE bool IndexBuilder::key(Walk& walk, Frame& frame) {
  if (token(walk) != '"') return fail("a key in quotes", offset(walk));
  const std::uint32_t begin = positions_[walk.cursor];
  std::uint32_t end = 0;
  bool has_escape = false;
  if (!string(walk.cursor, end, has_escape)) return false;
  ++walk.cursor;
  if (token(walk) != ':') return fail("':' after a key", offset(walk));
  ++walk.cursor;
  const std::string_view raw(text_ + begin + 1, end - begin - 2);
  const std::uint32_t hash = has_escape ? hash_escaped(raw) : hash_key(raw, scratch_.secret);
  const std::uint64_t bit = std::uint64_t{1} << (hash & 63);
  frame.may_repeat |= (frame.seen & bit) != 0;
  frame.seen |= bit;
  scratch_.keys.push_back({hash, walk.nodes});
  walk.key_begin = begin;
  walk.key_end = end;
  walk.key_has_escape = has_escape;
  return true;
}

/// The cursor stands before a member or element: reads the key, if it has one.
TG_INLINE bool IndexBuilder::next_member(Walk& walk, Frame& frame) {
  if (frame.is_object) return key(walk, frame);
  walk.key_begin = walk.key_end = 0;
  walk.key_has_escape = false;
  return true;
}

TG_INLINE bool IndexBuilder::scalar(Walk& walk, char first) {
  Node& node = nodes_[walk.nodes];
  std::uint32_t end = 0;
  bool has_escape = false;
  if (first == '"') {
    if (!string(walk.cursor, end, has_escape)) return false;
    node.kind = Kind::string;
  }
  node.begin = offset(walk);
  node.end = end;
  node.key_begin = walk.key_begin;
  node.key_end = walk.key_end;
  node.next = ++walk.nodes;
  node.count = 0;
  node.has_escape = has_escape;
  node.key_has_escape = walk.key_has_escape;
  ++walk.cursor;
  switch (first) {
    case '"':
      return true;
    case 't':
      return literal(node, "true", Kind::boolean);
    case 'f':
      return literal(node, "false", Kind::boolean);
    case 'n':
      return literal(node, "null", Kind::null);
    default:
      if (first == '-' || is_digit(first)) return number(node);
      return fail("a value", node.begin);
  }
}

bool IndexBuilder::run() {
  // One token per step: a value, or what follows one. Open brackets are kept on frames_, not on the
  // call stack, so that depth costs no recursion.
  Walk walk;
  std::uint32_t depth = 0;
  const bool skips_numbers = !limits_.keep_array_numbers;
  for (;;) {
    // A value begins at the cursor.
    const char first = token(walk);
    if (first == '{' || first == '[') {
      if (walk.nodes == max_nodes_)
        return over(base::Limit::json_nodes, "too many values", offset(walk));
      if (depth == max_depth_)
        return over(base::Limit::json_depth, "nested too deeply", offset(walk));
      const bool is_object = first == '{';
      nodes_[walk.nodes] = {positions_[walk.cursor],
                            0,
                            walk.key_begin,
                            walk.key_end,
                            0,
                            0,
                            is_object ? Kind::object : Kind::array,
                            false,
                            walk.key_has_escape};
      Frame& frame = frames_[depth++];
      frame = {0,         walk.nodes, 0, static_cast<std::uint32_t>(scratch_.keys.size()),
               is_object, false};
      ++walk.nodes;
      ++walk.cursor;
      if (token(walk) != (is_object ? '}' : ']')) {
        if (!next_member(walk, frame)) return false;
        continue;
      }
    } else if (skips_numbers && depth > 0 && !frames_[depth - 1].is_object &&
               (first == '-' || is_digit(first))) {
      Node unkept;
      unkept.begin = positions_[walk.cursor];
      if (!number(unkept)) return false;
      ++walk.cursor;
      ++frames_[depth - 1].count;
    } else {
      if (walk.nodes == max_nodes_)
        return over(base::Limit::json_nodes, "too many values", offset(walk));
      if (!scalar(walk, first)) return false;
      if (depth > 0) ++frames_[depth - 1].count;
    }
    // A value has ended, or an empty container is about to: close what closes here.
    for (;;) {
      if (depth == 0) {
        if (walk.cursor != count_) return fail("nothing after the value", offset(walk));
        document_.node_count_ = walk.nodes;
        return true;
      }
      Frame& frame = frames_[depth - 1];
      const char c = token(walk);
      if (c == ',' && frame.count > 0) {
        ++walk.cursor;
        if (!next_member(walk, frame)) return false;
        break;
      }
      if (c != (frame.is_object ? '}' : ']')) {
        return fail(frame.is_object ? "',' or '}'" : "',' or ']'", offset(walk));
      }
      if (frame.may_repeat && !check_duplicates(frame)) return false;
      if (frame.is_object) scratch_.keys.resize(frame.first_key);
      Node& node = nodes_[frame.node];
      node.end = positions_[walk.cursor] + 1;
      node.next = walk.nodes;
      node.count = frame.count;
      ++walk.cursor;
      if (--depth > 0) ++frames_[depth - 1].count;
    }
  }
}

bool IndexBuilder::ends_token(const char* p) const noexcept {
  if (p == text_end_) return true;
  const char c = *p;
  return c == ',' || c == '}' || c == ']' || is_space(c);
}

bool IndexBuilder::number(Node& node) {
  const char* p = text_ + node.begin;
  const auto bad = [&] { return fail("a number", node.begin); };
  const auto more = [&] { return p < text_end_; };
  const auto digits = [&] {
    if (!more() || !is_digit(*p)) return false;
    while (more() && is_digit(*p)) ++p;
    return true;
  };
  if (*p == '-') ++p;
  if (more() && *p == '0') {
    ++p;
  } else if (!digits()) {
    return bad();
  }
  if (more() && *p == '.') {
    ++p;
    if (!digits()) return bad();
  }
  if (more() && (*p == 'e' || *p == 'E')) {
    ++p;
    if (more() && (*p == '+' || *p == '-')) ++p;
    if (!digits()) return bad();
  }
  if (!ends_token(p)) return bad();
  node.kind = Kind::number;
  node.end = static_cast<std::uint32_t>(p - text_);
  return true;
}

bool IndexBuilder::literal(Node& node, std::string_view word, Kind kind) {
  const char* p = text_ + node.begin;
  if (static_cast<std::size_t>(text_end_ - p) < word.size() ||
      std::memcmp(p, word.data(), word.size()) != 0 || !ends_token(p + word.size())) {
    return fail("true, false or null", node.begin);
  }
  node.kind = kind;
  node.end = node.begin + static_cast<std::uint32_t>(word.size());
  return true;
}

bool IndexBuilder::check_duplicates(const Frame& frame) {
  constexpr std::size_t kFew = 24;  // compared pair by pair: at most 276 integer comparisons
  const std::span<const ParseScratch::Key> keys(scratch_.keys.data() + frame.first_key,
                                                scratch_.keys.size() - frame.first_key);
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
