#include "domain/policy/scan_state.hpp"

#include <algorithm>
#include <new>
#include <stdexcept>

#include "domain/policy/literals.hpp"
#include "domain/policy/utf8.hpp"

namespace tollgate::domain::policy {
namespace {

/// A scan error can only be a bug or lack of memory; text must not pass unscanned.
void check(hs_error_t error, const char* what) {
  if (error == HS_SUCCESS) return;
  if (error == HS_NOMEM) throw std::bad_alloc();
  throw std::logic_error(std::string(what) + ": Vectorscan error " + std::to_string(error));
}

}  // namespace

ScanState::ScanState() {
  LiteralSet::instance();  // made when the workers start, not in their first call
}

ScanState::~ScanState() {
  hs_free_scratch(scratch_);
}

void ScanState::alloc_scratch(const hs_database_t* db) {
  check(hs_alloc_scratch(db, &scratch_), "scratch");
}

void ScanState::prepare(const CompiledRules& rules) {
  if (rules.database == nullptr) return;
  if (std::find(prepared_.begin(), prepared_.end(), rules.id) != prepared_.end()) return;
  alloc_scratch(rules.database.get());            // grows only
  if (prepared_.size() >= 64) prepared_.clear();  // reloads leave dead ids behind
  prepared_.push_back(rules.id);
}

/// One collect() call: what the callbacks share.
struct ScanState::Pass {
  ScanState& state;
  const CompiledRules& rules;
  Window& w;

  void hold_from(std::size_t begin) { state.hold = std::min(state.hold, std::max(begin, w.base)); }

  /// Books one detector's answer. @return true when the answer is still open.
  bool book(const Finding& found, std::int32_t rule) {
    const auto index = static_cast<std::uint32_t>(rule);
    if (!w.final && w.hit_end) {
      hold_from(found.begin);
      if (found.certain && rules.actions[index] == GuardAction::block) {
        state.block = Match{std::max(found.begin, w.base), found.end, index};
      }
      return true;
    }
    if (found.end > w.base) {
      state.raw.push_back({std::max(found.begin, w.base), found.end, index});
    }
    return false;
  }

  void email_at(std::int32_t rule, std::size_t at, std::size_t at_bytes) {
    w.hit_end = false;
    book(find_email(w, at, at_bytes), rule);
  }

  /// A run of digits.
  void number(std::size_t start, bool is_long) {
    if (is_long) {
      if (const auto rule = rules.rule_of(Detector::payment_card); rule >= 0) {
        w.hit_end = false;
        book(find_payment_card(w, w.number_begin(start)), rule);
      }
    }
    if (start < w.base + 2 || !is(w.text[start - 1], kAlpha) || !is(w.text[start - 2], kAlpha))
      return;
    if (const auto rule = rules.rule_of(Detector::iban); rule >= 0) {
      w.hit_end = false;
      book(find_iban(w, start - 2), rule);
    }
  }

  /// A byte that may be the last one of a literal's anchor.
  void anchor(const LiteralSet& literals, std::size_t last) {
    for (const LiteralSet::Literal& one : literals.ending_in(w.text[last])) {
      if (last - w.base < one.anchor) continue;  // it begins in what is decided
      const std::size_t begin = last - one.anchor;
      // An at sign alone has been read.
      if (one.text.size() == 1 || w.text.compare(begin, one.text.size(), one.text) == 0)
        literal(one, begin);
    }
  }
  void literal(const LiteralSet::Literal& literal, std::size_t begin) {
    const std::size_t end = begin + literal.text.size();
    w.hit_end = false;
    switch (literal.kind) {
      case LiteralSet::Kind::key:
        if (const auto rule = rules.rule_of(Detector::api_key); rule >= 0) {
          book(find_api_key(w, state.runs_, key_specs()[literal.spec], end), rule);
        }
        break;
      case LiteralSet::Kind::pem:
        if (const auto rule = rules.rule_of(Detector::private_key); rule >= 0) {
          PemReader reader(begin, end);
          if (book(reader.read(w), rule)) state.open_pem = reader;
        }
        break;
      case LiteralSet::Kind::at_sign:
        if (const auto rule = rules.rule_of(Detector::email); rule >= 0)
          email_at(rule, begin, literal.text.size());
        break;
    }
  }

