#include <algorithm>

#include "config/fields.hpp"
#include "config/tables.hpp"

/// Routing, spending, audit, alerts, log, and the top level.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

const Table<WebhookDoc>& webhook_table() {
  using W = WebhookDoc;
  static const Table<W> table(
      "Webhooks", "Where alerts are POSTed as JSON. docs/alerts.md has what is sent.",
      {
          url("url", &W::url, {.userinfo = false, .query = true},
              "a URL such as \"https://host/path\" without user and fragment",
              "Receives the alerts; treated as a secret after its host")
              .required()
              .example("https://hooks.example.com/tollgate"),
          boolean("allow_plain_http", &W::allow_plain_http,
                  "Allow an http URL to a host other than loopback"),
          proxy_field(&W::proxy),
          secret("secret", &W::secret,
                 "Signs the body: HMAC-SHA256 in x-tollgate-signature; absent = unsigned")
              .example("${env:TOLLGATE_WEBHOOK_SECRET}"),
          enumeration("format", &W::format,
                      "The members of docs/alerts.md, or a text as Slack and what is compatible "
                      "with it take one"),
          enumerations("events", &W::events, "What is sent there"),
          integer("attempts", &W::attempts, 1, 100, "Deliveries tried before an alert is given up"),
          duration("timeout", &W::timeout, 10ms, 5min, "Longest time one of them may take"),
          duration("retry_max", &W::retry_max, 10ms, 24h,
                   "Longest pause between them; pauses grow from one second, and a Retry-After may "
                   "ask for more"),
      });
  return table;
}

/// Empty, or the name of a header that neither opens a door nor frames a message.
std::optional<std::string> read_end_user_header(Reader& reader, const Node& node,
                                                const std::string& path) {
  constexpr std::string_view kForm = "a header name such as \"x-end-user-id\"";
  constexpr std::size_t kMaxName = 128;
  // Credentials would end up in the record as names of users.
  static const std::vector<std::string> kCredentials{
      "authorization", "proxy-authorization", "x-api-key",      "api-key", "x-goog-api-key",
      "cookie",        "set-cookie",          "mcp-session-id", "cookie2", "www-authenticate"};
  // RFC 9110, 7.6.1, and what frames a message: these belong to one connection, not to a call.
  static const std::vector<std::string> kHopByHop{
      "connection", "keep-alive",        "proxy-connection", "proxy-authenticate", "te",
      "trailer",    "transfer-encoding", "upgrade",          "content-length",     "host",
      "expect"};
  const auto* text = reader.scalar(node, path, kForm);
  if (text == nullptr) return std::nullopt;
  if (text->empty()) return std::string();
  const std::string lower = base::to_lower(*text);
  const auto among = [&](const std::vector<std::string>& list) {
    return std::find(list.begin(), list.end(), lower) != list.end();
  };
  if (!is_token(*text) || text->size() > kMaxName)
    reader.bad_value(node, path, "is not a header name", kForm);
  else if (among(kCredentials))
    reader.bad_value(node, path, "is a header of credentials", kForm);
  else if (among(kHopByHop))
    reader.bad_value(node, path, "is a header of one connection", kForm);
  else
    return lower;
  return std::nullopt;
}

Field<RootDoc> end_user_header_field() {
  return value_field("end_user_header", &RootDoc::end_user_header, ValueType::text, "\"\"",
                     "Header in which callers name their end user; without it only the body does",
                     read_end_user_header)
      .example("x-end-user-id");
}

}  // namespace

const Table<Routing>& routing_table() {
  using R = Routing;
  static const Table<R> table(
      "Routing", "Retries, failover and cooldowns, always before the first byte to the agent.",
      {
          integer("max_attempts", &R::max_attempts, 1, 100,
                  "Attempts of one call over all deployments, the first included"),
          integer("retries_per_deployment", &R::retries_per_deployment, 0, 10,
                  "Of these, repeats at the same deployment"),
          duration("backoff_base", &R::backoff_base, 0ms, 1min,
                   "First pause before a repeat; doubles, with jitter"),
          duration("backoff_max", &R::backoff_max, 0ms, 5min, "Longest pause before a repeat"),
          integer("retry_budget_percent", &R::retry_budget_percent, 0, 100,
                  "Retries allowed as a share of the calls of the last 10 s")
              .unit("percent"),
          integer("retry_budget_min", &R::retry_budget_min, 0, 1'000'000,
                  "Retries in 10 s always allowed")
              .unit("retries"),
          duration("cooldown", &R::cooldown, 0ms, 1h,
                   "How long a failed deployment is asked last, and one whose 429 told no "
                   "Retry-After not at all"),
          duration("cooldown_max", &R::cooldown_max, 0ms, 24h,
                   "Longest pause a Retry-After may ask for"),
          integer("cooldown_failures", &R::cooldown_failures, 1, 1'000,
                  "Connect and 5xx failures in a row that start a cooldown; 429 does at once"),
          duration("dns_ttl", &R::dns_ttl, 1s, 24h, "How long an upstream's addresses are kept")
              .restart(),
          duration("dns_stale", &R::dns_stale, 0ms, 24h,
                   "How long old addresses still serve, while the name is asked again")
              .restart(),
      });
  return table;
}

