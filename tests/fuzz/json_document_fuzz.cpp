// JSON: node ranges lie in the text and nest; a value's own bytes parse to the same value; splicing
// nothing changes nothing; text written anew reads the same.
#include "fuzz/fuzz.hpp"
#include "tollgate/json/document.hpp"
#include "tollgate/json/splice.hpp"
#include "tollgate/json/text_ref.hpp"
#include "tollgate/json/writer.hpp"

using namespace tollgate;
using namespace tollgate::json;

namespace {

void check_node(NodeRef node, std::uint32_t begin, std::uint32_t end, std::string_view input) {
  fuzz::require(begin <= node.begin_offset() && node.begin_offset() < node.end_offset() &&
                    node.end_offset() <= end,
                "a range outside its container", input);
  std::uint32_t count = 0;
  std::uint32_t from = node.begin_offset();
  for (const NodeRef child : node.children()) {
    ++count;
    check_node(child, from, node.end_offset(), input);
    from = child.end_offset();
    if (node.is_object())
      fuzz::require(node.find(child.key()).index() == child.index(), "a key is not found", input);
  }
  fuzz::require(count == node.size(), "the count is wrong", input);
  if (node.is_string()) {
    std::string scratch;
    const std::string_view text = node.text(scratch);
    const std::string written = json::quote(text);
    Document again;
    std::string scratch_again;
    fuzz::require(again.parse(written).has_value() && again.root().text(scratch_again) == text,
                  "text changed by the writer", input);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  const std::string_view input = whole.view();
  static Document document, again;
  if (document.parse(input).has_error()) {
    fuzz::require(!document.root(), "a root after an error", input);
    return 0;
  }
  check_node(document.root(), 0, static_cast<std::uint32_t>(input.size()), input);
  std::vector<TextRef> texts;
  append_texts(document.root(), true, texts);
  Splicer splicer(document);
  fuzz::require(splicer.str() == input, "splicing nothing changed something", input);
  for (const TextRef& text : texts)
    fuzz::require(splicer.replace(text.begin_offset(), text.end_offset(), "\"x\""), "texts overlap",
                  input);
  const std::string spliced = splicer.str();
  fuzz::require(spliced.size() == splicer.size(), "size", input);
  // Keys may now be equal, which is refused; nothing else may be wrong.
  const auto result = again.parse(spliced);
  if (result.has_value())
    fuzz::require(again.node_count() == document.node_count(), "the shape changed", input);
  return 0;
}
