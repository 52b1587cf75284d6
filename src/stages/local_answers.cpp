#include "stages/local_answers.hpp"

#include <fmt/format.h>

#include "tollgate/base/time_format.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/domain/budget/row_json.hpp"
#include "tollgate/json/writer.hpp"
#include "tollgate/pipeline/error_body.hpp"

namespace tollgate::stages {

using base::Error;
using base::ErrorCode;
using pipeline::RequestContext;
using pipeline::Surface;
using pipeline::Verdict;
using protocol::llm::DialectKind;

namespace {

/// Aliases this key may call in its dialect.
std::vector<protocol::llm::ModelEntry> usable_models(const RequestContext& context) {
  const auto dialect = context.route.dialect == pipeline::Dialect::anthropic
                           ? domain::routing::Dialect::anthropic
                           : domain::routing::Dialect::openai;
  std::vector<protocol::llm::ModelEntry> models;
  for (const auto& [name, alias] : context.runtime->aliases) {
    if (!context.key->permissions.model(name)) continue;
    for (const auto& target : alias->routable.deployments()) {
      if (!context.key->permissions.provider(target.provider->name)) continue;
      if (!domain::routing::speaks(target.provider->kind, dialect)) continue;
      protocol::llm::ModelEntry entry;
      entry.name = name;
      models.push_back(std::move(entry));
      break;
    }
  }
  return models;
}

Verdict list_models(const RequestContext& context, std::string& body) {
  const auto& dialect = protocol::llm::dialect(context.route.dialect == pipeline::Dialect::anthropic
                                                   ? DialectKind::anthropic
                                                   : DialectKind::openai);
  const auto models = usable_models(context);
  if (context.route.name.empty()) {
    body = dialect.models_body(models);
    return Verdict::proceed();
  }
  for (const auto& model : models) {
    if (model.name != context.route.name) continue;
    // One entry: the list's only element.
    const std::string list = dialect.models_body(std::span(&model, 1));
    json::Document parsed;
    if (!parsed.parse(list).has_error()) body = parsed.root().find("data").at(0).raw();
    return Verdict::proceed();
  }
  return Verdict::refuse(Error(ErrorCode::model_not_found, "no such model for this key"));
}

void describe_me(const RequestContext& context, std::string& body) {
  json::Writer out(body);
  const auto& key = *context.key;
  out.begin_object();
  out.key("key").begin_object().member("id", key.id).member("last4", key.last4);
  out.member("agent", key.agent).member("team", key.team).member("org", key.org);
  if (key.expires) out.member("expires", base::format_rfc3339(*key.expires));
  out.end_object();
  out.key("budgets").begin_array();
  auto& ledger = context.services->ledger;
  for (const auto& row : ledger.snapshot_of(key.scopes)) domain::budget::write_row(out, row);
  out.end_array();
  out.key("rate_limits").begin_array();
  for (const auto& row : ledger.rates_of(key.scopes)) domain::budget::write_row(out, row);
  out.end_array().end_object();
}

}  // namespace

base::Task<Verdict> answer_locally(RequestContext& context) {
  std::string body;
  std::string header_lines = "Content-Type: application/json\r\n";
  if (context.route.surface == Surface::models) {
    Verdict verdict = list_models(context, body);
    if (verdict.refused()) co_return verdict;
  } else if (context.route.surface == Surface::me) {
    describe_me(context, body);
  } else {
    body = R"({"service":"tollgate"})";
  }
  header_lines += "x-request-id: ";
  header_lines += context.request_id;
  header_lines += "\r\n";
  pipeline::append_rate_headers(context, header_lines);
  context.status = 200;
  context.response_bytes = body.size();
  const std::string_view piece = body;
  const bool sent = co_await context.downstream->respond(200, header_lines, std::span(&piece, 1));
  static_cast<void>(sent);
  co_return Verdict::proceed();
}

}  // namespace tollgate::stages
