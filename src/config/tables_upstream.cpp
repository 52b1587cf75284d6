#include <algorithm>

#include "config/fields.hpp"
#include "config/tables.hpp"

/// Providers, models, MCP servers and A2A agents.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

constexpr std::string_view kUrlForm =
    "a URL such as \"https://host/path\" without user, query and fragment";

/// A member of the base seen as one of T, so that fields are made for T.
template <class T, class M>
constexpr M T::*of(M UpstreamDoc::*member) {
  return member;
}

/// Header name -> secret value, sent upstream as is.
template <class T>
Field<T> headers_field() {
  Field<T> field;
  field.info.key = "headers";
  field.info.type = ValueType::secret_map;
  field.info.default_text = "{}";
  field.info.doc = "Header fields sent with every call; values are secrets";
  field.read = [](Reader& reader, const Node& node, const std::string& path, T& out) {
    each_entry(reader, node, path, "a map of header names",
               [&](const Node::Entry& entry, const std::string& at) {
                 static const std::vector<std::string> kReserved{"connection",
                                                                 "content-length",
                                                                 "content-encoding",
                                                                 "expect",
                                                                 "host",
                                                                 "keep-alive",
                                                                 "te",
                                                                 "trailer",
                                                                 "transfer-encoding",
                                                                 "upgrade",
                                                                 "proxy-authorization"};
                 const std::string lower = base::to_lower(entry.key);
                 if (!is_token(entry.key))
                   reader.problem(entry.key_at, at, "is not a header name",
                                  "letters, digits and \"-\"");
                 else if (std::find(kReserved.begin(), kReserved.end(), lower) != kReserved.end())
                   reader.problem(entry.key_at, at, "is a header that Tollgate sets itself",
                                  "another header");
                 for (const auto& [other, value] : out.headers)
                   if (other != entry.key && base::iequals(other, entry.key))
                     reader.problem(entry.key_at, at, "is the same header as " + other,
                                    "each header once");
                 if (auto value = reader.secret(*entry.value, at))
                   out.headers[entry.key] = std::move(*value);
               });
  };
  return field;
}

/// A member of the nested UpstreamTls as if it were one of T.
template <class T, class M, class Parse>
Field<T> tls_field(std::string key, M UpstreamTls::*member, ValueType type, std::string def,
                   std::string doc, Parse parse) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = type;
  field.info.default_text = std::move(def);
  field.info.doc = std::move(doc);
  field.read = [member, parse](Reader& r, const Node& n, const std::string& path, T& out) {
    if (auto value = parse(r, n, path)) out.tls.*member = std::move(*value);
  };
  return field;
}

/// What every upstream has, after its URL and before its own keys.
template <class T>
std::vector<Field<T>> upstream_fields(std::vector<Field<T>> first, std::vector<Field<T>> last) {
  std::vector<Field<T>> fields = std::move(first);
  fields.push_back(boolean("allow_plain_http", of<T>(&UpstreamDoc::allow_plain_http),
                           "Allow an http URL to a host other than loopback"));
  fields.push_back(headers_field<T>());
  fields.push_back(tls_field<T>("ca_file", &UpstreamTls::ca_file, ValueType::file, "",
                                "PEM CAs for this upstream instead of the system's", read_file_name)
                       .example("upstream-ca.crt")
                       .commented());
  fields.push_back(tls_field<T>("client_certificate_file", &UpstreamTls::certificate_file,
                                ValueType::file, "", "PEM client certificate chain", read_file_name)
                       .example("client.crt")
                       .commented());
  fields.push_back(tls_field<T>("client_key_file", &UpstreamTls::private_key_file, ValueType::file,
                                "", "PEM private key of the client certificate", read_file_name)
                       .example("client.key")
                       .commented());
  fields.push_back(tls_field<T>("verify_tls", &UpstreamTls::verify, ValueType::boolean, "true",
                                "Check the upstream's certificate; false is logged at every start",
                                read_bool));
  fields.push_back(proxy_field(of<T>(&UpstreamDoc::proxy)));
  fields.push_back(integer("max_connections", of<T>(&UpstreamDoc::max_connections), 1, 100'000,
                           "Connections of one worker to this upstream")
                       .unit("per worker"));
  fields.push_back(integer("max_idle", of<T>(&UpstreamDoc::max_idle), 0, 100'000,
                           "Idle connections a worker keeps for reuse")
                       .unit("per worker"));
  fields.push_back(duration("idle_timeout", of<T>(&UpstreamDoc::idle_timeout), 100ms, 1h,
                            "An idle upstream connection is closed after this"));
  for (auto& field : last) fields.push_back(std::move(field));
  return fields;
}

