#include <cstdio>
#include <fstream>
#include <string>

#include "config/tables.hpp"
#include "config/tools/docgen.hpp"

/// Writes the files generated from the configuration tables below the given source folder.
int main(int argc, char** argv) {
  using namespace tollgate::config;
  if (argc != 2) {
    std::fprintf(stderr, "usage: tollgate_config_docs SOURCE_FOLDER\n");
    return 2;
  }
  const SectionInfo& root = root_table().info();
  const std::string folder = argv[1];
  const auto write = [&](const char* name, const std::string& text) {
    std::ofstream file(folder + "/" + name, std::ios::binary | std::ios::trunc);
    file << text;
    file.close();
    if (!file) std::fprintf(stderr, "cannot write %s/%s\n", folder.c_str(), name);
    return static_cast<bool>(file);
  };
  const bool good = write("docs/configuration.md", generate_reference(root)) &&
                    write("config/tollgate.schema.json", generate_json_schema(root)) &&
                    write("config/tollgate.example.yaml", generate_example(root));
  return good ? 0 : 1;
}
