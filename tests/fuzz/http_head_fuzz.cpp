// Request heads: the outcome does not depend on the split; Beast reads what we accept alike; what
// we accept survives being written and read again; nothing withheld is forwarded.
#include "fuzz/beast_oracle.hpp"
#include "fuzz/fuzz.hpp"
#include "tollgate/protocol/http/forwarding.hpp"
#include "tollgate/protocol/http/head_writer.hpp"

namespace {

using namespace tollgate;
using namespace tollgate::protocol::http;

void check_round_trip(const RequestHead& head, std::string_view input) {
  HeadWriter writer;
  fuzz::require(writer.request_line(head.method_text, head.target), "line cannot be written",
                input);
  for (const HeaderField& field : head.headers.fields())
    fuzz::require(writer.field(field.name, field.value), "field cannot be written", input);
  writer.end();
  RequestParser again;
  const auto result = again.feed(writer.view());
  // The version is written as 1.1, which asks for a Host.
  if (head.version_minor == 0) return;
  fuzz::require(result.has_value() && result->state == HeadState::done, "not read again", input);
  const auto& a = head.headers.fields();
  const auto& b = again.head().headers.fields();
  fuzz::require(a.size() == b.size() && again.head().target == head.target, "changed", input);
  for (std::size_t i = 0; i < a.size(); ++i)
    fuzz::require(a[i].name == b[i].name && a[i].value == b[i].value, "field changed", input);
}

void check_forwarding(const RequestHead& head, std::string_view input) {
  std::string message = "POST / HTTP/1.1\r\nHost: upstream\r\n";
  append_upstream_fields(head.headers, {}, {}, message);
  message += "\r\n";
  RequestParser parser;
  const auto result = parser.feed(message);
  // The one way to be refused here is a size: two lines may join their limits differently.
  if (result.has_error()) fuzz::fail("forwarded head is not acceptable", input);
  const HeaderSection& out = parser.head().headers;
  for (const HeaderId id :
       {HeaderId::authorization, HeaderId::x_api_key, HeaderId::api_key, HeaderId::x_goog_api_key,
        HeaderId::cookie, HeaderId::connection, HeaderId::transfer_encoding,
        HeaderId::content_length, HeaderId::x_forwarded_for})
    fuzz::require(!out.has(id), "a withheld field was forwarded", input);
  for (const std::string_view option : head.headers.connection_options())
    fuzz::require(base::iequals(option, "host") || out.find(option) == nullptr,
                  "a nominated field was forwarded", input);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  const std::string_view input = whole.view();
  static RequestParser parser, split_parser;
  parser.reset();
  split_parser.reset();
  const auto result = parser.feed(input);

  const fuzz::ExactCopy first(input.substr(0, fuzz::cut_of(input)));
  auto split = split_parser.feed(first.view());
  if (split.has_value() && split->state == HeadState::need_more) split = split_parser.feed(input);
  fuzz::require(split.has_error() == result.has_error(), "the split changes acceptance", input);
  if (result.has_error()) {
    fuzz::require(split.error().code() == result.error().code(), "the split changes the code",
                  input);
    return 0;
  }
  fuzz::require(split->state == result->state && split->head_size == result->head_size,
                "the split changes the end", input);
  if (result->state != HeadState::done) return 0;
  fuzz::require(
      split_parser.head().headers.fields().size() == parser.head().headers.fields().size() &&
          split_parser.head().target == parser.head().target &&
          split_parser.head().host == parser.head().host,
      "the split changes the head", input);
  const std::string why = fuzz::disagreement(parser.head(), input.substr(0, result->head_size));
  fuzz::require(why.empty(), why, input);
  check_round_trip(parser.head(), input);
  check_forwarding(parser.head(), input);
  return 0;
}
