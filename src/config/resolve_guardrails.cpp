#include <fmt/format.h>

#include <set>

#include "config/resolve.hpp"

namespace tollgate::config {
namespace {

GuardRule detector_rule(const std::string& detector, GuardAction action) {
  GuardRule rule;
  rule.name = detector;
  rule.kind = RuleKind::detector;
  rule.pattern = detector;
  rule.action = action;
  rule.replacement = fmt::format("[REDACTED:{}]", detector);
  return rule;
}

/// Secrets never pass; personal data is only marked, because agents legitimately work with it.
Guardrail built_in() {
  Guardrail rail;
  rail.name = "default";
  rail.rules = {
      detector_rule("api_key", GuardAction::mask), detector_rule("private_key", GuardAction::mask),
      detector_rule("payment_card", GuardAction::flag), detector_rule("iban", GuardAction::flag),
      detector_rule("email", GuardAction::flag)};
  return rail;
}

std::optional<GuardRule> make_rule(Reader& reader, const RuleDoc& doc) {
  const int given =
      (doc.keyword.empty() ? 0 : 1) + (doc.regex.empty() ? 0 : 1) + (doc.detector.empty() ? 0 : 1);
  if (given != 1) {
    bool reported = false;  // a bad value of one of them has its own problem already
    for (const char* key : {"keyword", "regex", "detector"})
      reported = reported || reader.has(join_path(doc.path, key));
    if (given > 1 || !reported)
      reader.problem_at(doc.path, given == 0 ? "finds nothing" : "has more than one pattern",
                        "exactly one of keyword, regex or detector");
    return std::nullopt;
  }
  if (!doc.detector.empty()) {
    GuardRule rule = detector_rule(doc.detector, doc.action);
    if (doc.case_insensitive)
      reader.problem_at(join_path(doc.path, "case_insensitive"), "means nothing to a detector",
                        "it beside keyword or regex only");
    if (!doc.name.empty()) {
      rule.name = doc.name;
      rule.replacement = fmt::format("[REDACTED:{}]", doc.name);
    }
    if (!doc.replacement.empty()) rule.replacement = doc.replacement;
    return rule;
  }
  GuardRule rule;
  rule.name = doc.name;
  rule.kind = doc.regex.empty() ? RuleKind::keyword : RuleKind::regex;
  rule.pattern = doc.regex.empty() ? doc.keyword : doc.regex;
  rule.case_insensitive = doc.case_insensitive;
  rule.action = doc.action;
  rule.replacement =
      doc.replacement.empty() ? fmt::format("[REDACTED:{}]", doc.name) : doc.replacement;
  if (doc.name.empty() && !reader.has(join_path(doc.path, "name")))
    reader.problem_at(doc.path, "name is missing", "a name to show in verdicts");
  return rule;
}

}  // namespace

void resolve_guardrails(Reader& reader, const RootDoc& root, Snapshot& out) {
  out.guardrails.emplace("default", built_in());
  for (const auto& [name, doc] : root.guardrails) {
    Guardrail rail;
    rail.name = name;
    rail.direction = doc.direction;
    std::set<std::string> used;
    for (const auto& [detector, action] : doc.detectors) {
      used.insert(detector);
      rail.rules.push_back(detector_rule(detector, action));
      rail.rules.back().path = join_path(join_path(doc.path, "detectors"), detector);
    }
    for (const RuleDoc& from : doc.rules) {
      auto rule = make_rule(reader, from);
      if (!rule) continue;
      if (!rule->name.empty() && !used.insert(rule->name).second)
        reader.problem_at(from.path, fmt::format("a second rule is named {}", rule->name),
                          "a name of its own");
      rule->path = from.path;
      rail.rules.push_back(std::move(*rule));
    }
    if (doc.detectors.empty() && doc.rules.empty())
      reader.problem_at_key(doc.path, "has no detectors and no rules", "at least one of them");
    out.guardrails.insert_or_assign(name, std::move(rail));
  }
  const auto known = keys_of(out.guardrails);
  const auto check = [&](const std::vector<std::string>& list, const std::string& path) {
    for (std::size_t i = 0; i < list.size(); ++i) {
      if (out.guardrails.contains(list[i])) continue;
      const std::string item = join_path(path, i);
      unknown_reference(reader, reader.has(item) ? item : path, "guardrail", list[i], known);
    }
  };
  check(root.default_guardrails, "default_guardrails");
  out.default_guardrails = root.default_guardrails;
  for (const auto* owners : {&root.orgs, &root.teams, &root.agents})
    for (const auto& [id, doc] : *owners) check(doc.guardrails, join_path(doc.path, "guardrails"));
  for (const auto& [alias, doc] : root.models)
    check(doc.guardrails, join_path(doc.path, "guardrails"));
  for (const auto& doc : root.keys) check(doc.guardrails, join_path(doc.path, "guardrails"));
}

}  // namespace tollgate::config
