#include "tollgate/domain/policy/stream_guard.hpp"

#include <algorithm>
#include <optional>
#include <string>

#include "domain/policy/scan_state.hpp"
#include "domain/policy/stream_guard_channel.hpp"
#include "domain/policy/utf8.hpp"
#include "tollgate/json/writer.hpp"

namespace tollgate::domain::policy {
namespace {

/// Overlapping findings are held together up to this many bytes; a longer chain ("a@b.ca@b.ca@...")
/// is cut, so that hostile text cannot make every piece pay for a scan of a long window.
constexpr std::size_t kMaxGroup = 2 * 1024;
/// The same for a group with a PEM block in it.
constexpr std::size_t kMaxPemGroup = kPemBytes + kMaxGroup;
/// Runs of letters shorter than this cannot be a key made of letters alone (the shortest spec takes
/// 4 + 16), so the fast path need not look inside.
constexpr std::size_t kMaxQuietWord = 20;
/// What a channel's buffers may keep between two pieces: a hostile stream could make each of many
/// channels grow to the size of an event.
constexpr std::size_t kKeptBytes = 64 * 1024;

std::size_t context_bytes(const CompiledRules& compiled) noexcept {
  const std::size_t observed =
      compiled.observed_bytes == 0 ? 0 : compiled.observed_bytes + kRegexLookahead;
  return std::max(kContextBytes, observed);
}

}  // namespace

void StreamGuard::shrink_bulky() {
  if (bulky_ == nullptr) return;
  bulky_->trim(context_bytes(rules_->compiled(direction_)), 0);
  bulky_->text.shrink_to_fit();
  bulky_->source.shrink_to_fit();
  bulky_->masked = {};
  bulky_ = nullptr;
}

/// Plain prose without a candidate: decides by one table lookup per byte that only the last word
/// stays. Anything it is not sure of goes the long way.
bool StreamGuard::feed_quiet(Channel& ch, std::string_view piece) {
  if (!ch.quiet || piece.empty()) return false;
  if (ch.form == TextForm::json_source &&
      (ch.source.differs() || piece.find('\\') != std::string_view::npos))
    return false;
  std::size_t run = ch.text.size() - ch.base;
  const std::size_t n = piece.size();
  for (std::size_t i = 0; i < n; ++i) {
    const char c = piece[i];
    if (is(c, kQuietLetter)) {
      if (++run >= kMaxQuietWord) return false;
    } else if (is(c, kQuietBreak)) {
      run = 0;
    } else if (c == '.' && i + 1 < n && (piece[i + 1] == ' ' || piece[i + 1] == '\n')) {
      run = 0;  // the end of a sentence
    } else {
      return false;
    }
  }
  if (static_cast<unsigned char>(piece.back()) >= 0x80) {
    // A code point may be cut here, or be a zero-width one (E2 80.., E2 81.., EF BB..) that an at
    // sign follows.
    if (whole_code_points(piece) != n) return false;
    const auto rare = [](char a, char b) {
      return (a == '\xE2' && (b == '\x80' || b == '\x81')) || (a == '\xEF' && b == '\xBB');
    };
    if (n >= 3 && rare(piece[n - 3], piece[n - 2])) return false;
  }
  ch.text.append(piece);
  ch.base = ch.text.size() - run;
  return true;
}

StreamVerdict StreamGuard::feed(std::uint64_t key, std::string_view piece, TextForm form) {
  const CompiledRules& compiled = rules_->compiled(direction_);
  StreamVerdict verdict;
  if (compiled.empty) {
    verdict.release = piece;
    return verdict;
  }
  shrink_bulky();
  Channel* const opened = open(key, form);
  if (opened == nullptr) {
    verdict.too_many_channels = true;
    return verdict;
  }
  Channel& ch = *opened;
  if (ch.blocked) {
    verdict.action = GuardAction::block;
    return verdict;
  }
  ch.trim(context_bytes(compiled), 64);
  if (compiled.database == nullptr) {
    const std::size_t before = ch.base;
    if (feed_quiet(ch, piece)) {
      verdict.release =
          compiled.rewrites ? std::string_view(ch.text).substr(before, ch.base - before) : piece;
      return verdict;
    }
  }
  if (ch.form == TextForm::json_source) {
    ch.source.feed(piece, ch.text);
  } else {
    ch.text.append(piece);
  }
  verdict = decide(ch, piece, false);
  if (ch.text.capacity() > kKeptBytes || ch.masked.capacity() > kKeptBytes ||
      ch.source.capacity() > kKeptBytes)
    bulky_ = &ch;
  return verdict;
}

StreamVerdict StreamGuard::finish(std::uint64_t key) {
  StreamVerdict verdict;
  Channel* const known = find(key);
  if (known == nullptr) return verdict;
  shrink_bulky();
  Channel& ch = *known;
  if (ch.blocked) {
    verdict.action = GuardAction::block;
  } else {
    ch.source.finish(ch.text);
    if (ch.base < ch.text.size()) verdict = decide(ch, {}, true);
  }
  retire(ch);
  return verdict;
}

StreamVerdict StreamGuard::spill(std::uint64_t key) {
  StreamVerdict verdict;
  Channel* const known = find(key);
  if (known == nullptr) return verdict;
  shrink_bulky();
  Channel& ch = *known;
  if (ch.blocked) {
    verdict.action = GuardAction::block;
    return verdict;
  }
  ch.source.finish(ch.text);
  if (ch.held_from() >= ch.text.size()) return verdict;
  const std::size_t base = ch.base;
  verdict = decide(ch, {}, true);
  ch.spilled = ch.text.size();
  ch.base = base;  // to be read again with what may follow
  ch.quiet = false;
  return verdict;
}

/// Where the decided text ends: never inside a group of overlapping findings, else the rest of the
/// group would get a verdict, and a replacement, of its own.
std::size_t StreamGuard::decided_end(const Channel& ch, std::string_view text) const {
  const CompiledRules& compiled = rules_->compiled(direction_);
  const ScanState& state = scanner_->state();
  const std::size_t decided = std::max(ch.base, code_point_start(text, state.hold));
  std::size_t begin = 0, end = 0;  // of the group
  bool unbounded = false;          // a regex without a largest width is in it
  bool pem = false;
  for (const Match& m : state.raw) {
    if (m.begin >= decided && m.begin >= end) break;
    if (compiled.origins[m.rule] == CompiledRules::Origin::observed_pattern) continue;
    if (m.begin >= end) {
      begin = m.begin;
      unbounded = pem = false;
    }
    end = std::max(end, m.end);
    pem = pem || static_cast<std::int32_t>(m.rule) == compiled.rule_of(Detector::private_key);
    unbounded = unbounded || compiled.origins[m.rule] == CompiledRules::Origin::unbounded_pattern;
  }
  if (begin >= decided || decided >= end) return decided;
  if (unbounded && end - begin > compiled.regex_hold) {
    // `key.*` would hold for ever: past its window it is cut, where nothing else is open.
    const std::size_t cut =
        std::min(end, std::max(ch.base, code_point_start(text, state.other_hold)));
    const bool safe = std::none_of(state.raw.begin(), state.raw.end(), [&](const Match& m) {
      return m.begin < cut && cut < m.end &&
             compiled.origins[m.rule] != CompiledRules::Origin::unbounded_pattern &&
             compiled.origins[m.rule] != CompiledRules::Origin::observed_pattern;
    });
    if (safe && cut > begin) return cut;
  }
  return text.size() - begin > (pem ? kMaxPemGroup : kMaxGroup) ? end : begin;
}

StreamVerdict StreamGuard::decide(Channel& ch, std::string_view piece, bool final) {
  const CompiledRules& compiled = rules_->compiled(direction_);
  ScanState& state = scanner_->state();
  StreamVerdict verdict;
  matches_.clear();
  if (!compiled.rewrites) verdict.release = piece;  // observed only
  const auto blocked_by = [&](Match m) {
    m.begin += ch.dropped;
    m.end += ch.dropped;
    matches_.assign(1, m);
    ch.blocked = true;
    verdict.release = {};
    verdict.action = GuardAction::block;
    verdict.matches = matches_;
    return verdict;
  };

  Window w;
  w.text = std::string_view(ch.text);
  if (!final) w.text = w.text.substr(0, whole_code_points(w.text));
  w.base = ch.base;
  w.final = final;
  w.from_start = ch.dropped == 0;
  if (!ch.observed_until.empty()) w.observed_until = &ch.observed_until;

  if (ch.pem && !final) {
    // Inside a PEM block: read on where the reader stopped; all else waits for its end.
    const Finding found = ch.pem->read(w);
    if (w.hit_end) {
      const auto rule = static_cast<std::uint32_t>(compiled.rule_of(Detector::private_key));
      if (found.certain && compiled.actions[rule] == GuardAction::block) {
        return blocked_by({std::max(found.begin, ch.base), found.end, rule});
      }
      return verdict;
    }
    w.hit_end = false;
  }
  state.collect(compiled, w);
  ch.pem = final ? std::nullopt : state.open_pem;

  const std::size_t size = w.text.size();
  const std::size_t decided = final ? size : decided_end(ch, w.text);
  if (!final) {
    if (state.block) return blocked_by(*state.block);
    for (const Match& m : state.raw) {
      if (compiled.actions[m.rule] == GuardAction::block &&
          (m.begin < decided || m.end + kRegexLookahead < size ||
           compiled.origins[m.rule] == CompiledRules::Origin::detector)) {
        return blocked_by(m);
      }
    }
  }

  const auto settled_end = std::partition_point(state.raw.begin(), state.raw.end(),
                                                [&](const Match& m) { return m.begin < decided; });
  const std::span<const Match> settled(state.raw.begin(), settled_end);
  if (!ch.observed_until.empty()) settle_observed(ch, settled);
  for (auto m = state.raw.begin(); m != settled_end; ++m) {
    if (compiled.origins[m->rule] != CompiledRules::Origin::observed_pattern)
      m->end = std::min(m->end, decided);
  }
  verdict.action = state.resolver.resolve(settled, compiled.actions, matches_);
  if (verdict.action == GuardAction::block) {
    for (const Match& m : matches_) {
      if (compiled.actions[m.rule] == GuardAction::block) return blocked_by(m);
    }
  }
  if (ch.spilled > ch.base) {
    const Match* const broken = drop_spilled(ch, verdict);
    if (broken != nullptr) return blocked_by(*broken);
  }
  if (compiled.rewrites) {
    const std::size_t from = std::min(ch.held_from(), decided);
    if (verdict.action < GuardAction::mask) {
      const std::size_t begin = ch.out_begin(from);
      verdict.release = ch.out().substr(begin, ch.out_begin(decided) - begin);
    } else {
      release_masked(ch, from, decided);
      verdict.release = ch.masked;
    }
  }
  for (Match& m : matches_) {
    m.begin += ch.dropped;
    m.end += ch.dropped;
  }
  verdict.matches = matches_;
  ch.base = decided;
  const std::string_view rest = std::string_view(ch.text).substr(ch.base);
  ch.quiet = ch.spilled <= ch.base && rest.size() < kMaxQuietWord &&
             std::all_of(rest.begin(), rest.end(), [](char c) { return is(c, kQuietLetter); });
  return verdict;
}

void StreamGuard::settle_observed(Channel& ch, std::span<const Match> settled) const {
  const CompiledRules& compiled = rules_->compiled(direction_);
  for (const Match& m : settled) {
    if (compiled.origins[m.rule] == CompiledRules::Origin::observed_pattern)
      ch.observed_until[m.rule] = std::max(ch.observed_until[m.rule], m.end);
  }
}

/// Takes out of matches_ what lies in text that spill() gave away: it was told then. @return the
/// match that begins there and goes on behind it, if it had to be hidden.
const Match* StreamGuard::drop_spilled(const Channel& ch, StreamVerdict& verdict) {
  std::erase_if(matches_, [&](const Match& m) { return m.end <= ch.spilled; });
  verdict.action = GuardAction::allow;
  for (const Match& m : matches_) {
    const GuardAction action = rules_->rule(m).action;
    if (m.begin < ch.spilled && hides(action)) return &m;
    verdict.action = std::max(verdict.action, action);
  }
  return nullptr;
}

/// Writes what stands from `from` to `until`, with matches_ replaced.
void StreamGuard::release_masked(Channel& ch, std::size_t from, std::size_t until) {
  ch.masked.clear();
  const std::string_view out = ch.out();
  std::size_t done = ch.out_begin(from);
  for (const Match& m : matches_) {
    const Rule& rule = rules_->rule(m);
    if (!hides(rule.action)) continue;
    const std::size_t begin = std::max(done, ch.out_begin(m.begin));
    ch.masked.append(out.substr(done, begin - done));
    if (ch.form == TextForm::json_source) {
      json::escape_into(ch.masked, rule.replacement);
    } else {
      ch.masked.append(rule.replacement);
    }
    done = std::max(begin, ch.out_end(m.end));
  }
  const std::size_t end = std::max(done, ch.out_begin(until));
  ch.masked.append(out.substr(done, end - done));
}

}  // namespace tollgate::domain::policy
