#include "tollgate/store/audit_files.hpp"

#include <string_view>

#include "store/segments.hpp"

namespace tollgate::store {

bool is_audit_file(const std::string& audit_path, const std::string& file) {
  if (file.starts_with(audit_path)) {
    const std::string_view suffix = std::string_view(file).substr(audit_path.size());
    for (const std::string_view known : {"", "-wal", "-shm", "-journal", ".lock"})
      if (suffix == known) return true;
  }
  const auto slash = audit_path.rfind('/') + 1;
  return file.compare(0, slash, audit_path, 0, slash) == 0 &&
         is_segment_name(std::string_view(file).substr(slash));
}

}  // namespace tollgate::store
