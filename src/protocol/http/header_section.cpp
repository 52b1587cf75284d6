#include "tollgate/protocol/http/header_section.hpp"

#include "protocol/http/char_class.hpp"
#include "protocol/http/field_line.hpp"
#include "protocol/http/header_table.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::protocol::http {
HeaderId header_id(std::string_view name) noexcept {
  return detail::find_header_id(name);
}

std::string_view header_name(HeaderId id) noexcept {
  return id == HeaderId::other ? std::string_view{} : detail::kNames[static_cast<std::size_t>(id)];
}

std::uint8_t header_flags(HeaderId id) noexcept {
  return id == HeaderId::other ? std::uint8_t{0} : detail::kFlags[static_cast<std::size_t>(id)];
}

const HeaderField* HeaderSection::find(std::string_view name) const noexcept {
  if (const HeaderId id = header_id(name); id != HeaderId::other) return find(id);
  for (const HeaderField& field : fields_)
    if (field.id == HeaderId::other && base::iequals(field.name, name)) return &field;
  return nullptr;
}

bool HeaderSection::nominated(std::string_view name) const noexcept {
  for (const std::string_view option : connection_options_)
    if (base::iequals(option, name)) return true;
  return false;
}

void HeaderSection::rebase(const char* from, const char* to) noexcept {
  for (HeaderField& field : fields_) {
    field.name = detail::moved(field.name, from, to);
    field.value = detail::moved(field.value, from, to);
  }
  for (std::string_view& option : connection_options_) option = detail::moved(option, from, to);
}

bool is_token(std::string_view text) noexcept {
  return !text.empty() && detail::all_of_class(text, detail::kToken);
}

bool is_field_value(std::string_view text) noexcept {
  return detail::is_value_text(text);
}

}  // namespace tollgate::protocol::http
