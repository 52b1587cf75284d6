#include "store/record_json.hpp"

#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "tollgate/config/names.hpp"

namespace tollgate::store {
namespace {

using nlohmann::json;

/// What stands for a text between its quotes.
void append_escaped(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::size_t run = 0;  // start of what needs no escape: nearly always the whole
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte >= 0x20 && byte != '"' && byte != '\\') continue;
    out.append(text, run, i - run);
    run = i + 1;
    if (byte < 0x20) {
      const char escaped[] = {'\\', 'u', '0', '0', kHex[byte >> 4], kHex[byte & 15]};
      out.append(escaped, sizeof escaped);
    } else {
      const char escaped[] = {'\\', static_cast<char>(byte)};
      out.append(escaped, sizeof escaped);
    }
  }
  out.append(text, run);
}

void append_text(std::string& out, std::string_view text) {
  out.push_back('"');
  append_escaped(out, text);
  out.push_back('"');
}

void append_number(std::string& out, std::int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, end);
}

/// `start` is the member's name with all around it: `{"name":` or `,"name":`.
void text_member(std::string& out, std::string_view start, std::string_view text) {
  out += start;
  append_text(out, text);
}
void number_member(std::string& out, std::string_view start, std::int64_t value) {
  out += start;
  append_number(out, value);
}

void append_lists(std::string& out, std::string_view name,
                  const std::map<std::string, std::vector<std::string>, std::less<>>& lists) {
  if (out.back() != '{') out.push_back(',');
  append_text(out, name);
  out += ":{";
  for (const auto& [key, values] : lists) {
    if (out.back() != '{') out.push_back(',');
    append_text(out, key);
    out.push_back(':');
    append_json(out, values);
  }
  out.push_back('}');
}

void append_list(std::string& out, std::string_view name, const std::vector<std::string>& list) {
  if (out.back() != '{') out.push_back(',');
  append_text(out, name);
  out.push_back(':');
  append_json(out, list);
}

json parsed(std::string_view text) {
  return json::parse(text, nullptr, false);
}

std::string text_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}
std::int64_t number_of(const json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
}
std::vector<std::string> texts_of(const json& array) {
  std::vector<std::string> out;
  if (!array.is_array()) return out;
  for (const json& item : array)
    if (item.is_string()) out.push_back(item.get<std::string>());
  return out;
}
std::map<std::string, std::vector<std::string>, std::less<>> lists_of(const json& object) {
  std::map<std::string, std::vector<std::string>, std::less<>> out;
  if (!object.is_object()) return out;
  for (const auto& [key, value] : object.items()) out.emplace(key, texts_of(value));
  return out;
}

}  // namespace

void append_json(std::string& out, const std::vector<std::string>& texts) {
  out.push_back('[');
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (i != 0) out.push_back(',');
    append_text(out, texts[i]);
  }
  out.push_back(']');
}

void append_json(std::string& out, std::span<const AuditAttempt> attempts) {
  out.push_back('[');
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    const AuditAttempt& attempt = attempts[i];
    if (i != 0) out.push_back(',');
    text_member(out, R"({"deployment":)", attempt.deployment);
    text_member(out, R"(,"outcome":)", attempt.outcome);
    number_member(out, R"(,"status":)", attempt.http_status);
    number_member(out, R"(,"started_us":)", attempt.started_us);
    number_member(out, R"(,"duration_us":)", attempt.duration_us);
    if (!attempt.error_code.empty()) text_member(out, R"(,"error_code":)", attempt.error_code);
    number_member(out, R"(,"nusd":)", attempt.billed.value);
    out.push_back('}');
  }
  out.push_back(']');
}

void append_json(std::string& out, const std::vector<AuditVerdict>& verdicts) {
  out.push_back('[');
  for (std::size_t i = 0; i < verdicts.size(); ++i) {
    const AuditVerdict& verdict = verdicts[i];
    if (i != 0) out.push_back(',');
    text_member(out, R"({"guardrail":)", verdict.guardrail);
    text_member(out, R"(,"rule":)", verdict.rule);
    text_member(out, R"(,"action":)", verdict.action);
    text_member(out, R"(,"direction":)", verdict.direction);
    number_member(out, R"(,"count":)", verdict.count);
    out.push_back('}');
  }
  out.push_back(']');
}

void append_json(std::string& out, const config::Allow& allow) {
  out.push_back('{');
  append_list(out, "surfaces", allow.surfaces);
  append_list(out, "models", allow.models);
  append_list(out, "providers", allow.providers);
  append_list(out, "paths", allow.paths);
  append_lists(out, "mcp", allow.mcp);
  append_lists(out, "a2a", allow.a2a);
  out.push_back('}');
}

void append_json(std::string& out, std::span<const AuditScope> scopes) {
  out.push_back('[');
  for (std::size_t i = 0; i < scopes.size(); ++i) {
    out += i == 0 ? "\"" : ",\"";
    out += config::name_of(scopes[i].kind);
    out.push_back(':');
    append_escaped(out, scopes[i].id);
    out.push_back('"');
  }
  out.push_back(']');
}

std::vector<std::string> texts_from_json(std::string_view text) {
  return texts_of(parsed(text));
}

std::vector<AuditAttempt> attempts_from_json(std::string_view text) {
  std::vector<AuditAttempt> out;
  const json array = parsed(text);
  if (!array.is_array()) return out;
  for (const json& item : array) {
    if (!item.is_object()) continue;
    AuditAttempt attempt;
    attempt.deployment = text_of(item, "deployment");
    attempt.outcome = text_of(item, "outcome");
    attempt.http_status = static_cast<std::int32_t>(number_of(item, "status"));
    attempt.started_us = number_of(item, "started_us");
    attempt.duration_us = number_of(item, "duration_us");
    attempt.error_code = text_of(item, "error_code");
    attempt.billed = {number_of(item, "nusd")};
    out.push_back(std::move(attempt));
  }
  return out;
}

std::vector<AuditVerdict> verdicts_from_json(std::string_view text) {
  std::vector<AuditVerdict> out;
  const json array = parsed(text);
  if (!array.is_array()) return out;
  for (const json& item : array) {
    if (!item.is_object()) continue;
    out.push_back({text_of(item, "guardrail"), text_of(item, "rule"), text_of(item, "action"),
                   text_of(item, "direction"), number_of(item, "count")});
  }
  return out;
}

std::optional<config::Allow> allow_from_json(std::string_view text) {
  config::Allow allow;
  const json object = parsed(text);
  if (!object.is_object()) return std::nullopt;
  const auto list = [&](const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? std::vector<std::string>() : texts_of(*found);
  };
  const auto lists = [&](const char* name) {
    const auto found = object.find(name);
    return found == object.end() ? decltype(allow.mcp)() : lists_of(*found);
  };
  allow.surfaces = list("surfaces");
  allow.models = list("models");
  allow.providers = list("providers");
  allow.paths = list("paths");
  allow.mcp = lists("mcp");
  allow.a2a = lists("a2a");
  return allow;
}

}  // namespace tollgate::store
