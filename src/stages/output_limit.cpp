#include "stages/output_limit.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace tollgate::stages {
namespace {

constexpr std::int64_t kMostTokens = std::int64_t{1} << 40;

/// Characters of a JSON string, quotes and all, that are not the same as the one before: rulers and
/// white space are tokens of any length. An escape is one character.
/// @param last  the byte before it in the stream; brought up to date
std::int64_t characters(std::string_view raw, char& last) noexcept {
  std::int64_t count = 0;
  for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
    const char c = raw[i];
    if (c == '\\') {
      i += raw[i + 1] == 'u' ? 5u : 1u;
      ++count;
      last = 0;
      continue;
    }
    const bool is_tail = (static_cast<unsigned char>(c) & 0xC0) == 0x80;
    if (!is_tail && c != last) ++count;
    last = c;
  }
  return count;
}

}  // namespace

OutputLimit::OutputLimit(const pipeline::RequestContext& context) {
  const domain::budget::HoldPlan& plan = context.hold_plan;
  if (!context.payload.is_model_call() || plan.output_cap <= 0 ||
      context.config().spending.on_ignored_cap == config::IgnoredCap::pass)
    return;
  const std::int64_t extra = std::max<std::int64_t>(context.bound.extra_output_tokens, 0);
  const std::int64_t choices = std::clamp<std::int64_t>(context.bound.choices, 1, 1'024);
  allowed_ = (std::min(plan.output_cap, kMostTokens) + std::min(extra, kMostTokens)) * choices;
  most_eighths_ = 8 * (allowed_ + allowed_ / 4 + kSlack);
  is_on_ = true;
}

bool OutputLimit::count(const protocol::llm::StreamEvent& said, const protocol::llm::Usage& usage) {
  constexpr std::int64_t kWord = 4;
  bool has_text = false;
  for (std::size_t i = 0; i < said.pieces.size(); ++i) {
    const protocol::llm::TextPiece& piece = said.pieces[i];
    if (piece.channel.index == protocol::llm::kWholeText ||
        protocol::llm::is_said_twice(said.pieces, i))
      continue;
    const std::string_view raw = piece.node.raw();
    const std::int64_t seen = characters(raw, last_);
    has_text = has_text || raw.size() > 2;
    // Text that is cut anywhere, by a host that evens out its stream, has no blanks at its ends but
    // by chance.
    const bool is_word = seen >= kWord && (raw[1] == ' ' || raw[raw.size() - 2] == ' ');
    eighths_ += is_word ? std::max<std::int64_t>(seen, 8) : seen;
  }
  // An event with the end of a choice ends what there is to end. What is run beside the answer has
  // no part in its cap.
  return has_text && said.ended.empty() &&
         (eighths_ > most_eighths_ || usage.output - usage.beside.output > allowed_);
}

void append_end_at_cap(const pipeline::RequestContext& context, std::string_view cut,
                       const std::vector<std::uint32_t>& ended, std::string& out) {
  json::Document document;
  json::ParseLimits limits;
  limits.max_depth = 256;
  limits.allow_lone_surrogates = true;
  json::NodeRef root;
  if (!document.parse(cut, limits).has_error()) root = document.root();
  protocol::llm::CapEnd end;
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(context.payload.fields.choices); ++i)
    if (std::find(ended.begin(), ended.end(), i) == ended.end()) end.choices.push_back(i);
  end.output_tokens = context.hold_plan.output_cap;
  end.request_id = context.request_id;
  context.payload.dialect->append_cap_end(out, root, end);
}

base::Error error_of_ignored_cap(const pipeline::RequestContext& context) {
  return base::Error(base::ErrorCode::budget_exceeded,
                     fmt::format("The provider sent more output than the {} tokens that this call "
                                 "is held for; the rest of it is not relayed.",
                                 context.hold_plan.output_cap));
}

}  // namespace tollgate::stages
