#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "domain/policy/window.hpp"

/// The built-in detectors: each verifies one candidate that a prefilter found. All are bounded, so
/// the sum over all candidates of a text is linear (docs/guardrails.md lists the bounds).
namespace tollgate::domain::policy {

/// In the order of CompiledRules::detector_rule.
enum class Detector : std::uint8_t { email, payment_card, iban, api_key, private_key };
inline constexpr std::size_t kDetectorCount = 5;
inline constexpr std::array<std::string_view, kDetectorCount> kDetectorNames = {
    "email", "payment_card", "iban", "api_key", "private_key"};

inline constexpr std::size_t kEmailLocalBytes = 64;    ///< RFC 5321 4.5.3.1.1
inline constexpr std::size_t kEmailDomainBytes = 253;  ///< RFC 1035 2.3.4, without the final dot
inline constexpr std::size_t kPemBytes = 16 * 1024;    ///< an RSA-16384 key takes 12.6 KB
inline constexpr std::size_t kContextBytes = 8;        ///< left context every detector can rely on

/// `at`: position of the at sign (1 byte, 3 for "%40", 6 for "\\u0040").
[[nodiscard]] Finding find_email(Window& w, std::size_t at, std::size_t at_bytes) noexcept;
/// Where a local part that reaches the end of the text begins; text.size() when none does.
[[nodiscard]] std::size_t email_hold(std::string_view text) noexcept;

/// `start`: first digit of a digit run.
[[nodiscard]] Finding find_payment_card(Window& w, std::size_t start) noexcept;

/// `start`: the first letter of the country code; two letters and a digit are known to be there.
[[nodiscard]] Finding find_iban(Window& w, std::size_t start) noexcept;
[[nodiscard]] std::size_t iban_hold(std::string_view text) noexcept;

/// A separator between digit groups: space, dash, NBSP, narrow NBSP, Unicode hyphens and dashes.
struct GroupSeparator {
  std::size_t bytes = 0;  ///< 0 = none here
  std::uint32_t kind = 0;
};
[[nodiscard]] GroupSeparator group_separator(Window& w, std::size_t i) noexcept;

// ---- API keys ----

/// Remembers the last run of each character class, so that overlapping candidates inside one long
/// token ("tg-tg-tg-...") do not read it again and again.
class ClassRuns {
 public:
  /// End of the run of `cls` that covers `from`, at most `limit`.
  [[nodiscard]] std::size_t end(Window& w, CharClass cls, std::size_t from,
                                std::size_t limit) noexcept;
  void clear() noexcept { runs_ = {}; }

 private:
  struct Run {
    std::size_t begin = 0, end = 0;
  };
  std::array<Run, 8> runs_{};
};

enum class KeyShape : std::uint8_t { plain, openai_legacy, sendgrid, gitlab };

/// One vendor's key: a literal, then `min`..`max` bytes of a class.
struct KeySpec {
  std::string_view literal;
  CharClass cls;
  std::uint16_t min;
  std::uint16_t max;
  bool boundary;     ///< no letter or digit may stand before the literal
  bool exact;        ///< a run longer than `max` is something else (else: the first `max` match)
  bool needs_digit;  ///< prose in the same shape has none
  KeyShape shape = KeyShape::plain;
};
[[nodiscard]] std::span<const KeySpec> key_specs() noexcept;

/// `body`: first byte after the literal of `spec`.
[[nodiscard]] Finding find_api_key(Window& w, ClassRuns& runs, const KeySpec& spec,
                                   std::size_t body) noexcept;

// ---- private keys ----

inline constexpr std::array<std::string_view, 2> kPemLiterals = {"-----BEGIN ", "---- BEGIN "};

/// Reads one PEM block; keeps its place, so that a block that streams by is read once.
class PemReader {
 public:
  PemReader() = default;
  /// `begin`: first dash; `body`: first byte after "BEGIN ".
  PemReader(std::size_t begin, std::size_t body) : begin_(begin), pos_(body) {}

  /// Reads on. While the window's hit_end is set, call again with a longer text.
  [[nodiscard]] Finding read(Window& w) noexcept;
  /// The text was cut by `bytes` at its front.
  void rebase(std::size_t bytes) noexcept;
  [[nodiscard]] std::size_t begin() const noexcept { return begin_; }

 private:
  enum class Phase : std::uint8_t { label, headers, body };
  [[nodiscard]] bool read_label(Window& w) noexcept;
  [[nodiscard]] bool skip_separators(Window& w) noexcept;
  [[nodiscard]] bool read_header(Window& w) noexcept;
  [[nodiscard]] std::size_t read_end_line(Window& w) const noexcept;

  std::size_t begin_ = 0;
  std::size_t pos_ = 0;       ///< start of the token being read
  std::size_t token_ = 0;     ///< how far into that token the reader got
  std::size_t good_end_ = 0;  ///< end of the last token that must be key material
  Phase phase_ = Phase::label;
  std::uint8_t headers_ = 0;
  std::uint8_t short_tokens_ = 0;
};

}  // namespace tollgate::domain::policy
