#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "tollgate/base/digest.hpp"
#include "tollgate/base/secret.hpp"

namespace tollgate::domain::keys {

/// The text of a virtual key: `tg-`, 43 base62 digits (32 random bytes, big-endian number), 6
/// base62 digits (CRC-32 of all before). 52 characters of `[0-9A-Za-z-]`: one word for a double
/// click and for scanners, which tell a leaked key from noise by the checksum alone.
inline constexpr std::string_view kKeyPrefix = "tg-";
inline constexpr std::size_t kKeyRandomBytes = 32;
inline constexpr std::size_t kKeyBodyChars = 43;
inline constexpr std::size_t kKeyChecksumChars = 6;
inline constexpr std::size_t kKeyChars = kKeyPrefix.size() + kKeyBodyChars + kKeyChecksumChars;

/// A new key from the operating system's generator. Shown once, then only its digest is kept.
[[nodiscard]] base::Secret generate_key();
/// The key of given random bytes; for generate_key and tests.
[[nodiscard]] std::string encode_key(std::span<const std::uint8_t, kKeyRandomBytes> random);

/// Length and prefix of a key: what is worth a digest and a look-up.
[[nodiscard]] bool has_key_shape(std::string_view text) noexcept;

/// Length, prefix, characters and checksum: whether `text` can be a key at all. No look-up, no
/// allocation.
[[nodiscard]] bool is_well_formed_key(std::string_view text) noexcept;

/// Whether a well-formed key stands anywhere in `text`. No allocation; a text without `tg-` costs
/// one search for it.
[[nodiscard]] bool contains_key(std::string_view text) noexcept;
/// Replaces every well-formed key in `text` by kRedactedKey: for text of a caller's choosing on its
/// way into a record, a log line, an answer or upstream. An agent may put its key anywhere. @return
/// whether there was any
bool redact_keys(std::string& text);
/// Whether a text is long enough to hold a key: most columns of a record and most values are not.
[[nodiscard]] constexpr bool can_hold_key(std::string_view text) noexcept {
  return text.size() >= kKeyChars;
}
inline constexpr std::string_view kRedactedKey = "tg-***";

/// SHA-256 of the whole text: what the YAML and the store keep.
[[nodiscard]] base::Sha256Digest key_digest(std::string_view text) noexcept;
/// The last four characters, the only part ever shown again.
[[nodiscard]] std::string_view last4(std::string_view text) noexcept;

}  // namespace tollgate::domain::keys
