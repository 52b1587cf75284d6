#include "tollgate/domain/policy/secrets.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "domain/policy/chars.hpp"
#include "domain/policy/find_pair.hpp"

namespace tollgate::domain::policy {
namespace {

FindPair* const find_pair = pair_finders().back();

}  // namespace

Secrets::Secrets(std::vector<std::string> values) {
  std::sort(values.begin(), values.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  for (std::string& value : values) {
    if (value.size() < kMinBytes || in(value)) continue;
    Literal literal;
    literal.text = std::move(value);
    const std::string& text = literal.text;
    for (std::size_t i = 1; i < text.size(); ++i)
      if (commonness(text[i]) < commonness(text[literal.first])) literal.first = i;
    literal.second = literal.first == 0 ? 1 : 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
      // Two places of the same byte would tell less than two bytes.
      const auto rank = [&](std::size_t at) {
        return commonness(text[at]) + (text[at] == text[literal.first] ? 100u : 0u);
      };
      if (i != literal.first && rank(i) < rank(literal.second)) literal.second = i;
    }
    literals_.push_back(std::move(literal));
  }
}

std::size_t Secrets::next(const Literal& literal, std::string_view text,
                          std::size_t from) noexcept {
  const std::size_t size = literal.text.size();
  if (text.size() < size || from > text.size() - size) return std::string_view::npos;
  const char* const p = text.data();
  const std::size_t places = text.size() - size + 1;  // where it can begin
  for (std::size_t i = from; i < places; ++i) {
    i += find_pair(p + i + literal.first, p + i + literal.second, places - i,
                   literal.text[literal.first], literal.text[literal.second]);
    if (i < places && std::memcmp(p + i, literal.text.data(), size) == 0) return i;
  }
  return std::string_view::npos;
}

bool Secrets::in(std::string_view text) const noexcept {
  // The shortest stands first: most texts asked about are names that cannot hold it.
  if (literals_.empty() || text.size() < literals_.front().text.size()) return false;
  return std::any_of(literals_.begin(), literals_.end(), [text](const Literal& literal) {
    return next(literal, text, 0) != std::string_view::npos;
  });
}

std::size_t Secrets::redact_to(std::string& out, std::string_view text) const {
  // Each literal's next place is kept, so that one that is nowhere is not searched for again.
  std::vector<std::size_t> places;
  for (const Literal& literal : literals_) places.push_back(next(literal, text, 0));
  std::size_t done = 0, found = 0;
  while (!places.empty()) {
    const auto nearest = std::min_element(places.begin(), places.end());
    const std::size_t begin = *nearest;
    if (begin == std::string_view::npos) break;
    out.append(text.substr(done, begin - done)).append(kInstead);
    done = begin + literals_[static_cast<std::size_t>(nearest - places.begin())].text.size();
    ++found;
    for (std::size_t i = 0; i < places.size(); ++i)
      if (places[i] < done) places[i] = next(literals_[i], text, done);
  }
  out.append(text.substr(done));
  return found;
}

std::size_t Secrets::redact(std::string& text) const {
  if (!in(text)) return 0;
  std::string out;
  out.reserve(text.size() + kInstead.size());
  const std::size_t found = redact_to(out, text);
  text = std::move(out);
  return found;
}

std::size_t Secrets::hold(std::string_view text) const noexcept {
  std::size_t held = text.size();
  for (const Literal& literal : literals_) {
    const std::size_t longest = std::min(text.size(), literal.text.size() - 1);
    std::size_t at = text.size() - longest;
    while (at < held) {
      const void* const hit = std::memchr(text.data() + at, literal.text[0], held - at);
      if (hit == nullptr) break;
      at = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
      if (std::memcmp(text.data() + at, literal.text.data(), text.size() - at) == 0) {
        held = at;
        break;
      }
      ++at;
    }
  }
  return held;
}

SecretTail::Piece SecretTail::feed(const Secrets& secrets, std::string_view piece,
                                   Scratch& scratch) {
  Piece out;
  if (!held_.empty()) {
    scratch.joined.assign(held_).append(piece);
    held_.clear();
    piece = scratch.joined;
  }
  if (secrets.in(piece)) {
    scratch.redacted.clear();
    out.found = secrets.redact_to(scratch.redacted, piece);
    piece = scratch.redacted;
  }
  const std::size_t hold = secrets.hold(piece);
  held_.assign(piece.substr(hold));
  out.text = piece.substr(0, hold);
  return out;
}

std::string SecretTail::finish() {
  return std::exchange(held_, {});
}

}  // namespace tollgate::domain::policy
