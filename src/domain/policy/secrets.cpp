#include "tollgate/domain/policy/secrets.hpp"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "domain/policy/chars.hpp"
#include "domain/policy/find_pair.hpp"
#include "tollgate/domain/policy/json_source.hpp"

namespace tollgate::domain::policy {
namespace {

FindPair* const find_pair = pair_finders().back();

}  // namespace

Secrets::Secrets(std::vector<std::string> values) {
  std::sort(values.begin(), values.end(), [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  values.erase(std::unique(values.begin(), values.end()), values.end());
  std::vector<Literal> holding;
  for (std::string& value : values) {
    if (value.size() < kMinBytes) continue;
    longest_ = std::max(longest_, value.size());
    const bool holds_other = in(value);
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
    if (holds_other) {
      holding.push_back(std::move(literal));
    } else {
      literals_.push_back(std::move(literal));
      plain_ = literals_.size();
    }
  }
  std::move(holding.begin(), holding.end(), std::back_inserter(literals_));
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
  const auto end = literals_.begin() + static_cast<std::ptrdiff_t>(plain_);
  return std::any_of(literals_.begin(), end, [text](const Literal& literal) {
    return next(literal, text, 0) != std::string_view::npos;
  });
}

/// Takes out those that begin before `until`. The first `covered` bytes are part of one that
/// kInstead stands for already. Nothing is appended of what lies behind `until`.
Secrets::Taken Secrets::take_out(std::string& out, std::string_view text, std::size_t covered,
                                 std::size_t until) const {
  // Each literal's next place is kept, so that one that is nowhere is not searched for again.
  std::vector<std::size_t> places;
  places.reserve(literals_.size());
  for (const Literal& literal : literals_) places.push_back(next(literal, text, 0));
  Taken taken{covered, 0};
  while (!places.empty()) {
    const std::size_t begin = *std::min_element(places.begin(), places.end());
    if (begin >= until) break;
    std::size_t end = taken.end;
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] != begin) continue;
      end = std::max(end, begin + literals_[i].text.size());
      places[i] = next(literals_[i], text, begin + 1);
    }
    if (begin >= taken.end) {
      out.append(text.substr(taken.end, begin - taken.end)).append(kInstead);
      ++taken.found;
    }
    taken.end = end;
  }
  if (taken.end < until) out.append(text.substr(taken.end, until - taken.end));
  return taken;
}

std::size_t Secrets::redact_to(std::string& out, std::string_view text) const {
  return take_out(out, text, 0, text.size()).found;
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
  if (!spilled_.empty() && breaks(secrets, piece)) return {{}, 0, true};
  if (!held_.empty()) {
    scratch.joined.assign(held_).append(piece);
    piece = scratch.joined;
  }
  // One that begins before `hold` is whole: else its beginning would be held.
  const std::size_t hold = secrets.hold(piece);
  Piece out{piece.substr(0, hold)};
  if (covered_ != 0 || secrets.in(piece)) {
    scratch.redacted.clear();
    const Secrets::Taken taken = secrets.take_out(scratch.redacted, piece, covered_, hold);
    out = {scratch.redacted, taken.found};
    covered_ = taken.end - std::min(taken.end, hold);
  }
  held_.assign(piece.substr(hold));
  return out;
}

/// Whether a secret that begins in spilled_ ends in `piece`, which goes on behind it.
bool SecretTail::breaks(const Secrets& secrets, std::string_view piece) {
  // Rare: a stream whose text goes on behind its end.
  const std::size_t given = spilled_.size();
  spilled_.append(piece);
  for (const Secrets::Literal& literal : secrets.literals_)
    if (Secrets::next(literal, spilled_, 0) < given) return true;
  const std::size_t hold = secrets.hold(spilled_);
  spilled_.erase(0, hold < given ? hold : spilled_.size());
  return false;
}

SecretTail::Piece SecretTail::spill(const Secrets& secrets, Scratch& scratch) {
  scratch.redacted.clear();
  const Secrets::Taken taken =
      secrets.take_out(scratch.redacted, held_, std::exchange(covered_, 0), held_.size());
  // What breaks() follows already is longer, and ends with what is held.
  if (spilled_.empty()) spilled_ = held_;
  held_.clear();
  return {scratch.redacted, taken.found};
}

struct EscapedSecret::Text {
  JsonSource source;
  std::string resolved;
};

EscapedSecret::EscapedSecret() = default;
EscapedSecret::~EscapedSecret() = default;
EscapedSecret::EscapedSecret(EscapedSecret&&) noexcept = default;
EscapedSecret& EscapedSecret::operator=(EscapedSecret&&) noexcept = default;

bool EscapedSecret::feed(const Secrets& secrets, std::string_view piece) {
  if (!text_) text_ = std::make_unique<Text>();
  auto& [source, resolved] = *text_;
  source.feed(piece, resolved);
  const bool found = source.differs() && secrets.in(resolved);
  // A cut costs a move: not with each piece.
  const std::size_t kept = secrets.longest_;
  if (resolved.size() > 2 * kept + 256) {
    const std::size_t cut = resolved.size() - kept;
    resolved.erase(0, cut);
    source.drop(cut);
  }
  return found;
}

}  // namespace tollgate::domain::policy
