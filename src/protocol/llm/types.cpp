#include "tollgate/protocol/llm/types.hpp"

namespace tollgate::protocol::llm {

void MediaParts::reset() {
  images = audios = audio_bytes = documents = server_tool_uses = web_searches = encoded_bytes = 0;
  encoded.clear();
}

void GovernedFields::reset() {
  auto kept = std::move(tools);
  auto kept_media = std::move(media);
  kept.clear();
  kept_media.reset();
  *this = GovernedFields{};
  tools = std::move(kept);
  media = std::move(kept_media);
}

// Member by member: it runs for each event, and moving the vectors out and in costs more than this.
void StreamEvent::reset() {
  kind = EventClass::other;
  has_content = is_json = repeats = false;
  pieces.clear();
  ended.clear();
  ends_all = has_usage = false;
  finish_reason = model = {};
}

bool is_said_twice(const std::vector<TextPiece>& pieces, std::size_t piece) noexcept {
  const TextPiece& last = pieces[piece];
  // Names of one thing stand together; an event with thousands of pieces is not read thousands of
  // times.
  constexpr std::size_t kNear = 8;
  for (std::size_t i = piece > kNear ? piece - kNear : 0; i < piece; ++i) {
    const TextPiece& other = pieces[i];
    if (other.channel.index == last.channel.index && !(other.channel == last.channel) &&
        other.node.raw() == last.node.raw())
      return true;
  }
  return false;
}

std::uint64_t token_quarters(std::string_view json) noexcept {
  // In twelfths of a token. Letters and blanks: a quarter, the rule of thumb for English. Digits
  // come in threes at most, signs in twos; of other scripts a letter of two bytes is half a token,
  // one of three a token, and what has four more.
  std::uint64_t twelfths = 0;
  std::size_t digits = 0;  // in this run
  for (std::size_t i = 0; i < json.size(); ++i) {
    const auto c = static_cast<unsigned char>(json[i]);
    if (c >= '0' && c <= '9') {
      if (digits++ % 3 == 0) twelfths += 12;
      continue;
    }
    digits = 0;
    if (c >= 0xF0) {
      twelfths += 24;
    } else if (c >= 0xE0) {
      twelfths += 12;
    } else if (c >= 0xC0) {
      twelfths += 6;
    } else if (c >= 0x80) {
      continue;  // the rest of one
    } else if (c == '\\' && i + 1 < json.size()) {
      const bool is_code = json[i + 1] == 'u';
      twelfths += is_code ? 12u : 6u;
      i += is_code ? 5 : 1;
    } else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') {
      twelfths += 3;
    } else {
      twelfths += c == ' ' ? 3u : 6u;
    }
  }
  return (twelfths + 2) / 3;
}

std::uint64_t token_quarters(const std::vector<TextPiece>& pieces) noexcept {
  std::uint64_t quarters = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i].channel.index == kWholeText || is_said_twice(pieces, i)) continue;
    const std::string_view raw = pieces[i].node.raw();
    quarters += token_quarters(raw.substr(1, raw.size() - 2));
  }
  return quarters;
}

std::string_view to_string(TextRole role) noexcept {
  switch (role) {
    case TextRole::system:
      return "system";
    case TextRole::user:
      return "user";
    case TextRole::assistant:
      return "assistant";
    case TextRole::tool_result:
      return "tool_result";
    case TextRole::tool_arguments:
      return "tool_arguments";
    case TextRole::tool_definition:
      return "tool_definition";
    case TextRole::reasoning:
      return "reasoning";
    case TextRole::refusal:
      return "refusal";
    case TextRole::other:
      return "other";
  }
  return "other";
}

}  // namespace tollgate::protocol::llm
