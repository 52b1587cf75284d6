#include "config/fields.hpp"
#include "config/tables.hpp"

/// Routing, spending, audit, alerts, log, and the top level.
namespace tollgate::config {
namespace {

using namespace std::chrono_literals;

const Table<WebhookDoc>& webhook_table() {
  using W = WebhookDoc;
  static const Table<W> table(
      "Webhooks", "Where budget and other alerts are POSTed as JSON.",
      {
          url("url", &W::url, {.userinfo = false, .query = true},
              "a URL such as \"https://host/path\" without user and fragment",
              "Receives the alerts; treated as a secret after its host")
              .required()
              .example("https://hooks.example.com/tollgate"),
          boolean("allow_plain_http", &W::allow_plain_http,
                  "Allow an http URL to a host other than loopback"),
          secret("secret", &W::secret,
                 "Signs the body: HMAC-SHA256 in x-tollgate-signature; absent = unsigned")
              .example("${env:TOLLGATE_WEBHOOK_SECRET}"),
          integer("attempts", &W::attempts, 1, 100, "Deliveries tried before an alert is given up"),
      });
  return table;
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
          enumeration("unpriced", &S::unpriced,
                      "Calls to a model without a price: refuse, or hold and charge unpriced_hold"),
          usd("unpriced_hold", &S::unpriced_hold, "Charged per call of an unpriced model"),
          enumeration("unbounded_input", &S::unbounded_input,
                      "Input the body does not show (URLs, file ids): refuse, or hold "
                      "unbounded_input_hold more"),
          usd("unbounded_input_hold", &S::unbounded_input_hold,
              "Held for input that cannot be bounded"),
          usd("other_path_price", &S::other_path_price,
              "Charged per call of other /v1 paths; absent = such calls are refused")
              .example("0.01"),
          boolean("charge_abandoned_attempts", &S::charge_abandoned_attempts,
                  "Settle an attempt cut after it was sent as estimated instead of free"),
          duration("hold_wait", &S::hold_wait, 0ms, 5min,
                   "Wait this long when only other calls' holds stand in the way; 0s = refuse"),
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
              "up to four times as long. A crash loses the rows of that time"),
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
  static const Table<AlertsDoc> table("Alerts", "Alerts always reach the log and the metrics.",
                                      {list_of("webhooks", &AlertsDoc::webhooks, webhook_table(),
                                               "Where alerts are sent as well")});
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
          map_of("guardrails", &R::guardrails, guardrail_table(), is_name, "Content checks")
              .named({"strict"}),
          texts("default_guardrails", &R::default_guardrails, is_name, "the name of a guardrail",
                "Guardrails applied to every call"),
          object("routing", &R::routing, routing_table(), "Retries and failover"),
          object("spending", &R::spending, spending_table(), "Holds against budgets"),
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
