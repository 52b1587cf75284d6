#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>
#include <sstream>

#include "config/tables.hpp"
#include "config/tools/docgen.hpp"
#include "config/yaml_node.hpp"

namespace tollgate::config {
namespace {

using Json = nlohmann::json;

std::string read(const std::string& name) {
  std::ifstream file(std::string(TOLLGATE_SOURCE_DIR) + "/" + name, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// A YAML tree as an editor sees it: plain scalars take their type; a time is the date that
/// YAML 1.1 readers make of it, which no type of the schema is.
Json to_json(const Node& node) {
  if (node.is_null()) return nullptr;
  if (node.is_map()) {
    Json out = Json::object();
    for (const auto& entry : node.entries) out[entry.key] = to_json(*entry.value);
    return out;
  }
  if (node.is_sequence()) {
    Json out = Json::array();
    for (const auto& item : node.items) out.push_back(to_json(*item));
    return out;
  }
  static const std::regex date("[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].*)?");
  if (!node.quoted && std::regex_match(node.text, date)) return Json::binary({});
  static const std::regex number("-?[0-9]+(\\.[0-9]+)?");
  if (!node.quoted && (node.text == "true" || node.text == "false")) return node.text == "true";
  if (!node.quoted && std::regex_match(node.text, number))
    return Json::parse(node.text, nullptr, false);
  return node.text;
}

/// The part of JSON Schema draft 07 that the generator uses. Returns the first fault's path.
class Validator {
 public:
  explicit Validator(const Json& schema) : root_(schema) {}
  std::string check(const Json& value) { return check(value, root_, "$"); }

 private:
  static bool is_type(const Json& value, const std::string& type) {
    if (type == "object") return value.is_object();
    if (type == "array") return value.is_array();
    if (type == "string") return value.is_string();
    if (type == "boolean") return value.is_boolean();
    if (type == "null") return value.is_null();
    if (type == "integer") return value.is_number_integer();
    if (type == "number") return value.is_number();
    ADD_FAILURE() << "unknown type " << type;
    return false;
  }

  std::string check(const Json& value, const Json& schema, const std::string& at) {
    static const std::set<std::string> known{"$schema",
                                             "title",
                                             "definitions",
                                             "$ref",
                                             "type",
                                             "properties",
                                             "additionalProperties",
                                             "required",
                                             "items",
                                             "enum",
                                             "pattern",
                                             "minimum",
                                             "maximum",
                                             "minItems",
                                             "uniqueItems",
                                             "description",
                                             "default",
                                             "allOf",
                                             "anyOf",
                                             "oneOf",
                                             "format"};
    for (const auto& [word, ignored] : schema.items())
      EXPECT_TRUE(known.contains(word)) << "the validator does not know " << word;
    if (schema.contains("$ref")) {
      const std::string name = schema["$ref"].get<std::string>().substr(14);
      return check(value, root_["definitions"].at(name), at);
    }
    if (schema.contains("allOf"))
      for (const auto& part : schema["allOf"])
        if (auto fault = check(value, part, at); !fault.empty()) return fault;
    if (schema.contains("anyOf")) {
      std::string last;
      for (const auto& part : schema["anyOf"])
        if (last = check(value, part, at); last.empty()) break;
      if (!last.empty()) return last;
    }
    if (schema.contains("oneOf")) {
      const auto& parts = schema["oneOf"];
      if (std::count_if(parts.begin(), parts.end(),
                        [&](const Json& part) { return check(value, part, at).empty(); }) != 1)
        return at + " oneOf";
    }
    if (schema.contains("type")) {
      const Json& type = schema["type"];
      bool good = false;
      for (const auto& one : type.is_array() ? type : Json::array({type}))
        good = good || is_type(value, one.get<std::string>());
      if (!good) return at + " type";
    }
    if (schema.contains("enum") &&
        std::find(schema["enum"].begin(), schema["enum"].end(), value) == schema["enum"].end())
      return at + " enum";
    if (value.is_string() && schema.contains("pattern") &&
        !std::regex_search(value.get<std::string>(),
                           std::regex(schema["pattern"].get<std::string>())))
      return at + " pattern";
    if (value.is_number() && schema.contains("minimum") && value < schema["minimum"])
      return at + " minimum";
    if (value.is_number() && schema.contains("maximum") && value > schema["maximum"])
      return at + " maximum";
    if (value.is_array() && schema.contains("minItems") && value.size() < schema["minItems"])
      return at + " minItems";
    if (value.is_array() && schema.contains("items"))
      for (std::size_t i = 0; i < value.size(); ++i)
        if (auto fault = check(value[i], schema["items"], at + "[" + std::to_string(i) + "]");
            !fault.empty())
          return fault;
    if (!value.is_object()) return "";
    if (schema.contains("required"))
      for (const auto& key : schema["required"])
        if (!value.contains(key)) return at + " required " + key.get<std::string>();
    for (const auto& [key, member] : value.items()) {
      const std::string path = at + "." + key;
      std::string fault;
      if (schema.contains("properties") && schema["properties"].contains(key)) {
        fault = check(member, schema["properties"][key], path);
      } else if (schema.contains("additionalProperties")) {
        const Json& others = schema["additionalProperties"];
        if (others.is_boolean() && !others.get<bool>()) return path + " unknown";
        if (others.is_object()) fault = check(member, others, path);
      }
      if (!fault.empty()) return fault;
    }
    return "";
  }

  const Json& root_;
};

class JsonSchema : public testing::Test {
 protected:
  Json schema_ = Json::parse(read("config/tollgate.schema.json"));
  std::string fault(const std::string& yaml) {
    const auto parsed = parse_yaml(yaml, "f");
    EXPECT_TRUE(parsed.root);
    return Validator(schema_).check(to_json(*parsed.root));
  }
};

TEST_F(JsonSchema, AcceptsWhatTheLoaderAccepts) {
  EXPECT_EQ(fault(read("config/tollgate.example.yaml")), "");
  EXPECT_EQ(fault(generate_example(root_table().info(), true)), "");
  EXPECT_EQ(fault(read("config/quickstart.yaml")), "");
  EXPECT_EQ(fault("keys:\nagents: {a: , b: {budgets: }}\ntimeouts: {drain: 0}\n"), "");
  EXPECT_EQ(fault("each_session: {budgets: [{tokens: 1_000, window: hour}, {requests: 5}],\n"
                  "  rate_limits: [{concurrent: 10}, {tokens: 1_000, per: 1s}]}\n"),
            "");
  EXPECT_EQ(fault("models: {a: p/m, b: [p/m, {provider: p}], c: {deployments: [p/m]}}\n"), "");
}

TEST_F(JsonSchema, RefusesWhatTheLoaderRefuses) {
  const std::pair<const char*, const char*> cases[] = {
      {"provders: {}\n", "$.provders unknown"},
      {"timeouts: {header: 30}\n", "$.timeouts.header maximum"},
      {"timeouts: {header: 30 s}\n", "$.timeouts.header pattern"},
      {"limits: {body_bytes: 1TB}\n", "$.limits.body_bytes pattern"},
      {"workers: -1\n", "$.workers minimum"},
      {"workers: many\n", "$.workers type"},
      {"log: {level: warning}\n", "$.log.level enum"},
      {"log: {json: \"true\"}\n", "$.log.json type"},
      {"agents: {a: {budgets: [{window: day}]}}\n", "$.agents.a.budgets[0] oneOf"},
      {"agents: {a: {budgets: [{limit: 1, tokens: 1}]}}\n", "$.agents.a.budgets[0] oneOf"},
      {"agents: {a: {budgets: [{tokens: 1__0}]}}\n", "$.agents.a.budgets[0].tokens pattern"},
      {"tags: {a: {rate_limits: [{requests: 0}]}}\n", "$.tags.a.rate_limits[0].requests minimum"},
      {"tags: {a: {rate_limits: [{per: 1m}]}}\n", "$.tags.a.rate_limits[0] oneOf"},
      {"each_session: {requires: true}\n", "$.each_session.requires unknown"},
      {"agents: {a: {budgets: [{limit: -1}]}}\n", "$.agents.a.budgets[0].limit minimum"},
      {"keys: [{id: a, digest: tg-x}]\n", "$.keys[0].digest pattern"},
      {"guardrails: {g: {detectors: {email: redact}}}\n", "$.guardrails.g.detectors.email enum"},
      {"models: {a: {deployment: []}}\n", "$.models.a required deployments"},
      {"alerts: {webhooks: [{url: \"https://h/\", events: []}]}\n",
       "$.alerts.webhooks[0].events minItems"},
      {"alerts: {webhooks: [{url: \"https://h/\", events: [all]}]}\n",
       "$.alerts.webhooks[0].events[0] enum"},
  };
  for (const auto& [yaml, expected] : cases) EXPECT_EQ(fault(yaml), expected) << yaml;
}

/// Every section once, with all its fields.
void collect(const SectionInfo& section, std::map<std::string, const SectionInfo*>& out) {
  if (!out.emplace(section.title, &section).second) return;
  for (const auto& field : section.fields)
    if (field.section != nullptr) collect(*field.section, out);
}

TEST(Schema, EveryKeyHasItsMeaningAndItsDefaultOrAnExample) {
  std::map<std::string, const SectionInfo*> sections;
  collect(root_table().info(), sections);
  EXPECT_GT(sections.size(), 20u);
  for (const auto& [title, section] : sections) {
    EXPECT_FALSE(section->doc.empty()) << title;
    std::set<std::string> keys;
    for (const auto& field : section->fields) {
      const std::string name = title + ": " + field.key;
      EXPECT_TRUE(keys.insert(field.key).second) << name << " twice";
      EXPECT_FALSE(field.doc.empty()) << name;
      EXPECT_EQ(field.doc.find('\n'), std::string::npos) << name;
      EXPECT_FALSE(field.doc.ends_with('.')) << name;
      EXPECT_TRUE(field.section != nullptr || !field.default_text.empty() || !field.example.empty())
          << name;
    }
  }
}

TEST(Schema, TheExampleFileHasEveryKeyWithMeaningUnitAndDefault) {
  std::vector<std::string> lines;
  std::istringstream text(read("config/tollgate.example.yaml"));
  for (std::string line; std::getline(text, line);) {
    // Comment marks, indentation and list dashes do not count here.
    line.erase(0, std::min(line.find_first_not_of(" #-"), line.size()));
    lines.push_back(line);
  }
  std::map<std::string, const SectionInfo*> sections;
  collect(root_table().info(), sections);
  for (const auto& [title, section] : sections) {
    for (const auto& field : section->fields) {
      bool found = false;
      for (std::size_t i = 1; i < lines.size() && !found; ++i) {
        const std::string& meaning = lines[i - 1];
        found = lines[i].starts_with(field.key + ":") && meaning.starts_with(field.doc + ".") &&
                (field.unit.empty() || meaning.find(field.unit) != std::string::npos) &&
                (field.default_text.empty() || field.required ||
                 meaning.find("default " + field.default_text) != std::string::npos) &&
                (!field.restart_only || meaning.find("restart") != std::string::npos);
      }
      EXPECT_TRUE(found) << title << ": " << field.key;
    }
  }
}

TEST(Schema, TheReferenceNamesEveryKey) {
  const std::string text = read("docs/configuration.md");
  std::map<std::string, const SectionInfo*> sections;
  collect(root_table().info(), sections);
  for (const auto& [title, section] : sections) {
    const auto start = text.find("## " + title + "\n");
    ASSERT_NE(start, std::string::npos) << title;
    const auto body = text.substr(start, text.find("\n## ", start) - start);
    for (const auto& field : section->fields)
      EXPECT_NE(body.find("| `" + field.key + "` |"), std::string::npos)
          << title << ": " << field.key;
  }
}

}  // namespace
}  // namespace tollgate::config
