// Request targets: an accepted path cannot be decoded or cleaned up further; a removed parameter is
// gone under every reading.
#include "fuzz/fuzz.hpp"
#include "tollgate/protocol/http/target.hpp"

using namespace tollgate;
using protocol::http::Target;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::ExactCopy whole({reinterpret_cast<const char*>(data), size});
  const std::string_view input = whole.view();
  static Target target, again;
  if (target.parse(input).has_error()) return 0;
  const std::string_view path = target.path();
  if (path == "*") return 0;
  fuzz::require(!path.empty() && path.front() == '/', "no absolute path", input);
  for (const char c : path)
    fuzz::require(static_cast<std::uint8_t>(c) >= 0x20 && c != 0x7f && c != '%' && c != '\\' &&
                      c != '?' && c != '#',
                  "a character that another reader would act on", input);
  const std::string with_end = std::string(path) + "/";
  fuzz::require(path.find("//") == std::string_view::npos &&
                    with_end.find("/../") == std::string::npos &&
                    with_end.find("/./") == std::string::npos,
                "a path that can be shortened", input);
  std::string rest(target.raw_path());
  target.append_query_without("key", rest);
  fuzz::require(again.parse(rest).has_value(), "the rest is refused", input);
  fuzz::require(again.count_query_param("key") == 0, "the parameter is still there", input);
  fuzz::require(again.path() == path, "the path changed", input);
  return 0;
}
