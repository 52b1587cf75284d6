#include "tollgate/protocol/http/media_type.hpp"

#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http {
namespace {

/// `suffix` with something before it.
bool ends_with(std::string_view type, std::string_view suffix) noexcept {
  return type.size() > suffix.size() &&
         base::iequals(type.substr(type.size() - suffix.size()), suffix);
}

bool starts_with(std::string_view type, std::string_view family) noexcept {
  return type.size() > family.size() && base::iequals(type.substr(0, family.size()), family);
}

}  // namespace

std::string_view media_type(std::string_view content_type) noexcept {
  return base::trim_ows(content_type.substr(0, content_type.find(';')));
}

bool is_media_type(std::string_view content_type, std::string_view type) noexcept {
  return base::iequals(media_type(content_type), type);
}

bool is_json(std::string_view content_type) noexcept {
  const std::string_view type = media_type(content_type);
  return base::iequals(type, "application/json") || ends_with(type, "+json");
}

bool is_binary(std::string_view content_type) noexcept {
  const std::string_view type = media_type(content_type);
  if (ends_with(type, "+xml")) return false;  // image/svg+xml is text
  for (const std::string_view family : {"audio/", "image/", "video/", "font/"})
    if (starts_with(type, family)) return true;
  for (const std::string_view known :
       {"application/octet-stream", "application/pdf", "application/zip", "application/gzip",
        "application/x-gzip", "application/x-tar", "application/wasm"})
    if (base::iequals(type, known)) return true;
  return false;
}

}  // namespace tollgate::protocol::http
