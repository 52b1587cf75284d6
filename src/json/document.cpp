#include "tollgate/json/document.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "json/index_builder.hpp"
#include "json/strings.hpp"
#include "tollgate/base/same_bytes.hpp"

namespace tollgate::json {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{1} << 30;
constexpr std::size_t kKeptKeys = 16 * 1024;

ParseScratch& scratch() {
  static thread_local ParseScratch value;
  return value;
}

base::Error json_error(const Fault& fault, bool is_refusal) {
  std::string message =
      is_refusal ? "the JSON text is refused at byte " : "not valid JSON at byte ";
  message += std::to_string(fault.offset);
  message += is_refusal ? ": " : ": expected ";
  message += fault.message;
  return base::Error(base::ErrorCode::invalid_json, std::move(message));
}

std::string_view without_quotes(std::string_view raw) {
  return raw.size() < 2 ? std::string_view() : raw.substr(1, raw.size() - 2);
}

bool reads_as(std::string_view escaped, bool has_escape, std::string_view expected) {
  if (!has_escape) return escaped == expected;
  // An escape is 2 to 12 bytes for 1 to 4: most candidates are out by their length.
  if (escaped.size() <= expected.size() || escaped.size() > expected.size() * 6) return false;
  std::string plain;
  unescape_into(plain, escaped);
  return plain == expected;
}

}  // namespace

std::string_view to_string(Kind kind) noexcept {
  switch (kind) {
    case Kind::null:
      return "null";
    case Kind::boolean:
      return "boolean";
    case Kind::number:
      return "number";
    case Kind::string:
      return "string";
    case Kind::array:
      return "array";
    case Kind::object:
      return "object";
  }
  return "unknown";
}

base::Result<void> Document::parse(std::string_view text, const ParseLimits& limits) {
  clear();
  if (text.size() > kMaxTextBytes) return json_error({"text too long", kMaxTextBytes}, true);
  ParseScratch& memory = scratch();
  text_ = text;
  IndexBuilder builder(*this, limits, memory);
  const bool good = builder.run();
  if (memory.keys.capacity() > kKeptKeys) memory.keys = {};
  if (memory.table.capacity() > kKeptKeys) memory.table = {};
  if (good) return {};
  trim();
  return json_error(builder.fault(), builder.is_refusal()).with_limit(builder.limit());
}

void Document::clear() noexcept {
  text_ = {};
  node_count_ = 0;
  pinned_.clear();
}

void Document::trim(std::uint32_t keep_nodes) noexcept {
  clear();
  if (node_capacity_ <= keep_nodes) return;
  nodes_.reset();
  node_capacity_ = 0;
}

void Document::shrink() {
  constexpr std::uint32_t kSmall = 4'096;
  // A copy must be worth it: an index doubles as it grows, so that half of it may be room.
  if (node_capacity_ <= kSmall || node_count_ > node_capacity_ / 4 * 3) return;
  auto smaller = std::make_unique_for_overwrite<Node[]>(node_count_);
  std::copy_n(nodes_.get(), node_count_, smaller.get());
  nodes_ = std::move(smaller);
  node_capacity_ = node_count_;
}

void Document::drop_index() noexcept {
  nodes_.reset();
  node_count_ = node_capacity_ = 0;
}

std::string_view Document::pin(std::string_view escaped) const {
  std::string plain;
  unescape_into(plain, escaped);
  auto& kept = pinned_.emplace_back(std::make_unique_for_overwrite<char[]>(plain.size() + 1));
  std::memcpy(kept.get(), plain.data(), plain.size());
  return {kept.get(), plain.size()};
}

namespace {
/// The length decides nearly always; then the bytes, which read as they stand when none is escaped.
inline bool key_reads_as(const char* text, const Node& node, std::string_view key) noexcept {
  const std::size_t size = node.key_end - node.key_begin;
  if (!node.key_has_escape)
    return size == key.size() + 2 &&
           base::same_bytes(text + node.key_begin + 1, key.data(), key.size());
  return reads_as({text + node.key_begin + 1, size - 2}, true, key);
}
}  // namespace

bool NodeRef::key_is(std::string_view key) const noexcept {
  return document_ != nullptr && key_reads_as(document_->text_.data(), node(), key);
}

std::string_view NodeRef::key() const {
  const std::string_view inner = without_quotes(key_raw());
  return document_ && node().key_has_escape ? document_->pin(inner) : inner;
}

NodeRef NodeRef::find(std::string_view key) const noexcept {
  if (!is_object()) return {};
  const Node* const nodes = document_->nodes_.get();
  const char* const text = document_->text_.data();
  const std::uint32_t end = nodes[index_].next;
  for (std::uint32_t at = index_ + 1; at != end; at = nodes[at].next)
    if (key_reads_as(text, nodes[at], key)) return {document_, at};
  return {};
}

NodeRef NodeRef::at(std::uint32_t position) const noexcept {
  if (!is_array()) return {};
  for (const NodeRef element : children()) {
    if (position-- == 0) return element;
  }
  return {};
}

std::string_view NodeRef::text(std::string& scratch) const {
  if (!is_string()) return {};
  const std::string_view inner = without_quotes(raw());
  if (!node().has_escape) return inner;
  scratch.clear();
  unescape_into(scratch, inner);
  return scratch;
}

std::string_view NodeRef::text() const {
  if (!is_string()) return {};
  const std::string_view inner = without_quotes(raw());
  return node().has_escape ? document_->pin(inner) : inner;
}

bool NodeRef::text_is(std::string_view expected) const noexcept {
  return is_string() && reads_as(without_quotes(raw()), node().has_escape, expected);
}

std::optional<std::int64_t> NodeRef::as_int64() const noexcept {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = raw();
  std::int64_t value = 0;
  // Counts and indexes: with up to 18 digits nothing can overflow.
  if (digits.size() <= 18 && digits.front() != '-') {
    for (const char c : digits) {
      if (c < '0' || c > '9') return std::nullopt;
      value = value * 10 + (c - '0');
    }
    return value;
  }
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<bool> NodeRef::as_bool() const noexcept {
  if (!is(Kind::boolean)) return std::nullopt;
  return raw().front() == 't';
}

std::optional<double> NodeRef::as_double() const noexcept {
  if (!is_number()) return std::nullopt;
  const std::string_view digits = raw();
  double value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace tollgate::json