const Table<Spending>& spending_table() {
  using S = Spending;
  constexpr std::int64_t kMaxTokens = 1'000'000'000;
  static const Table<S> table(
      "Spending", "How much a call may hold against budgets before its cost is known.",
      {
          integer("default_output_cap", &S::default_output_cap, 1, kMaxTokens,
                  "Output cap when neither agent nor catalogue names one")
              .unit("tokens"),
          integer("min_output_tokens", &S::min_output_tokens, 1, kMaxTokens,
                  "A cap is never lowered below this to fit a budget")
              .unit("tokens"),
          integer("useful_output_tokens", &S::useful_output_tokens, 1, kMaxTokens,
                  "Calls wait (hold_wait) rather than have their cap lowered below this, and none "
                  "takes the room of another beyond this and its share")
              .unit("tokens"),
          boolean("estimate_near_cap", &S::estimate_near_cap,
                  "Where a hold at one token a byte does not fit, hold input at an estimate from "
                  "above instead"),
          enumeration("on_ignored_cap", &S::on_ignored_cap,
                      "A stream whose provider ignores the output cap: end it as the dialect ends "
                      "an answer at its cap, end it by an error, or pass it"),
          enumeration("unpriced", &S::unpriced,
                      "Calls to a model without a price: refuse, or hold and charge unpriced_hold"),
          usd("unpriced_hold", &S::unpriced_hold, "Charged per call of an unpriced model"),
          enumeration("unbounded_input", &S::unbounded_input,
                      "Input the body does not show (URLs, file ids): refuse, or hold "
                      "unbounded_input_hold more"),
          usd("unbounded_input_hold", &S::unbounded_input_hold,
              "Held for input that cannot be bounded"),
          enumeration("unknown_modifier", &S::unknown_modifier,
                      "A service tier, audio or anything else that the model's price does not "
                      "name: refuse the call that asks for it, or hold and charge at least "
                      "unknown_modifier_hold"),
          usd("unknown_modifier_hold", &S::unknown_modifier_hold,
              "Least charge for a call whose price is not wholly known"),
          usd("other_path_price", &S::other_path_price,
              "Charged per call of other /v1 paths; absent = such calls are refused")
              .example("0.01"),
          enumeration("abandoned_attempts", &S::abandoned_attempts,
                      "What an attempt costs that broke off after it was sent and before its "
                      "provider told what it used: an estimate of its input and output, all that "
                      "was held for it, or nothing where its agent got none of its answer"),
          integer(
              "silent_output_rate", &S::silent_output_rate, 0, 100'000,
              "Tokens a second taken to be made while a provider says nothing for more than 3 s "
              "(reasoning that is not shown, JSON answers), where the agent leaves before the "
              "provider told what it used; 0 = none"),
          duration("hold_wait", &S::hold_wait, 0ms, 5min,
                   "Wait this long when only other calls' holds stand in the way; 0s = refuse"),
          duration("journal_sync", &S::journal_sync, 10ms, 1min,
                   "A power failure loses at most this much of the spending; a crash loses none")
              .restart(),
          integer(
              "live_scopes", &S::live_scopes, 1, 10'000'000,
              "Sessions and end users with budgets or rate limits known at once; beyond, those of "
              "the owner that has the most give way"),
          duration("live_scope_idle", &S::live_scope_idle, 1h, 24h * 3'650,
                   "A session or end user without a call for this long is forgotten"),
          boolean("show_amounts", &S::show_amounts, "Name limit and spend in 402 messages"),
      });
  return table;
}

const Table<Audit>& audit_table() {
  using A = Audit;
  constexpr std::uint64_t kKiB = 1'024, kMiB = 1'024 * kKiB, kGiB = 1'024 * kMiB;
  static const Table<A> table(
      "Audit", "The record of every call, in one SQLite file.",
      {
          path("path", &A::path, "The database file; bodies lie beside it").restart(),
          enumeration("bodies", &A::bodies,
                      "Bodies stored: none, masked (after guardrails) or full"),
          size("body_bytes", &A::body_bytes, 0, 64 * kMiB,
               "Stored of each body; length and digest are of the whole"),
          integer("queue", &A::queue, 64, 16'777'216, "Records waiting to be written")
              .unit("records")
              .restart(),
          size("queue_body_bytes", &A::queue_body_bytes, 0, 1ull << 40,
               "Bodies waiting to be written; over it records keep length and digest only")
              .restart(),
          enumeration(
              "on_full", &A::on_full,
              "When the queue is full: refuse calls with 503, or drop records and count them"),
          duration(
              "flush_interval", &A::flush_interval, 1ms, 10s,
              "Wait between batches; fewer than 16 records (or than `batch`, if that is less) wait "
              "up to four times as long. A crash loses the details of that time, not its money"),
          integer("batch", &A::batch, 1, 100'000,
                  "Most records of one transaction; 1 = each by itself, none waits for others")
              .unit("records"),
          boolean("sync_full", &A::sync_full,
                  "SQLite synchronous=FULL: survives power loss, costs a disk flush per batch")
              .restart(),
          duration("retention_age", &A::retention_age, 1h, 24h * 36'500,
                   "Older records are deleted"),
          size("retention_bytes", &A::retention_bytes, kMiB, 1ull << 50,
               "Oldest records are deleted above this size"),
          size("segment_bytes", &A::segment_bytes, 64 * kKiB, 16 * kGiB,
               "A body segment file is closed at this size"),
          size("min_free_bytes", &A::min_free_bytes, 0, 1ull << 50,
               "Less free space than this counts as a full disk"),
      });
  return table;
}

