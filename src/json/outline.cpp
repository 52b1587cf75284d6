#include "tollgate/json/outline.hpp"

#include <algorithm>
#include <cstring>

#include "json/strings.hpp"

namespace tollgate::json {
namespace {

/// The closing quote of the string whose first byte is at `begin`; null when it has none before
/// `end`, is empty, or is not valid.
const char* end_of_string(const char* begin, std::string_view text, bool allow_lone_surrogates,
                          bool& has_escape) noexcept {
  const StringEnd read =
      read_string(begin, text.data(), text.data() + text.size(), allow_lone_surrogates);
  if (read.fault != nullptr) return nullptr;
  const char* const quote = read.at - 1;
  const std::string_view inside(begin, static_cast<std::size_t>(quote - begin));
  if (inside.empty()) return nullptr;
  if (read.is_high && first_bad_utf8(inside) != inside.size()) return nullptr;
  has_escape = read.has_escape;
  return quote;
}

}  // namespace

bool Outline::keep(const Document& document, std::span<const NodeRef> slots) {
  clear();
  const std::uint32_t count = document.node_count();
  if (slots.empty() || slots.size() > kMaxSlots || count > kMaxNodes ||
      document.text().size() > kMaxText)
    return false;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const bool in_order = i == 0 || slots[i].index() > slots[i - 1].index();
    if (!slots[i].is_string() || !in_order) return false;
  }
  for (std::size_t i = 0; i < slots.size(); ++i) {
    const Node& node = document.node(slots[i].index());
    slots_[i] = {node.begin + 1, node.end - 1, slots[i].index(), false};
  }
  text_.assign(document.text());
  nodes_.assign(&document.node(0), &document.node(0) + count);
  moves_.clear();
  const auto ended_before = [&](std::uint32_t offset) {
    return static_cast<std::uint8_t>(
        std::count_if(slots_.begin(), slots_.begin() + static_cast<std::ptrdiff_t>(slots.size()),
                      [offset](const Slot& slot) { return slot.end < offset; }));
  };
  for (std::uint32_t i = 0; i < count; ++i) {
    const Node& node = nodes_[i];
    const std::uint8_t by_begin = ended_before(node.begin), by_end = ended_before(node.end);
    // A key moves as its value's begin does: between them is no other string.
    const std::uint8_t by_key = node.key_begin == node.key_end ? std::uint8_t{0} : by_begin;
    if (by_end != 0) moves_.push_back({i, by_key, by_begin, by_end});
  }
  slot_count_ = slots.size();
  is_kept_ = true;
  return true;
}

bool Outline::varies(NodeRef string) const noexcept {
  const std::uint32_t index = string.index();
  if (index >= nodes_.size()) return false;
  for (std::size_t i = 0; i < slot_count_; ++i)
    if (slots_[i].node == index) return true;
  const Node& kept = nodes_[index];
  return std::string_view(text_).substr(kept.begin, kept.end - kept.begin) != string.raw();
}

bool Outline::fit(Document& document, std::string_view text, bool allow_lone_surrogates) {
  if (!is_kept_ || text.size() > kMaxText || document.node_capacity_ < nodes_.size()) return false;
  const char* p = text.data();
  const char* const end = p + text.size();
  std::uint32_t done = 0;  // of the kept text
  // How far what stands behind each slot has moved, modulo 2^32.
  std::array<std::uint32_t, kMaxSlots + 1> moved{};
  const auto take = [&](std::uint32_t until) {
    const std::size_t size = until - done;
    if (static_cast<std::size_t>(end - p) < size || std::memcmp(p, text_.data() + done, size) != 0)
      return false;
    p += size;
    return true;
  };
  for (std::size_t i = 0; i < slot_count_; ++i) {
    Slot& slot = slots_[i];
    if (!take(slot.begin)) return false;
    p = end_of_string(p, text, allow_lone_surrogates, slot.has_escape);
    if (p == nullptr) return false;
    done = slot.end;
    moved[i + 1] = static_cast<std::uint32_t>(p - text.data()) - slot.end;
  }
  if (!take(static_cast<std::uint32_t>(text_.size())) || p != end) return false;

  if (!document.pinned_.empty()) document.pinned_.clear();
  document.text_ = text;
  document.node_count_ = static_cast<std::uint32_t>(nodes_.size());
  std::copy(nodes_.begin(), nodes_.end(), document.nodes_.get());
  for (const Moves& moves : moves_) {
    Node& node = document.nodes_[moves.node];
    node.key_begin += moved[moves.key];
    node.key_end += moved[moves.key];
    node.begin += moved[moves.begin];
    node.end += moved[moves.end];
  }
  for (std::size_t i = 0; i < slot_count_; ++i)
    document.nodes_[slots_[i].node].has_escape = slots_[i].has_escape;
  return true;
}

}  // namespace tollgate::json
