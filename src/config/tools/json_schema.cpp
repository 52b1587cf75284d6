#include <nlohmann/json.hpp>

#include "config/tools/docgen.hpp"
#include "tollgate/base/strings.hpp"

namespace tollgate::config {
namespace {

using Json = nlohmann::ordered_json;

Json text_schema() {
  return {{"type", "string"}};
}
Json texts_schema() {
  return {{"type", {"array", "string", "null"}}, {"items", {{"type", "string"}}}};
}
Json usd_schema() {
  return {{"type", {"number", "string"}}, {"minimum", 0}, {"pattern", "^[0-9]*\\.?[0-9]*$"}};
}
Json map_schema(Json value) {
  return {{"type", {"object", "null"}}, {"additionalProperties", std::move(value)}};
}
Json reference(const SectionInfo& section) {
  return {{"$ref", "#/definitions/" + section.title}};
}

Json value_schema(const FieldInfo& field) {
  switch (field.type) {
    case ValueType::boolean:
      return {{"type", "boolean"}};
    case ValueType::integer:
      return {{"type", "integer"}, {"minimum", field.min}, {"maximum", field.max}};
    case ValueType::count:
      return {{"type", {"integer", "string"}},
              {"minimum", field.min},
              {"maximum", field.max},
              {"pattern", "^[0-9]+(_[0-9]+)*$"}};
    case ValueType::duration:
      return {
          {"type", {"string", "integer"}}, {"pattern", "^([0-9]+(ms|s|m|h|d)|0)$"}, {"maximum", 0}};
    case ValueType::size:
      return {
          {"type", {"string", "integer"}}, {"pattern", "^([0-9]+(B|[KMG]i?B)|0)$"}, {"maximum", 0}};
    case ValueType::usd:
    case ValueType::usd_per_mtok:
    case ValueType::factor:
      return usd_schema();
    case ValueType::text:
    case ValueType::name:
    case ValueType::secret:
    case ValueType::file:
    case ValueType::path:
    case ValueType::url:
    case ValueType::address:
      return text_schema();
    case ValueType::timestamp:
      return {{"type", "string"}, {"format", "date-time"}};
    case ValueType::digest:
      return {{"type", "string"}, {"pattern", "^sha256:[0-9A-Fa-f]{64}$"}};
    case ValueType::enumeration:
      return {{"enum", field.choices}};
    case ValueType::percent_list:
      return {{"type", {"array", "null"}},
              {"items", {{"type", "integer"}, {"minimum", 1}, {"maximum", 100}}},
              {"uniqueItems", true}};
    case ValueType::text_list:
      return texts_schema();
    case ValueType::enum_list:
      return {{"type", "array"},
              {"items", {{"enum", field.choices}}},
              {"minItems", 1},
              {"uniqueItems", true}};
    case ValueType::object:
      return reference(*field.section);
    case ValueType::object_map:
      return map_schema(reference(*field.section));
    case ValueType::object_list:
      return {{"type", {"array", "null"}}, {"items", reference(*field.section)}};
    case ValueType::price_table:
      return map_schema(map_schema(reference(*field.section)));
    case ValueType::secret_map:
      return map_schema(text_schema());
    case ValueType::usd_map:
      return map_schema(usd_schema());
    case ValueType::list_map:
      return map_schema(texts_schema());
    case ValueType::enum_map:
      return map_schema({{"enum", field.choices}});
  }
  return {};
}

/// The default as JSON, when it is a value and not a description of one.
Json default_value(const FieldInfo& field) {
  const std::string& text = field.default_text;
  const bool digits = base::parse_u64(text).has_value();
  if (field.type == ValueType::boolean) return text == "true";
  if (field.type == ValueType::integer && digits) return *base::parse_u64(text);
  if (field.type == ValueType::duration && parse_duration(text)) return text;
  if (field.type == ValueType::size && parse_size(text)) return text;
  if (field.type == ValueType::usd && !text.empty()) return text;
  if (field.type == ValueType::address) return text;
  if (field.type == ValueType::enumeration)
    for (const auto& choice : field.choices)
      if (choice == text) return text;
  if (field.type == ValueType::text_list || field.type == ValueType::percent_list)
    return Json::parse(text, nullptr, false);
  if (field.type == ValueType::enum_list) return field.choices;  // always all of them
  return nullptr;
}

Json section_schema(const SectionInfo& section, Json& definitions);

Json field_schema(const FieldInfo& field, Json& definitions) {
  if (field.section != nullptr && !definitions.contains(field.section->title)) {
    definitions[field.section->title] = nullptr;  // taken, against endless recursion
    Json made = section_schema(*field.section, definitions);
    definitions[field.section->title] = std::move(made);
  }
  Json schema = value_schema(field);
  // Draft 07 ignores what stands beside $ref.
  if (schema.contains("$ref")) schema = Json{{"allOf", Json::array({std::move(schema)})}};
  std::string description = field.doc + ".";
  if (!field.unit.empty()) description += " Unit: " + field.unit + ".";
  if (field.restart_only) description += " Counts from the next start.";
  schema["description"] = description;
  if (Json value = default_value(field); !value.is_null() && !value.is_discarded())
    schema["default"] = std::move(value);
  return schema;
}

Json section_schema(const SectionInfo& section, Json& definitions) {
  Json properties = Json::object();
  Json required = Json::array();
  for (const auto& field : section.fields) {
    properties[field.key] = field_schema(field, definitions);
    if (field.required) required.push_back(field.key);
  }
  Json schema = {{"type", required.empty() && section.exactly_one.empty() ? Json{"object", "null"}
                                                                          : Json("object")},
                 {"description", section.doc},
                 {"properties", properties},
                 {"additionalProperties", false}};
  if (!required.empty()) schema["required"] = required;
  for (const auto& key : section.exactly_one)
    schema["oneOf"].push_back({{"required", Json::array({key})}});
  if (section.shorthand.empty()) return schema;
  return {{"anyOf", Json::array({Json{{"type", {"string", "array"}}}, schema})}};
}

}  // namespace

std::string generate_json_schema(const SectionInfo& root) {
  Json definitions = Json::object();
  Json schema = {{"$schema", "http://json-schema.org/draft-07/schema#"},
                 {"title", "Tollgate configuration"}};
  schema.update(section_schema(root, definitions));
  schema["type"] = "object";
  schema["definitions"] = definitions;
  return schema.dump(1) + "\n";
}

}  // namespace tollgate::config