const Table<ProviderTimeoutsDoc>& provider_timeouts_table() {
  using T = ProviderTimeoutsDoc;
  static const Table<T> table("Provider timeouts",
                              "Override the same keys of timeouts for one provider.",
                              {duration("first_byte_stream", &T::first_byte_stream, 10ms, 1h,
                                        "To the first event or comment of a stream")
                                   .example("60s"),
                               duration("first_byte_json", &T::first_byte_json, 10ms, 2h,
                                        "To the first byte of a JSON answer")
                                   .example("10m")});
  return table;
}

/// "provider/model", where the model's own name may hold more slashes.
void read_deployment_text(Reader& reader, const Node& node, const std::string& path,
                          DeploymentDoc& out) {
  constexpr std::string_view kForm = "provider/model such as \"openai/gpt-4o\"";
  const auto* text = reader.scalar(node, path, kForm);
  if (text == nullptr) return;
  const auto slash = text->find('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == text->size())
    return reader.bad_value(node, path, "names no provider and model", kForm);
  out.provider = text->substr(0, slash);
  out.model = text->substr(slash + 1);
}

const Table<DeploymentDoc>& deployment_table() {
  using D = DeploymentDoc;
  static const Table<D> table = [] {
    std::vector<Field<D>> fields{
        name("provider", &D::provider, "Name of an entry of providers")
            .required()
            .example("openai"),
        name("model", &D::model, "The provider's own name of the model; absent = the alias")
            .default_is("the alias")
            .example("gpt-4o"),
        integer("priority", &D::priority, 0, 1'000, "Lower is tried first"),
        integer("weight", &D::weight, 0, 1'000'000,
                "Share of calls among equal priorities; 0 = only when alone"),
        object("price", &D::price, price_table(), "Price instead of the catalogue's"),
    };
    for (auto& field : window_fields<D>()) fields.push_back(std::move(field));
    for (auto& field : counting_fields<D>()) fields.push_back(std::move(field));
    return Table<D>("Deployments", "One provider's model behind an alias.", std::move(fields))
        .shorthand("`provider/model`", read_deployment_text);
  }();
  return table;
}

}  // namespace

std::optional<ProxyChoice> read_proxy(Reader& reader, const Node& node, const std::string& path) {
  constexpr std::string_view kForm = "env, none or a URL such as \"http://proxy.example:3128\"";
  const auto text = reader.expanded(node, path, kForm);
  if (!text) return std::nullopt;
  if (*text == "env") return ProxyChoice{};
  if (*text == "none") return ProxyChoice{false, std::nullopt};
  std::string why;
  auto url = parse_url(*text, {.userinfo = true, .query = false}, why);
  if (url && url->scheme != "http") why = "has another scheme than http", url.reset();
  if (url && !url->path.empty() && url->path != "/") why = "has a path", url.reset();
  if (!url) {
    reader.problem(node.at, path, "the proxy URL " + why, std::string(kForm));
    return std::nullopt;
  }
  return ProxyChoice{false, std::move(url)};
}

const Table<ProviderDoc>& provider_table() {
  using P = ProviderDoc;
  static const Table<P> table(
      "Providers", "Model providers, by a name of your choice.",
      upstream_fields<P>(
          {enumeration("kind", &P::kind,
                       "What the provider speaks; absent = the entry's name when that is a kind")
               .default_is("the entry's name")
               .example("openai"),
           url("base_url", of<P>(&UpstreamDoc::url), {}, std::string(kUrlForm),
               "Where its API starts; openai https://api.openai.com/v1, anthropic "
               "https://api.anthropic.com, required for openai_compatible, unused for demo")
               .default_is("by kind")
               .example("https://api.openai.com/v1"),
           secret("api_key", &P::api_key,
                  "Tollgate's own credential at the provider; agents never see it")
               .example("${env:OPENAI_API_KEY}")},
          {name("catalogue", &P::catalogue,
                "Section of the price catalogue; absent = by kind, for openai_compatible the "
                "entry's name")
               .default_is("by kind")
               .example("openai"),
           name("default_modifier", &P::default_modifier,
                "What this account's calls are served as when they ask for nothing else, such as "
                "\"priority\"; its price is held for")
               .default_is("as usual")
               .example("flex")
               .commented(),
           enumeration("output_cap_field", &P::output_cap_field,
                       "The field of chat completions in which it knows an output cap: a cap that "
                       "the agent sends as max_completion_tokens alone is renamed for a host that "
                       "knows max_tokens, which may ignore the other. For OpenAI's or Azure's "
                       "reasoning models behind openai_compatible: max_completion_tokens")
               .default_is("max_completion_tokens for openai, else max_tokens")
               .example("max_tokens")
               .commented(),
           object("timeouts", &P::timeouts, provider_timeouts_table(), "Timeouts of this provider"),
           budgets_field<P>("this provider"), rate_limits_field<P>("this provider")}));
  return table;
}

const Table<ModelDoc>& model_table() {
  using M = ModelDoc;
  static const Table<M> table =
      Table<M>("Models", "What agents may ask for: an alias and the deployments behind it.",
               {list_of("deployments", &M::deployments, deployment_table(),
                        "Where calls go, by priority and weight")
                    .required(),
                texts("guardrails", &M::guardrails, is_name, "the name of a guardrail",
                      "Guardrails for calls to this model"),
                budgets_field<M>("this alias"), rate_limits_field<M>("this alias")})
          .shorthand("`provider/model`, or a list of deployments",
                     [](Reader& reader, const Node& node, const std::string& path, M& out) {
                       if (node.is_scalar())
                         return deployment_table().read(reader, node, path,
                                                        out.deployments.emplace_back());
                       reader.note(join_path(path, "deployments"), node.at, node.at);
                       each_item(reader, node, path, "a list of deployments",
                                 [&](const Node& item, const std::string& at) {
                                   deployment_table().read(reader, item, at,
                                                           out.deployments.emplace_back());
                                 });
                     });
  return table;
}

const Table<McpServerDoc>& mcp_server_table() {
  using M = McpServerDoc;
  static const Table<M> table = [] {
    Field<M> tool_prices;
    tool_prices.info.key = "tool_prices";
    tool_prices.info.type = ValueType::usd_map;
    tool_prices.info.default_text = "{}";
    tool_prices.info.unit = "USD";
    tool_prices.info.doc = "Price per tools/call by tool name, instead of price_per_call";
    tool_prices.info.example = "{search: 0.01}";
    tool_prices.read = [](Reader& reader, const Node& node, const std::string& path, M& out) {
      each_entry(reader, node, path, "a map of tool names",
                 [&](const Node::Entry& entry, const std::string& at) {
                   if (const auto price = read_usd(reader, *entry.value, at))
                     out.tool_prices[entry.key] = *price;
                 });
    };
    return Table<M>(
        "MCP servers", "Tool servers reached at /mcp/{name}.",
        upstream_fields<M>({url("url", of<M>(&UpstreamDoc::url), {}, std::string(kUrlForm),
                                "The server's Streamable HTTP endpoint")
                                .required()
                                .example("https://mcp.example.com/mcp")},
                           {usd("price_per_call", &M::price_per_call,
                                "Price of one tools/call; other methods are free"),
                            std::move(tool_prices),
                            texts("idempotent_tools", &M::idempotent_tools, is_field_value,
                                  "a tool name, \"*\" for any run",
                                  "Tools that may be called again after a failure (globs)")}));
  }();
  return table;
}

const Table<A2aAgentDoc>& a2a_agent_table() {
  using A = A2aAgentDoc;
  static const Table<A> table(
      "A2A agents", "Other agents, reached at /a2a/{name}.",
      upstream_fields<A>(
          {url("url", of<A>(&UpstreamDoc::url), {}, std::string(kUrlForm),
               "The agent's JSON-RPC endpoint")
               .required()
               .example("https://agent.example.com/a2a")},
          {text("card_path", &A::card_path, "Path of its agent card on the same host"),
           usd("price_per_call", &A::price_per_call,
               "Price of one message/send or message/stream")}));
  return table;
}

}  // namespace tollgate::config
