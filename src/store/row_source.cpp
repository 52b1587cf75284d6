#include "store/row_source.hpp"

#include <memory>
#include <string>

namespace tollgate::store {
namespace {

/// What a module is registered with; SQLite owns it.
struct Registration {
  RowSource* source;
  std::string declaration;
};
struct Table : sqlite3_vtab {
  RowSource* source = nullptr;
};
struct Cursor : sqlite3_vtab_cursor {
  const RowValue* row = nullptr;
  sqlite3_int64 number = 0;
};

Cursor& cursor_of(sqlite3_vtab_cursor* cursor) noexcept {
  return *static_cast<Cursor*>(cursor);
}
void step(sqlite3_vtab_cursor* cursor) noexcept {
  cursor_of(cursor).row = static_cast<Table*>(cursor->pVtab)->source->next();
  ++cursor_of(cursor).number;
}

int connect(sqlite3* db, void* data, int, const char* const*, sqlite3_vtab** out, char**) {
  const auto& registration = *static_cast<const Registration*>(data);
  if (const int rc = sqlite3_declare_vtab(db, registration.declaration.c_str())) return rc;
  auto table = std::make_unique<Table>();
  table->source = registration.source;
  *out = table.release();
  return SQLITE_OK;
}
int disconnect(sqlite3_vtab* table) {
  delete static_cast<Table*>(table);
  return SQLITE_OK;
}
int best_index(sqlite3_vtab*, sqlite3_index_info*) {
  return SQLITE_OK;
}
int open(sqlite3_vtab*, sqlite3_vtab_cursor** out) {
  *out = std::make_unique<Cursor>().release();
  return SQLITE_OK;
}
int close(sqlite3_vtab_cursor* cursor) {
  delete static_cast<Cursor*>(cursor);
  return SQLITE_OK;
}
int filter(sqlite3_vtab_cursor* cursor, int, const char*, int, sqlite3_value**) {
  static_cast<Table*>(cursor->pVtab)->source->rewind();
  step(cursor);
  return SQLITE_OK;
}
int next(sqlite3_vtab_cursor* cursor) {
  step(cursor);
  return SQLITE_OK;
}
int at_end(sqlite3_vtab_cursor* cursor) {
  return cursor_of(cursor).row == nullptr ? 1 : 0;
}
int column(sqlite3_vtab_cursor* cursor, sqlite3_context* out, int index) {
  const RowValue& value = cursor_of(cursor).row[index];
  switch (value.type) {
    case RowValue::Type::null:
      break;  // what a result is until set
    case RowValue::Type::integer:
      sqlite3_result_int64(out, value.integer);
      break;
    case RowValue::Type::text:
      sqlite3_result_text64(out, value.bytes.data(), value.bytes.size(), SQLITE_STATIC,
                            SQLITE_UTF8);
      break;
    case RowValue::Type::blob:
      sqlite3_result_blob64(out, value.bytes.data(), value.bytes.size(), SQLITE_STATIC);
      break;
  }
  return SQLITE_OK;
}
int rowid(sqlite3_vtab_cursor* cursor, sqlite3_int64* out) {
  *out = cursor_of(cursor).number;
  return SQLITE_OK;
}

/// Without xCreate the table exists by itself, under the module's name only.
constexpr sqlite3_module kModule = [] {
  sqlite3_module module{};
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xOpen = open;
  module.xClose = close;
  module.xFilter = filter;
  module.xNext = next;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = rowid;
  return module;
}();

}  // namespace

int register_source(Database& db, const char* name, int columns, RowSource& source) {
  auto registration = std::make_unique<Registration>(Registration{&source, "CREATE TABLE x("});
  for (int i = 0; i < columns; ++i) {
    registration->declaration += (i == 0 ? "c" : ",c") + std::to_string(i);
  }
  registration->declaration += ')';
  // SQLite deletes the registration also when this fails.
  return sqlite3_create_module_v2(db.raw(), name, &kModule, registration.release(),
                                  [](void* data) { delete static_cast<Registration*>(data); });
}

}  // namespace tollgate::store
