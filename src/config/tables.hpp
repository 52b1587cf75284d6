#pragma once

#include "config/document.hpp"
#include "config/schema.hpp"

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
[[nodiscard]] const Table<BudgetDoc>& budget_table();
[[nodiscard]] const Table<OwnerDoc>& org_table();
[[nodiscard]] const Table<OwnerDoc>& team_table();
[[nodiscard]] const Table<OwnerDoc>& agent_table();
[[nodiscard]] const Table<KeyDoc>& key_table();
[[nodiscard]] const Table<GuardrailDoc>& guardrail_table();
[[nodiscard]] const Table<Routing>& routing_table();
[[nodiscard]] const Table<Spending>& spending_table();
[[nodiscard]] const Table<PricesDoc>& prices_table();
[[nodiscard]] const Table<PriceDoc>& price_table();
[[nodiscard]] const Table<PriceDoc>& catalogue_table();
[[nodiscard]] const Table<Audit>& audit_table();
[[nodiscard]] const Table<AlertsDoc>& alerts_table();
[[nodiscard]] const Table<Log>& log_table();

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