const Table<AlertsDoc>& alerts_table() {
  static const Table<AlertsDoc> table(
      "Alerts", "Alerts always reach the log and the metrics.",
      {list_of("webhooks", &AlertsDoc::webhooks, webhook_table(), "Where alerts are sent as well"),
       integer("queue", &AlertsDoc::queue, 1, 1'000'000,
               "Deliveries under way at once; over it they are "
               "dropped, and on record as failed")
           .unit("deliveries")});
  return table;
}

const Table<Log>& log_table() {
  static const Table<Log> table(
      "Log", "The daemon's own log, on standard error.",
      {enumeration("level", &Log::level, "Least level written"),
       boolean("json", &Log::json, "One JSON object per line instead of text").restart()});
  return table;
}

const Table<RootDoc>& root_table() {
  using R = RootDoc;
  static const Table<R> table(
      "Top level", "The sections of the file.",
      {
          integer("version", &R::version, 1, 1, "Version of this format; always 1"),
          list_of("listeners", &R::listeners, listener_table(), "Where agents connect")
              .default_is("one on 127.0.0.1:8080")
              .restart(),
          object("admin", &R::admin, admin_table(), "The admin port"),
          path("control_socket", &R::control_socket, "Unix socket of the command line (mode 0600)")
              .restart(),
          integer("workers", &R::workers, 0, 1'024, "Worker threads; 0 = one per core").restart(),
          enumeration("accept_balance", &R::accept_balance,
                      "How connections spread over workers: exact (handed out in turn) or kernel "
                      "(SO_REUSEPORT)")
              .restart(),
          object("limits", &R::limits, limits_table(), "Bounds on agents and answers"),
          object("timeouts", &R::timeouts, timeouts_table(), "Deadlines"),
          map_of("providers", &R::providers, provider_table(), is_name, "Model providers")
              .named({"openai"}),
          map_of("models", &R::models, model_table(), is_model_name, "Aliases agents ask for")
              .named({"gpt-4o"}),
          map_of("mcp_servers", &R::mcp_servers, mcp_server_table(), is_name, "MCP tool servers")
              .named({"search"}),
          map_of("a2a_agents", &R::a2a_agents, a2a_agent_table(), is_name, "A2A agents")
              .named({"planner"}),
          map_of("orgs", &R::orgs, org_table(), is_name, "Organisations").named({"acme"}),
          map_of("teams", &R::teams, team_table(), is_name, "Teams").named({"research"}),
          map_of("agents", &R::agents, agent_table(), is_name, "Agents").named({"coder"}),
          list_of("keys", &R::keys, key_table(), "Virtual keys"),
          map_of("tags", &R::tags, tag_table(), is_model_name, "Caps shared by the keys with a tag")
              .named({"prod"}),
          each_session_field<R>("every caller"),
          each_end_user_field<R>("every caller"),
          end_user_header_field(),
          map_of("guardrails", &R::guardrails, guardrail_table(), is_name, "Content checks")
              .named({"strict"}),
          texts("default_guardrails", &R::default_guardrails, is_name, "the name of a guardrail",
                "Guardrails applied to every call"),
          object("routing", &R::routing, routing_table(), "Retries and failover"),
          object("spending", &R::spending, spending_table(), "Holds against budgets"),
          object("loop_breaker", &R::loop_breaker, loop_breaker_table(),
                 "Runaway loops, stopped as loops"),
          object("loop_memory", &R::loop_memory, loop_memory_table(),
                 "What the loop breaker remembers"),
          object("prices", &R::prices, prices_table(), "The price catalogue"),
          object("audit", &R::audit, audit_table(), "The record of calls"),
          object("alerts", &R::alerts, alerts_table(), "Who is told"),
          texts("mcp_allowed_origins", &R::mcp_allowed_origins, is_web_origin,
                "an origin such as \"https://app.example.com\"",
                "Origin headers that browsers may send to /mcp and /a2a"),
          secret("mcp_session_secret", &R::mcp_session_secret,
                 "Seals MCP session ids for the key that opened them, at least 32 bytes; without "
                 "it sessions end with the process, and replicas cannot share them")
              .example("${env:TOLLGATE_MCP_SESSION_SECRET}"),
          url("public_url", &R::public_url, {}, "a URL such as \"https://gate.example.com\"",
              "Base URL that agents use, written into agent cards; without it scheme and Host of "
              "each request")
              .example("https://gate.example.com"),
          object("log", &R::log, log_table(), "The daemon's own log"),
      });
  return table;
}

}  // namespace tollgate::config
