#pragma once

#include <cstdint>
#include <string_view>

#include "tollgate/config/snapshot.hpp"

namespace tollgate::domain::tokens {

/// How many tokens a text has at most, as far as texts that people and programs write go.
///
/// Purpose:  a byte is the only sure bound on a token, and three or four times what English or code
///           counts. Where a hold at that bound does not fit under a cap, this one is taken.
/// Method:   one pass over the bytes, no vocabulary. Runs of letters, digits, punctuation and white
///           space and characters of other scripts each cost what they cost at most in the
///           tokenizers of that vendor, by the table in estimate.cpp.
/// Exact:    never above the number of bytes. At or above the true count for every text of the
///           calibration (docs/budgets.md): 50 languages, code, JSON, base64, hexadecimal and
///           random text. It is no proof: a text made to be dear (words of rare letters) can have
///           more.
/// Cost:     about a nanosecond a byte; does not allocate. Threads: any.
///
/// @param text  JSON source or plain text. An escape counts as the character it stands for.
[[nodiscard]] std::int64_t estimate(std::string_view text, config::Tokenizer tokenizer) noexcept;

}  // namespace tollgate::domain::tokens
