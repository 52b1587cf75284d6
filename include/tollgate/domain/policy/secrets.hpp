#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace tollgate::domain::policy {

/// Literal values that no text may hold: the credentials of one provider or peer.
///
/// Few and long, so each is searched for by itself: two of its bytes at a time, 16 places at once,
/// which costs less than one more automaton (docs/guardrails.md has the figures).
/// Threads: immutable, any. The values are never printed; kInstead stands for them.
class Secrets {
 public:
  /// Shorter ones are left out: they would mask ordinary words.
  static constexpr std::size_t kMinBytes = 8;
  static constexpr std::string_view kInstead = "[REDACTED:provider_credential]";

  Secrets() = default;
  /// A value that holds another one (a scheme word and the token behind it) is found by the other.
  explicit Secrets(std::vector<std::string> values);

  [[nodiscard]] bool empty() const noexcept { return literals_.empty(); }
  /// Whether any of them stands in `text`.
  [[nodiscard]] bool in(std::string_view text) const noexcept;
  /// Appends `text` with kInstead for each of them. @return how many there were.
  std::size_t redact_to(std::string& out, std::string_view text) const;
  /// The same in place. Does not touch a text without any.
  std::size_t redact(std::string& text) const;
  /// Where a proper prefix of one that reaches the end of `text` begins; text.size() when none
  /// does.
  [[nodiscard]] std::size_t hold(std::string_view text) const noexcept;

 private:
  struct Literal {
    std::string text;
    std::size_t first = 0, second = 0;  ///< the places of its two rarest bytes
  };
  static std::size_t next(const Literal& literal, std::string_view text, std::size_t from) noexcept;

  std::vector<Literal> literals_;
};

/// Takes Secrets out of one text that arrives in pieces: holds back what may still become one.
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
  };
  [[nodiscard]] Piece feed(const Secrets& secrets, std::string_view piece, Scratch& scratch);
  /// The end of the text: gives what was held, which is no secret.
  [[nodiscard]] std::string finish();
  [[nodiscard]] std::size_t held() const noexcept { return held_.size(); }

 private:
  std::string held_;
};

}  // namespace tollgate::domain::policy
