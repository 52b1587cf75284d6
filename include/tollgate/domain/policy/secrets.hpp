#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::domain::policy {

/// Literal values that no text may hold: the credentials of one provider or peer.
///
/// Few and long, so each is searched for by itself: two of its bytes at a time, 16 places at once,
/// which costs less than one more automaton (docs/guardrails.md has the figures).
/// Overlaps: values may hold one another or overlap in a text. What any of them covers is taken
/// out, and hits that share bytes are one: the rest of a longer value would tell the most of it.
/// Threads: immutable, any. The values are never printed; kInstead stands for them.
class Secrets {
 public:
  /// Shorter ones are left out: they would mask ordinary words.
  static constexpr std::size_t kMinBytes = 8;
  static constexpr std::string_view kInstead = "[REDACTED:provider_credential]";

  Secrets() = default;
  explicit Secrets(std::vector<std::string> values);

  [[nodiscard]] bool empty() const noexcept { return literals_.empty(); }
  /// Whether any of them stands in `text`.
  [[nodiscard]] bool in(std::string_view text) const noexcept;
  /// Appends `text` with kInstead for each of them. @return how many there were.
  std::size_t redact_to(std::string& out, std::string_view text) const;
  /// The same in place. Does not touch a text without any.
  std::size_t redact(std::string& text) const;
  /// Where the longest proper prefix of one that reaches the end of `text` begins; text.size() when
  /// none does.
  [[nodiscard]] std::size_t hold(std::string_view text) const noexcept;

 private:
  friend class SecretTail;
  friend class EscapedSecret;
  struct Literal {
    std::string text;
    std::size_t first = 0, second = 0;  ///< the places of its two rarest bytes
  };
  struct Taken {
    std::size_t end = 0;    ///< where the last of them ends, covered bytes included
    std::size_t found = 0;  ///< begun here
  };
  static std::size_t next(const Literal& literal, std::string_view text, std::size_t from) noexcept;
  Taken take_out(std::string& out, std::string_view text, std::size_t covered,
                 std::size_t until) const;

  /// Those that hold no other one, shortest first; behind them those that do.
  std::vector<Literal> literals_;
  std::size_t longest_ = 0;
  std::size_t plain_ = 0;  ///< how many hold no other one: where none of them is, none is
};

/// Takes Secrets out of one text that arrives in pieces: holds back what may still become one.
/// Any split gives what the whole text gives.
/// Lifetime: the secrets must outlive it. Memory: less than the longest secret.
class SecretTail {
 public:
  /// Buffers of feed(), shared by the channels of a stream: a piece may be large.
  struct Scratch {
    std::string joined, redacted;
  };
  struct Piece {
    std::string_view text;  ///< to go on with; valid as long as the input and the scratch
    std::size_t found = 0;  ///< secrets taken out of it
    bool broken = false;    ///< it ends a secret whose beginning spill() gave away
  };
  [[nodiscard]] Piece feed(const Secrets& secrets, std::string_view piece, Scratch& scratch);
  /// Gives what was held, without the secrets that were whole in it: the text has ended, or seems
  /// to. Should it go on, feed() tells a secret that began in what was given.
  [[nodiscard]] Piece spill(const Secrets& secrets, Scratch& scratch);
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

 private:
  bool breaks(const Secrets& secrets, std::string_view piece);

  std::string held_;
  std::string spilled_;  ///< the beginning of what may be a secret, given away by spill()
  /// How much of held_ belongs to a secret that kInstead was given for already: it may go on in
  /// another one that overlaps it, and is dropped when it does not.
  std::size_t covered_ = 0;
};

/// Finds Secrets spelled with escapes in JSON source that arrives in pieces (arguments of a tool
/// call), where SecretTail has taken out those that are written plainly. What came before the end
/// of one may be gone: it can be told, not taken out. Memory: a few times the longest secret, plus
/// the piece at hand.
class EscapedSecret {
 public:
  EscapedSecret();
  ~EscapedSecret();
  EscapedSecret(EscapedSecret&&) noexcept;
  EscapedSecret& operator=(EscapedSecret&&) noexcept;

  /// Whether one ends in `piece`.
  [[nodiscard]] bool feed(const Secrets& secrets, std::string_view piece);

 private:
  struct Text;
  std::unique_ptr<Text> text_;  ///< none before the first piece
};

}  // namespace tollgate::domain::policy
