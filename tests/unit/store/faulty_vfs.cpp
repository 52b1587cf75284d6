#include "faulty_vfs.hpp"

#include <cstring>

namespace tollgate::store::testing {
namespace {

int fail_code = SQLITE_OK;
int fail_after = 0;
int seen_writes = 0;

struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* inner() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
sqlite3_file* inner(sqlite3_file* f) {
  return reinterpret_cast<FaultyFile*>(f)->inner();
}

int x_close(sqlite3_file* f) {
  return inner(f)->pMethods->xClose(inner(f));
}
int x_read(sqlite3_file* f, void* p, int n, sqlite3_int64 at) {
  return inner(f)->pMethods->xRead(inner(f), p, n, at);
}
int x_write(sqlite3_file* f, const void* p, int n, sqlite3_int64 at) {
  if (++seen_writes > fail_after && fail_code != SQLITE_OK) return fail_code;
  return inner(f)->pMethods->xWrite(inner(f), p, n, at);
}
int x_truncate(sqlite3_file* f, sqlite3_int64 n) {
  return inner(f)->pMethods->xTruncate(inner(f), n);
}
int x_sync(sqlite3_file* f, int flags) {
  return inner(f)->pMethods->xSync(inner(f), flags);
}
int x_size(sqlite3_file* f, sqlite3_int64* n) {
  return inner(f)->pMethods->xFileSize(inner(f), n);
}
int x_lock(sqlite3_file* f, int l) {
  return inner(f)->pMethods->xLock(inner(f), l);
}
int x_unlock(sqlite3_file* f, int l) {
  return inner(f)->pMethods->xUnlock(inner(f), l);
}
int x_reserved(sqlite3_file* f, int* out) {
  return inner(f)->pMethods->xCheckReservedLock(inner(f), out);
}
int x_control(sqlite3_file* f, int op, void* arg) {
  return inner(f)->pMethods->xFileControl(inner(f), op, arg);
}
int x_sector(sqlite3_file* f) {
  return inner(f)->pMethods->xSectorSize(inner(f));
}
int x_traits(sqlite3_file* f) {
  return inner(f)->pMethods->xDeviceCharacteristics(inner(f));
}
int x_shm_map(sqlite3_file* f, int page, int size, int extend, void volatile** out) {
  return inner(f)->pMethods->xShmMap(inner(f), page, size, extend, out);
}
int x_shm_lock(sqlite3_file* f, int offset, int n, int flags) {
  return inner(f)->pMethods->xShmLock(inner(f), offset, n, flags);
}
void x_shm_barrier(sqlite3_file* f) {
  inner(f)->pMethods->xShmBarrier(inner(f));
}
int x_shm_unmap(sqlite3_file* f, int remove) {
  return inner(f)->pMethods->xShmUnmap(inner(f), remove);
}

const sqlite3_io_methods kMethods = {
    2,          x_close,       x_read,      x_write,   x_truncate, x_sync,   x_size,
    x_lock,     x_unlock,      x_reserved,  x_control, x_sector,   x_traits, x_shm_map,
    x_shm_lock, x_shm_barrier, x_shm_unmap, nullptr,   nullptr};

sqlite3_vfs* real_vfs = nullptr;
sqlite3_vfs faulty_vfs;

int x_open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  auto* file = reinterpret_cast<FaultyFile*>(f);
  file->base.pMethods = nullptr;
  const int rc = real_vfs->xOpen(real_vfs, name, file->inner(), flags, out_flags);
  if (file->inner()->pMethods != nullptr) file->base.pMethods = &kMethods;
  return rc;
}

}  // namespace

FaultyVfs::FaultyVfs() {
  if (real_vfs == nullptr) {
    real_vfs = sqlite3_vfs_find(nullptr);
    faulty_vfs = *real_vfs;
    faulty_vfs.pNext = nullptr;
    faulty_vfs.zName = kName;
    faulty_vfs.szOsFile = static_cast<int>(sizeof(FaultyFile)) + real_vfs->szOsFile;
    faulty_vfs.xOpen = x_open;
    sqlite3_vfs_register(&faulty_vfs, 0);
  }
  fail_writes(SQLITE_OK);
}
FaultyVfs::~FaultyVfs() {
  fail_writes(SQLITE_OK);
}

void FaultyVfs::fail_writes(int code, int after) {
  fail_code = code;
  fail_after = after;
  seen_writes = 0;
}
int FaultyVfs::writes() const {
  return seen_writes;
}

}  // namespace tollgate::store::testing
