#pragma once

#include "config/document.hpp"
#include "config/fields.hpp"

/// Every key of the configuration, each written down once. The tables are immutable after their
/// first use; any thread.
namespace tollgate::config {

[[nodiscard]] const Table<RootDoc>& root_table();
[[nodiscard]] const Table<PriceFileDoc>& price_file_table();

// Parts of the root, split over tables_*.cpp.
[[nodiscard]] const Table<ListenerDoc>& listener_table();
[[nodiscard]] const Table<AdminDoc>& admin_table();
[[nodiscard]] const Table<Limits>& limits_table();
[[nodiscard]] const Table<Timeouts>& timeouts_table();
[[nodiscard]] const Table<ProviderDoc>& provider_table();
[[nodiscard]] const Table<ModelDoc>& model_table();
[[nodiscard]] const Table<McpServerDoc>& mcp_server_table();
[[nodiscard]] const Table<A2aAgentDoc>& a2a_agent_table();
[[nodiscard]] const Table<TagDoc>& tag_table();
[[nodiscard]] const Table<EachDoc>& each_table();
[[nodiscard]] const Table<OwnerDoc>& org_table();
[[nodiscard]] const Table<OwnerDoc>& team_table();
[[nodiscard]] const Table<OwnerDoc>& agent_table();
[[nodiscard]] const Table<KeyDoc>& key_table();
[[nodiscard]] const Table<GuardrailDoc>& guardrail_table();
[[nodiscard]] const Table<Routing>& routing_table();
[[nodiscard]] const Table<Spending>& spending_table();
[[nodiscard]] const Table<LoopBreaker>& loop_breaker_table();
[[nodiscard]] const Table<LoopMemory>& loop_memory_table();
/// A key's own loop breaker, kept as it is written until resolve_loops.
[[nodiscard]] Field<KeyDoc> own_loop_breaker();
[[nodiscard]] const Table<PricesDoc>& prices_table();
[[nodiscard]] const Table<PriceDoc>& price_table();
[[nodiscard]] const Table<PriceDoc>& catalogue_table();
[[nodiscard]] const Table<Audit>& audit_table();
[[nodiscard]] const Table<AlertsDoc>& alerts_table();
[[nodiscard]] const Table<Log>& log_table();

[[nodiscard]] const Table<BudgetDoc>& budget_table();
[[nodiscard]] const Table<RateLimitDoc>& rate_limit_table();

/// A member of a base class seen as one of T, so that fields are made for T.
template <class T, class Base, class M>
constexpr M T::*of_base(M Base::*member) {
  return member;
}

/// `whose` stands after "calls of".
template <class T>
Field<T> budgets_field(const std::string& whose) {
  return list_of("budgets", of_base<T>(&CapsDoc::budgets), budget_table(),
                 "Caps on all calls of " + whose)
      .example("[{limit: 100.00, window: month}]");
}
template <class T>
Field<T> rate_limits_field(const std::string& whose) {
  return list_of("rate_limits", of_base<T>(&CapsDoc::rate_limits), rate_limit_table(),
                 "How many calls of " + whose + " may come in a time, or run at once")
      .example("[{requests: 600}]");
}
template <class T>
std::vector<Field<T>> caps_fields(const std::string& whose) {
  return {budgets_field<T>(whose), rate_limits_field<T>(whose)};
}
template <class T>
Field<T> each_session_field(const std::string& whose) {
  return object("each_session", of_base<T>(&EachesDoc::each_session), each_table(),
                "What each session of " + whose + " gets for itself")
      .example("{budgets: [{limit: 1.00, window: total}]}");
}
template <class T>
Field<T> each_end_user_field(const std::string& whose) {
  return object("each_end_user", of_base<T>(&EachesDoc::each_end_user), each_table(),
                "What each end user of " + whose + " gets for itself")
      .example("{rate_limits: [{requests: 60}]}");
}
template <class T>
std::vector<Field<T>> each_fields(const std::string& whose) {
  return {each_session_field<T>(whose), each_end_user_field<T>(whose)};
}

[[nodiscard]] std::optional<ProxyChoice> read_proxy(Reader& reader, const Node& node,
                                                    const std::string& path);
/// By which way a peer is reached.
template <class T>
Field<T> proxy_field(ProxyChoice T::*member) {
  return value_field(
      "proxy", member, ValueType::text, "env",
      "Egress proxy: a URL, none, or env for HTTPS_PROXY, http_proxy, ALL_PROXY and NO_PROXY",
      read_proxy);
}

/// Sizes of a model, wherever they may be said.
template <class T>
std::vector<Field<T>> window_fields() {
  return {integer("context_window", &T::context_window, 0, 1'000'000'000,
                  "Tokens the model can read; 0 = as the catalogue says")
              .unit("tokens"),
          integer("max_output", &T::max_output, 0, 1'000'000'000,
                  "Tokens the model can write in one answer; 0 = as the catalogue says")
              .unit("tokens")};
}

/// How a model counts what is no text, likewise.
template <class T>
std::vector<Field<T>> counting_fields() {
  constexpr std::int64_t kMost = 1'000'000'000;
  using C = CountingDoc;
  return {
      enumeration(
          "tokenizer", of_base<T>(&C::tokenizer),
          "Whose tokenizer the model has; absent = by its name and provider. Estimates near "
          "a cap go by it (spending.estimate_near_cap)")
          .example("openai"),
      integer("image_tokens", of_base<T>(&C::image_tokens), 0, kMost,
              "The most input tokens one image counts; absent = what docs/prices.md says")
          .unit("tokens")
          .example("1445"),
      integer("audio_tokens_per_second", of_base<T>(&C::audio_tokens_per_second), 0, kMost,
              "The most input tokens a second of audio counts; absent = what docs/prices.md says")
          .unit("tokens")
          .example("10"),
      integer("document_tokens", of_base<T>(&C::document_tokens), 0, kMost,
              "The most input tokens one document (PDF) counts; absent = the context window, and "
              "without one spending.unbounded_input decides")
          .unit("tokens")
          .example("60000"),
      integer("server_tool_tokens", of_base<T>(&C::server_tool_tokens), 0, kMost,
              "The most input tokens one use of a tool that the provider runs brings, for requests "
              "that bound its uses; absent = spending.unbounded_input decides")
          .unit("tokens")
          .example("25000")};
}

/// A field that holds section -> model -> price.
template <class T>
Field<T> price_sections(std::string key, PriceSections T::*member, std::string doc) {
  Field<T> field;
  field.info.key = std::move(key);
  field.info.type = ValueType::price_table;
  field.info.default_text = "{}";
  field.info.doc = std::move(doc);
  field.info.section = &catalogue_table().info();
  field.read = [member](Reader& reader, const Node& node, const std::string& path, T& out) {
    each_entry(reader, node, path, "a map of catalogue sections",
               [&](const Node::Entry& section, const std::string& section_path) {
                 auto& models = (out.*member)[section.key];
                 each_entry(reader, *section.value, section_path, "a map of models",
                            [&](const Node::Entry& model, const std::string& model_path) {
                              catalogue_table().read(reader, *model.value, model_path,
                                                     models[model.key]);
                            });
               });
  };
  return field;
}

}  // namespace tollgate::config
