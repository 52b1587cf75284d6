#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tollgate/domain/policy/rule_set.hpp"
#include "tollgate/domain/policy/scanner.hpp"

namespace tollgate::domain::policy {

/// What became certain with one piece of a stream.
struct StreamVerdict {
  /// Text to send on now, already masked; often shorter than the piece, sometimes empty. Valid
  /// until the next call on the same guard (when rules only flag: as long as the piece itself).
  std::string_view release;
  /// Strongest action of `matches`. `block`: end the stream; nothing of the match was released and
  /// the channel releases nothing more.
  GuardAction action = GuardAction::allow;
  /// Newly certain matches, each reported once, offsets from the channel's first byte (of the
  /// original text). Valid as long as `release`.
  std::span<const Match> matches;
  /// The stream has more channels open than StreamGuard::kMaxChannels: end it. Nothing was
  /// released.
  bool too_many_channels = false;
};

/// How the text of a channel is written.
enum class TextForm : std::uint8_t {
  plain,
  /// Pieces of JSON inside the string (arguments of a tool call): read with its escapes resolved,
  /// given as it is written. Replacements are escaped, and no escape sequence is cut: what comes
  /// out is JSON still. Offsets of matches are those of the text with its escapes resolved.
  json_source,
};

/// Guards text that arrives in pieces: whatever the split, what comes out is what masking the whole
/// text would give.
///
/// Text of different channels (choice index and content kind, folded into a number by the caller)
/// never mixes. Of each channel only the trailing run that can still begin or continue a match is
/// held back: an unfinished word of at most 64 bytes, the digit groups of a possible card number or
/// IBAN, a key or a PEM block until its end, the window of the user's regexes (docs/guardrails.md).
/// There is no timer: finish() gives the rest. A code point is never cut unless the whole input
/// ends inside one.
///
/// Bounds on equality with the whole-text scan: PEM blocks up to 16 KiB, chains of overlapping
/// matches up to 2 KiB, matches of regexes without a largest width up to
/// PolicyOptions::regex_hold_bytes. What is longer is still masked, in more than one part.
/// Place: one per response stream, on the worker of `scanner`. Memory: at most 19 KiB held per
/// channel plus the piece at hand; buffers are reused, channels are forgotten when they finish, and
/// no more than kMaxChannels are open at once. Lifetime: rules and scanner outlive it.
class StreamGuard {
 public:
  /// 128 choices (OpenAI's limit) with text, reasoning and tool calls fit several times.
  static constexpr std::size_t kMaxChannels = 1024;

  StreamGuard(const RuleSet& rules, Direction direction, Scanner& scanner);
  ~StreamGuard();
  StreamGuard(StreamGuard&&) noexcept;
  StreamGuard& operator=(StreamGuard&&) noexcept;

  /// `piece`: plain text (JSON-unescaped), any length. Channels begin with their first piece.
  /// `form` is told with the first piece.
  [[nodiscard]] StreamVerdict feed(std::uint64_t channel, std::string_view piece,
                                   TextForm form = TextForm::plain);
  /// The end of a channel's text: everything held is decided. The channel starts anew afterwards.
  [[nodiscard]] StreamVerdict finish(std::uint64_t channel);

  /// Gives what is held although the text may go on (an upstream need not mean its finish reason).
  /// Should it go on to make a match of what was given, to be masked or blocked, feed() blocks.
  [[nodiscard]] StreamVerdict spill(std::uint64_t channel);

  /// Channels with text held back, in order of their first piece: finish() each at stream end.
  [[nodiscard]] std::vector<std::uint64_t> open_channels() const;
  /// All channels that were begun and not finished.
  [[nodiscard]] std::size_t channel_count() const noexcept { return order_.size(); }
  /// Bytes now held back in a channel.
  [[nodiscard]] std::size_t held(std::uint64_t channel) const noexcept;
  /// Nothing to search for: callers pass text through untouched.
  [[nodiscard]] bool passthrough() const noexcept;

 private:
  struct Channel;
  [[nodiscard]] Channel* find(std::uint64_t key) const noexcept;
  Channel* open(std::uint64_t key, TextForm form);
  void retire(Channel& ch);
  void shrink_bulky();
  bool feed_quiet(Channel& ch, std::string_view piece);
  [[nodiscard]] std::size_t decided_end(const Channel& ch, std::string_view text) const;
  StreamVerdict decide(Channel& ch, std::string_view piece, bool final);
  void settle_observed(Channel& ch, std::span<const Match> settled) const;
  const Match* drop_spilled(const Channel& ch, StreamVerdict& verdict);
  void release_masked(Channel& ch, std::size_t from, std::size_t until);

  const RuleSet* rules_;
  Direction direction_;
  Scanner* scanner_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Channel>> channels_;
  std::vector<Channel*> order_;                   ///< by first piece
  std::vector<std::unique_ptr<Channel>> spares_;  ///< finished ones, for their buffers
  mutable Channel* last_ = nullptr;               ///< most streams have one
  Channel* bulky_ = nullptr;                      ///< its buffers grew with a large piece
  std::vector<Match> matches_;
};

}  // namespace tollgate::domain::policy
