#pragma once

#include <string>

#include "config/schema.hpp"

/// Texts generated from the tables of the configuration, so that the reference, the editor schema
/// and the example can never differ from what the loader accepts. Not part of the daemon.
namespace tollgate::config {

/// docs/configuration.md.
[[nodiscard]] std::string generate_reference(const SectionInfo& root);
/// config/tollgate.schema.json, JSON Schema draft 07 (what the YAML language server reads).
[[nodiscard]] std::string generate_json_schema(const SectionInfo& root);
/// config/tollgate.example.yaml. Keys that need files or exclude another key stand commented out
/// unless `everything`.
[[nodiscard]] std::string generate_example(const SectionInfo& root, bool everything = false);

}  // namespace tollgate::config
