#include <algorithm>

#include "config/fields.hpp"
#include "config/tables.hpp"

/// Owners, keys and guardrails.
namespace tollgate::config {
namespace {

bool is_glob(std::string_view text) {
  return is_field_value(text) && text.size() <= 256;
}

bool is_path_glob(std::string_view text) {
  return is_glob(text) && (text.front() == '/' || text.front() == '*');
}

bool is_surface_glob(std::string_view text) {
  const auto surfaces = surface_names();
  return std::any_of(surfaces.begin(), surfaces.end(),
                     [&](std::string_view s) { return base::glob_match(text, s); });
}

Table<OwnerDoc> owner_table(std::string title, std::string doc, const char* parent,
                            std::string parent_doc, std::string whose) {
  using O = OwnerDoc;
  std::vector<Field<O>> fields;
  if (parent != nullptr)
    fields.push_back(name(parent, &O::parent, std::move(parent_doc))
                         .example(parent == std::string("org") ? "acme" : "research"));
  fields.push_back(texts("guardrails", &O::guardrails, is_name, "the name of a guardrail",
                         "Guardrails for every call of " + whose));
  for (auto& field : caps_fields<O>(whose)) fields.push_back(std::move(field));
  for (auto& field : each_fields<O>(whose)) fields.push_back(std::move(field));
  return Table<O>(std::move(title), std::move(doc), std::move(fields));
}

/// allow.mcp and allow.a2a: name -> globs.
Field<AllowDoc> reach_field(std::string key, NameMap<std::vector<std::string>> AllowDoc::*member,
                            std::string doc, std::string example) {
  Field<AllowDoc> field;
  field.info.key = std::move(key);
  field.info.type = ValueType::list_map;
  field.info.default_text = "{}";
  field.info.doc = std::move(doc);
  field.info.example = std::move(example);
  field.read = [member](Reader& reader, const Node& node, const std::string& path, AllowDoc& out) {
    each_entry(reader, node, path, "a map from names to lists such as {search: [\"*\"]}",
               [&](const Node::Entry& entry, const std::string& at) {
                 if (auto list =
                         read_texts(reader, *entry.value, at, is_glob, "a name, \"*\" for any run"))
                   (out.*member)[entry.key] = std::move(*list);
               });
  };
  return field;
}

const Table<AllowDoc>& allow_table() {
  using A = AllowDoc;
  static const Table<A> table(
      "Allow", "What a key may use. In all lists \"*\" stands for any run of characters.",
      {
          texts("surfaces", &A::surfaces, is_surface_glob,
                "a surface: " + one_of(surface_names()) + ", or a glob over them", "API surfaces"),
          texts("models", &A::models, is_glob, "an alias, \"*\" for any run", "Model aliases"),
          texts("providers", &A::providers, is_glob, "a provider, \"*\" for any run",
                "Providers that may serve the key"),
          texts("paths", &A::paths, is_path_glob, "a path such as \"/v1/files*\"",
                "Other /v1 paths forwarded as they are (surface \"other\")"),
          reach_field("mcp", &A::mcp,
                      "MCP servers and the tools usable there; \"*\" = every server",
                      "{search: [\"*\"]}"),
          reach_field("a2a", &A::a2a,
                      "A2A agents and the methods usable there; \"*\" = every agent",
                      "{planner: [\"*\"]}"),
      });
  return table;
}

/// Text as written: patterns may hold "${".
std::optional<std::string> read_pattern(Reader& reader, const Node& node, const std::string& path) {
  const auto* text = reader.scalar(node, path, "a pattern");
  if (text == nullptr) return std::nullopt;
  if (!text->empty() && text->size() <= 4'096) return *text;
  reader.problem(node.at, path, text->empty() ? "is empty" : "is too long",
                 "1 to 4096 bytes of text");
  return std::nullopt;
}

std::optional<std::string> read_detector(Reader& reader, const Node& node,
                                         const std::string& path) {
  const std::vector<std::string> known(detector_names().begin(), detector_names().end());
  const auto index = read_choice(reader, node, path, known);
  if (!index) return std::nullopt;
  return known[*index];
}

Field<RuleDoc> detector_field() {
  auto field = value_field("detector", &RuleDoc::detector, ValueType::enumeration, "",
                           "A built-in detector", read_detector);
  field.info.choices.assign(detector_names().begin(), detector_names().end());
  return std::move(field).example("email").commented();
}

template <class T>
Field<T> pattern_field(std::string key, std::string T::*member, std::string doc) {
  return value_field(std::move(key), member, ValueType::text, "", std::move(doc), read_pattern);
}

const Table<RuleDoc>& rule_table() {
  using R = RuleDoc;
  static const Table<R> table(
      "Guardrail rules", "One keyword, regex or detector, and what to do about a match.",
      {
          name("name", &R::name, "Name in verdicts; needed for keyword and regex")
              .default_is("the detector's")
              .example("project-name"),
          pattern_field("keyword", &R::keyword, "A word or phrase to find")
              .example("Project Falcon"),
          pattern_field("regex", &R::regex,
                        "A pattern to find, without look-around and back-references")
              .example("FALCON-[0-9]{4}")
              .commented(),
          detector_field(),
          boolean("case_insensitive", &R::case_insensitive,
                  "Let upper and lower case match (keyword, regex)"),
          enumeration("action", &R::action, "What happens on a match"),
          pattern_field("replacement", &R::replacement, "What mask puts in its place")
              .default_is("[REDACTED:<name>]")
              .example("\"[falcon]\""),
      });
  return table;
}

Field<GuardrailDoc> detectors_field() {
  Field<GuardrailDoc> field;
  field.info.key = "detectors";
  field.info.type = ValueType::enum_map;
  field.info.default_text = "{}";
  field.info.choices = choices_of<GuardAction>();
  field.info.doc = "Short form of rules: detector and action (" + one_of(detector_names()) + ")";
  field.info.example =
      "{api_key: mask, private_key: mask, payment_card: flag, iban: flag, email: flag}";
  field.read = [](Reader& reader, const Node& node, const std::string& path, GuardrailDoc& out) {
    each_entry(reader, node, path, "a map from detectors to actions",
               [&](const Node::Entry& entry, const std::string& at) {
                 const std::vector<std::string> known(detector_names().begin(),
                                                      detector_names().end());
                 if (std::find(known.begin(), known.end(), entry.key) == known.end())
                   reader.problem(entry.key_at, at, "unknown detector", one_of(known),
                                  nearest(entry.key, known));
                 if (const auto action = read_enum<GuardAction>(reader, *entry.value, at))
                   out.detectors[entry.key] = *action;
               });
  };
  return field;
}

}  // namespace

const Table<OwnerDoc>& org_table() {
  static const Table<OwnerDoc> table =
      owner_table("Orgs", "Organisations, by id.", nullptr, "", "the organisation");
  return table;
}

const Table<OwnerDoc>& team_table() {
  static const Table<OwnerDoc> table =
      owner_table("Teams", "Teams, by id.", "org", "The organisation it belongs to; empty for none",
                  "the team");
  return table;
}

const Table<OwnerDoc>& agent_table() {
  static const Table<OwnerDoc> table = owner_table(
      "Agents", "Agents, by id.", "team", "The team it belongs to; empty for none", "the agent");
  return table;
}

const Table<KeyDoc>& key_table() {
  using K = KeyDoc;
  static const Table<K> table = [] {
    std::vector<Field<K>> fields{
        name("id", &K::id, "Unique id, shown in audit and metrics").required().example("coder-1"),
        value_field("digest", &K::digest, ValueType::digest, "",
                    "sha256: and 64 hex digits, as tollgate keys new prints", read_digest)
            .required()
            .example("sha256:" + std::string(64, '0')),
        pattern_field("last4", &K::last4, "Last four characters of the key, for lists")
            .example("\"a1b2\""),
        name("agent", &K::agent, "The agent that owns the key; empty for none").example("coder"),
        name("team", &K::team, "The team that owns the key; absent = the agent's")
            .default_is("the agent's")
            .example("research"),
        name("org", &K::org, "The organisation that owns the key; absent = the team's")
            .default_is("the team's")
            .example("acme"),
        texts("tags", &K::tags, is_model_name, "letters, digits and any of \"._-/:@+\"",
              "Labels, kept in the audit; those with an entry in tags are scopes of its calls")
            .example("[prod]"),
        value_field("expires", &K::expires, ValueType::timestamp, "",
                    "RFC 3339 time after which the key is refused; absent = never", read_timestamp)
            // In quotes: YAML 1.1 readers, editors' among them, take the plain form for a date.
            .example("\"2030-01-01T00:00:00Z\""),
        boolean("disabled", &K::disabled, "Refuse the key as if it were unknown"),
        object("allow", &K::allow, allow_table(), "What the key may use"),
        texts("guardrails", &K::guardrails, is_name, "the name of a guardrail",
              "Guardrails for every call of the key"),
    };
    for (auto& field : caps_fields<K>("the key")) fields.push_back(std::move(field));
    for (auto& field : each_fields<K>("the key")) fields.push_back(std::move(field));
    fields.push_back(own_loop_breaker());
    return Table<K>("Keys",
                    "Virtual keys, which agents present. Only the digest of a key is written here.",
                    std::move(fields));
  }();
  return table;
}

const Table<GuardrailDoc>& guardrail_table() {
  using G = GuardrailDoc;
  static const Table<G> table(
      "Guardrails",
      "Content checks, by name. \"default\" is built in (api_key and private_key masked; "
      "payment_card, "
      "iban and email flagged) unless an entry replaces it.",
      {enumeration("direction", &G::direction, "Which side of a call is checked"),
       detectors_field(), list_of("rules", &G::rules, rule_table(), "Own patterns")});
  return table;
}

}  // namespace tollgate::config
