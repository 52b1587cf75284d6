#include "stages/stream_policy.hpp"

#include <algorithm>

#include "stages/guard_verdicts.hpp"
#include "tollgate/json/text_ref.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/protocol/sse/writer.hpp"

namespace tollgate::stages {

using base::Error;
using base::ErrorCode;
using config::GuardAction;
using domain::policy::Direction;
using domain::policy::RuleSet;
using domain::policy::StreamVerdict;
using domain::policy::TextForm;
using pipeline::RequestContext;
using pipeline::StreamEvent;
using protocol::llm::ChannelKind;
using protocol::llm::TextPiece;

namespace {

constexpr std::size_t kKnownTexts = 12;
constexpr std::size_t kKnownBytes = 160;

Error too_much() {
  return Error(ErrorCode::stream_limit,
               "the upstream's stream has more texts open at once than "
               "the guardrails follow")
      .with_side(base::Side::upstream);
}

}  // namespace

StreamPolicy::StreamPolicy(const RuleSet& rules, const domain::policy::Secrets* secrets,
                           domain::policy::Scanner& scanner, TextScan& scan)
    : rules_(rules), secrets_(secrets), scan_(scan), guard_(rules, Direction::response, scanner) {}

void StreamPolicy::on_event(RequestContext& context, StreamEvent& event) {
  ++event_number_;
  whole_changed_ = false;
  holding_.clear();
  check_lines(context, event);
  // It has no texts of its own, and does not stand between an event and one that repeats it.
  if (event.event->is_keep_alive) return;
  if (has_secrets() && event.has_document &&
      (event.has_credential || event.document.text().find('\\') != std::string_view::npos)) {
    replace_around(context, event);
    if (event.end_with) return;
  }
  // What the event before had too, and was clean there, needs no second look.
  const bool is_known_clean = event.llm.repeats && wholes_clean_;
  wholes_clean_ = true;
  for (const TextPiece& piece : event.llm.pieces) {
    if (event.end_with) return;
    if (piece.channel.index == protocol::llm::kWholeText) {
      if (!is_known_clean || piece.is_free) check_whole(context, event, piece);
    } else {
      guard_piece(context, event, piece);
    }
  }
  if (event.end_with) return;
  keep_template(event);
  // Counts may come on the way, and do not end a text that no choice has ended.
  if (event.llm.ends_all && event.llm.kind != protocol::llm::EventClass::usage_only) {
    spill_all(context, event);
  } else if (!event.llm.ended.empty()) {
    spill_ended(context, event);
  }
  // Shadow text is never a free piece: an event like one without any has none.
  if (event.llm.repeats && !has_shadow_) return;
  has_shadow_ = event.has_document && !event.llm.pieces.empty() &&
                !rules_.empty(Direction::response) &&
                context.payload.dialect->blank_shadow_text(event.document, event.edits);
}

void StreamPolicy::on_stream_end(RequestContext& context, StreamEvent& event) {
  ++event_number_;
  spill_all(context, event);
}

// ---- texts that are complete in their event ----

/// Credentials in whatever is no piece of a text that goes on: keys and what no guardrail reads
/// too.
void StreamPolicy::replace_around(RequestContext& context, StreamEvent& event) {
  const Spelled spelled = event.has_credential ? Spelled::anyhow : Spelled::with_escapes;
  if (find_credentials(context, event.document, spelled, nullptr, &event.llm).any)
    replace_found(context, event, spelled);
}

[[gnu::cold, gnu::noinline]] void StreamPolicy::replace_found(RequestContext& context,
                                                              StreamEvent& event, Spelled spelled) {
  whole_changed_ = true;
  // First, since it could not be emptied any more with edits inside it.
  if (!rules_.empty(Direction::response))
    context.payload.dialect->blank_shadow_text(event.document, event.edits);
  const InTexts found =
      find_credentials(context, event.document, spelled, &event.edits, &event.llm);
  if (!found.in_keys) return;
  json_ = event.edits.str();
  if (scratch_.parse(json_, answer_limits()).has_error())
    event.end_with = Error(ErrorCode::upstream_invalid,
                           "an event of the upstream's stream holds credentials as keys")
                         .with_side(base::Side::upstream);
}

void StreamPolicy::check_lines(RequestContext& context, StreamEvent& event) {
  const GuardAction action = scan_.scan_lines(context, Direction::response, *event.event);
  if (action != GuardAction::allow)
    event.end_with = guardrail_refusal(rules_, scan_.matches(), Direction::response);
}

/// Arguments are JSON when they begin as such; those of custom tools are anything. The same is
/// asked of a text that is whole.
TextForm StreamPolicy::form_of(Held& held, std::string_view piece) noexcept {
  if (!held.form_known) {
    const std::size_t first = piece.find_first_not_of(" \t\r\n");
    held.form_known = first != std::string_view::npos;
    if (held.form_known && held.channel.kind == ChannelKind::tool_arguments &&
        (piece[first] == '"' || is_json_source(piece.substr(first))))
      held.form = TextForm::json_source;
  }
  return held.form;
}

bool StreamPolicy::is_known(std::string_view raw) const noexcept {
  return std::any_of(known_.begin(), known_.end(),
                     [raw](const std::string& known) { return known == raw; });
}

void StreamPolicy::remember(std::string_view raw) {
  if (raw.size() > kKnownBytes) return;
  if (known_.size() < kKnownTexts) {
    known_.emplace_back(raw);
    return;
  }
  known_[next_known_].assign(raw);
  next_known_ = (next_known_ + 1) % kKnownTexts;
}

void StreamPolicy::check_whole(RequestContext& context, StreamEvent& event,
                               const TextPiece& piece) {
  const json::TextRef ref{piece.node, piece.is_key};
  const std::string_view raw = piece.is_key ? piece.node.key_raw() : piece.node.raw();
  // In an event like the one before it, a text that is looked at is one that differs.
  const bool is_new = event.llm.repeats && piece.is_free;
  if (!is_new && is_known(raw)) return;
  std::string_view text = ref.text(text_);
  bool changed = false;
  if (has_secrets() && (event.has_credential || raw.find('\\') != std::string_view::npos) &&
      may_hold(*secrets_, text)) {
    std::string clean(text);
    if (const std::size_t found = redact_text(*secrets_, clean); found != 0) {
      note_credentials(context, found);
      text_ = std::move(clean);
      text = text_;
      changed = true;
    }
  }
  const GuardAction action = scan_.scan(context, Direction::response, text);
  if (action != GuardAction::allow || changed) wholes_clean_ = false;
  if (action == GuardAction::block ||
      (action == GuardAction::mask && (piece.read_only || piece.is_key))) {
    event.end_with = guardrail_refusal(rules_, scan_.matches(), Direction::response);
    return;
  }
  if (action != GuardAction::mask && !changed) {
    if (action == GuardAction::allow && !is_new) remember(raw);
    return;
  }
  if (piece.is_key) return;  // without the credential, see replace_found
  json_.clear();
  json::quote_into(json_, action == GuardAction::mask ? std::string_view(scan_.masked()) : text);
  whole_changed_ = true;
  if (!event.edits.replace(ref.begin_offset(), ref.end_offset(), json_))
    event.end_with = guardrail_refusal(rules_, scan_.matches(), Direction::response);
}

// ---- texts that go on ----

/// Null when there are too many.
StreamPolicy::Held* StreamPolicy::open(const TextPiece& piece) {
  if (last_ != nullptr && last_->channel == piece.channel) return last_;
  const std::uint64_t key = piece.channel.key();
  const auto known = channels_.find(key);
  if (known != channels_.end()) return last_ = known->second.get();
  if (order_.size() >= kMaxChannels && !forget_over()) return nullptr;
  auto made = std::make_unique<Held>();
  made->channel = piece.channel;
  made->read_only = piece.read_only;
  last_ = made.get();
  order_.push_back(last_);
  channels_.emplace(key, std::move(made));
  return last_;
}

/// Makes room for another channel: the oldest whose end was told is taken at its word.
bool StreamPolicy::forget_over() {
  const auto oldest =
      std::find_if(order_.begin(), order_.end(), [](const Held* held) { return held->is_over; });
  if (oldest == order_.end()) return false;
  const std::uint64_t key = (*oldest)->channel.key();
  static_cast<void>(guard_.finish(key));  // all of it was given
  if (last_ == *oldest) last_ = nullptr;
  order_.erase(oldest);
  channels_.erase(key);
  return true;
}

void StreamPolicy::drop_template(Held& held) {
  if (held.slot == kNone) return;
  if (--templates_[held.slot].users == 0) free_templates_.push_back(held.slot);
  held.slot = kNone;
}

void StreamPolicy::guard_piece(RequestContext& context, StreamEvent& event,
                               const TextPiece& piece) {
  Held* const opened = open(piece);
  if (opened == nullptr) {
    event.end_with = too_much();
    return;
  }
  Held& held = *opened;
  // Another text, or more of the same: JSON stays JSON, whatever it goes on with.
  if (held.is_over && held.form == TextForm::plain) held.form_known = false;
  held.is_over = false;
  const std::uint64_t key = piece.channel.key();
  const std::string_view text = piece.node.text(text_);
  domain::policy::SecretTail::Piece clean{text};
  if (has_secrets()) {
    clean = held.tail.feed(*secrets_, text, tail_scratch_);
    if (clean.found != 0) note_credentials(context, clean.found);
    if (clean.broken || (piece.channel.kind == ChannelKind::tool_arguments &&
                         held.escaped.feed(*secrets_, clean.text))) {
      event.end_with = hidden_credential();
      return;
    }
  }
  const StreamVerdict verdict = guard_.feed(key, clean.text, form_of(held, clean.text));
  if (!verdict.matches.empty()) note_matches(context, Direction::response, verdict.matches);
  if (verdict.too_many_channels) {
    event.end_with = too_much();
    return;
  }
  // Thinking must stay byte for byte, its signature covers it: it may wait, but not be changed. A
  // credential never passes, whatever that breaks.
  if (verdict.action == GuardAction::block ||
      (held.read_only && verdict.action == GuardAction::mask)) {
    event.end_with = guardrail_refusal(rules_, verdict.matches, Direction::response);
    return;
  }
  if (verdict.release != text) {
    json_.clear();
    json::quote_into(json_, verdict.release);
    event.edits.replace(piece.node, json_);
  }
  if (guard_.held(key) + held.tail.held() == 0) {
    drop_template(held);
    held.event = 0;
    return;
  }
  held.event = event_number_;
  held.node = piece.node;
  held.released.assign(verdict.release);
  holding_.push_back(&held);
}

/// Keeps the event for the channels that hold text of it: one copy, whole texts masked in it.
void StreamPolicy::keep_template(const StreamEvent& event) {
  std::uint32_t slot = kNone;
  for (Held* const held : holding_) {
    if (held->event != event_number_)
      continue;  // another piece of it, later in the event, freed it
    drop_template(*held);
    if (slot == kNone) {
      if (free_templates_.empty()) {
        slot = static_cast<std::uint32_t>(templates_.size());
        templates_.emplace_back();
      } else {
        slot = free_templates_.back();
        free_templates_.pop_back();
      }
      std::string& raw = templates_[slot].raw;
      raw.clear();
      if (!whole_changed_ && event.event->raw.size() <= kMaxTemplate) {
        raw = event.event->raw;
      } else {
        // Long pieces shortened; `-` and not nothing, so that they are found again.
        json::Splicer stub = event.edits;
        for (const TextPiece& piece : event.llm.pieces)
          if (piece.channel.index != protocol::llm::kWholeText) stub.replace(piece.node, "\"-\"");
        if (stub.size() <= kMaxTemplate)
          protocol::sse::append_with_data(raw, *event.event, stub.str());
        if (raw.size() > kMaxTemplate) raw.clear();
      }
      if (raw.capacity() > 2 * kMaxTemplate) raw.shrink_to_fit();
    }
    held->slot = slot;
    ++templates_[slot].users;
  }
}

// ---- what was held ----

/// The end of a text, or what the upstream says is one.
void StreamPolicy::spill(RequestContext& context, StreamEvent& event, Held& held) {
  held.is_over = true;
  const std::uint64_t key = held.channel.key();
  text_.clear();
  const auto take = [&](const StreamVerdict& verdict) {
    if (!verdict.matches.empty()) note_matches(context, Direction::response, verdict.matches);
    if (verdict.action == GuardAction::block ||
        (held.read_only && verdict.action == GuardAction::mask))
      event.end_with = guardrail_refusal(rules_, verdict.matches, Direction::response);
    text_ += verdict.release;
  };
  if (held.tail.held() != 0) {
    const auto rest = held.tail.spill(*secrets_, tail_scratch_);
    note_credentials(context, rest.found);
    take(guard_.feed(key, rest.text, form_of(held, rest.text)));
    if (event.end_with) return;
  }
  take(guard_.spill(key));
  if (event.end_with) return;
  emit(context, event, held);
  drop_template(held);
}

/// Sends what was held of a channel, in text_.
void StreamPolicy::emit(RequestContext& context, StreamEvent& event, Held& held) {
  if (text_.empty()) return;
  if (held.event == event_number_) {
    // This event carries a piece of the channel: the rest belongs behind it.
    held.released += text_;
    json_.clear();
    json::quote_into(json_, held.released);
    event.edits.replace(held.node, json_);
    return;
  }
  const std::size_t before = event.before.size();
  const std::string_view like =
      held.slot == kNone ? std::string_view{} : std::string_view(templates_[held.slot].raw);
  context.payload.dialect->append_delta_like(event.before, like, held.channel, text_, scratch_);
  if (event.before.size() == before) event.end_with = too_much();  // nothing to make it like
}

void StreamPolicy::spill_ended(RequestContext& context, StreamEvent& event) {
  ended_ = event.llm.ended;
  std::sort(ended_.begin(), ended_.end());
  for (Held* const held : order_) {
    if (held->is_over || !std::binary_search(ended_.begin(), ended_.end(), held->channel.index))
      continue;
    spill(context, event, *held);
    if (event.end_with) return;
  }
}

void StreamPolicy::spill_all(RequestContext& context, StreamEvent& event) {
  for (Held* const held : order_) {
    if (held->is_over) continue;
    spill(context, event, *held);
    if (event.end_with) return;
  }
}

}  // namespace tollgate::stages
