// Response heads: the outcome does not depend on the split; Beast reads what we accept alike.
#include "fuzz/beast_oracle.hpp"
#include "fuzz/fuzz.hpp"

using namespace tollgate;
using namespace tollgate::protocol::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  std::string_view input = whole.view();
  static ResponseParser parser, split_parser;
  parser.reset();
  split_parser.reset();
  for (int heads = 0;; ++heads) {
    fuzz::require(heads <= ResponseParser::kMaxInterim, "too many interim heads", input);
    const auto result = parser.feed(input);
    const fuzz::ExactCopy first(input.substr(0, fuzz::cut_of(input)));
    auto split = split_parser.feed(first.view());
    if (split.has_value() && split->state == HeadState::need_more) split = split_parser.feed(input);
    fuzz::require(split.has_error() == result.has_error(), "the split changes acceptance", input);
    if (result.has_error()) return 0;
    fuzz::require(split->state == result->state && split->head_size == result->head_size,
                  "the split changes the end", input);
    if (result->state == HeadState::need_more) return 0;
    fuzz::require(split_parser.head().body_kind == parser.head().body_kind &&
                      split_parser.head().keep_alive == parser.head().keep_alive,
                  "the split changes the framing", input);
    const std::string why =
        fuzz::disagreement(parser.head(), input.substr(0, result->head_size), false);
    fuzz::require(why.empty(), why, input);
    if (result->state == HeadState::done) return 0;
    input.remove_prefix(result->head_size);
  }
}