  /// Everything of the built-in detectors.
  void detectors() {
    const LiteralSet& literals = LiteralSet::instance();
    each_candidate(
        w.text, w.base, w.final, literals.tables,
        [this](std::size_t start, bool is_long) { number(start, is_long); },
        [this, &literals](std::size_t last) { anchor(literals, last); });
    if (w.final) return;
    const bool email = rules.rule_of(Detector::email) >= 0;
    if (email) hold_from(email_hold(w.text));
    if (rules.rule_of(Detector::iban) >= 0) hold_from(iban_hold(w.text));
    if (email || rules.rule_of(Detector::api_key) >= 0 || rules.rule_of(Detector::private_key) >= 0)
      hold_from(literals.hold(w.text));
  }

  static int on_pattern(unsigned id, unsigned long long from, unsigned long long to, unsigned,
                        void* context) {
    static_cast<Pass*>(context)->pattern(id, static_cast<std::size_t>(from),
                                         static_cast<std::size_t>(to));
    return 0;
  }
  void pattern(unsigned id, std::size_t from, std::size_t to) {
    const UserPattern& p = rules.patterns[id];
    if (p.bytes != 0) from = to - p.bytes;
    if (p.keyword) {
      const auto is_word = [&](std::size_t i) { return is(w.text[i], kAlnum) || w.text[i] == '_'; };
      if (p.left_word && from > 0 && is_word(from - 1)) return;
      if (p.right_word && to < w.text.size() && is_word(to)) return;
    }
    if (to <= w.base) return;
    if (from < w.base) {
      if (from == 0 && !w.from_start) return;  // `^` at the start of the window, not of the text
      // An observed one may well begin in text that was released: it changes nothing there.
      if (!p.observed) {
        from = w.base;
      } else if (w.observed_until != nullptr && from < (*w.observed_until)[p.rule]) {
        return;
      }
    }
    // Vectorscan reports every end of a match; they grow into one entry.
    std::size_t& last = state.last_of_[id];
    if (last != 0 && from < state.raw[last - 1].end) {
      Match& m = state.raw[last - 1];
      m.begin = std::min(m.begin, from);
      m.end = std::max(m.end, to);
      return;
    }
    state.raw.push_back({from, to, p.rule});
    last = state.raw.size();
  }
};

void ScanState::collect(const CompiledRules& rules, Window& w) {
  raw.clear();
  block.reset();
  open_pem.reset();
  runs_.clear();
  hold = w.text.size();
  if (rules.empty) return;
  Pass pass{*this, rules, w};
  if (rules.has_detectors) pass.detectors();
  if (rules.database != nullptr) {
    prepare(rules);
    const auto size = static_cast<unsigned>(w.text.size());
    last_of_.assign(rules.patterns.size(), 0);
    const std::string_view text = rules.needs_utf8 ? valid_utf8(w.text, utf8_buffer_) : w.text;
    check(hs_scan(rules.database.get(), text.data(), size, 0, scratch_, Pass::on_pattern, &pass),
          "patterns");
    if (!w.final) {
      if (rules.has_keywords) pass.hold_from(rules.keywords.hold(w.text));
      other_hold = hold;
      const std::size_t back = rules.regex_hold == 0 ? 0 : rules.regex_hold + kRegexLookahead;
      pass.hold_from(w.text.size() - std::min(w.text.size(), back));
    }
  }
  if (raw.size() > 1) {
    std::sort(raw.begin(), raw.end(), [](const Match& a, const Match& b) {
      return a.begin != b.begin ? a.begin < b.begin
                                : (a.rule != b.rule ? a.rule < b.rule : a.end < b.end);
    });
  }
}

}  // namespace tollgate::domain::policy
