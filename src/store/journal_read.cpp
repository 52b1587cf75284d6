// What a journal's files say after a crash.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <system_error>

#include "store/journal_layout.hpp"
#include "store/unavailable.hpp"
#include "tollgate/base/digest.hpp"
#include "tollgate/base/strings.hpp"
#include "tollgate/config/names.hpp"
#include "tollgate/store/journal_file.hpp"

namespace tollgate::store {

using config::ScopeKind;
using domain::budget::Journal;
using domain::budget::JournalEntry;

namespace journal_layout {
namespace {

constexpr std::string_view kMagic = "TGLEDGER";
constexpr std::uint32_t kVersion = 1;
constexpr std::string_view kNamesHead = "tollgate-journal-names 1 ";

std::uint32_t checksum(Header header) noexcept {
  header.checksum = 0;
  return base::crc32({reinterpret_cast<const char*>(&header), sizeof header});
}

}  // namespace

std::string slots_path(const std::string& database) {
  return database + "-journal.slots";
}
std::string names_path(const std::string& database) {
  return database + "-journal.names";
}

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string id;
  std::getline(file, id);
  return id;
}

Header make_header(std::uint64_t epoch, std::string_view boot) {
  Header header;
  std::copy(kMagic.begin(), kMagic.end(), header.magic.begin());
  header.version = kVersion;
  header.slot_bytes = Journal::kSlotBytes;
  header.chunk_slots = Journal::kChunkSlots;
  header.epoch = epoch;
  std::copy_n(boot.begin(), std::min(boot.size(), header.boot_id.size() - 1),
              header.boot_id.begin());
  header.checksum = checksum(header);
  return header;
}

bool is_whole(const Header& header) noexcept {
  return std::string_view(header.magic.data(), header.magic.size()) == kMagic &&
         header.version == kVersion && header.slot_bytes == Journal::kSlotBytes &&
         header.chunk_slots == Journal::kChunkSlots && header.checksum == checksum(header);
}

std::string names_head(std::uint64_t epoch) {
  return fmt::format("{}{:016x}\n", kNamesHead, epoch);
}

std::string name_line(std::uint32_t number, domain::budget::ScopeName name) {
  std::string line = fmt::format("{} {} {}", number, config::name_of(name.kind), name.id);
  line += fmt::format(" {:08x}\n", base::crc32(line));
  return line;
}

bool read_name_line(std::string_view line, std::uint32_t& number, ScopeKind& kind,
                    std::string& id) {
  const std::size_t last = line.rfind(' ');
  if (last == std::string_view::npos) return false;
  const std::string_view text = line.substr(0, last);
  if (fmt::format("{:08x}", base::crc32(text)) != line.substr(last + 1)) return false;
  const std::size_t first = text.find(' ');
  const std::size_t second = text.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) return false;
  const auto value = base::parse_u64(text.substr(0, first));
  if (!value || *value > 0xffff'ffff) return false;
  number = static_cast<std::uint32_t>(*value);
  const std::string_view kind_text = text.substr(first + 1, second - first - 1);
  for (const auto& entry : config::names(ScopeKind{})) {
    if (entry.name != kind_text) continue;
    kind = entry.value;
    id = text.substr(second + 1);
    return true;
  }
  return false;
}

}  // namespace journal_layout

namespace {

using NamesByNumber = std::map<std::uint32_t, std::pair<ScopeKind, std::string>>;

/// More updates than this cannot have been under way at once: workers, and little else, write.
constexpr std::uint32_t kMostCut = 1'024;

/// The whole file; absent when there is none.
base::Result<std::optional<std::string>> read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return unavailable("cannot open " + path + ": " + std::generic_category().message(errno));
  }
  std::string bytes;
  std::string block(1 << 20, '\0');
  ssize_t count = 0;
  while ((count = ::read(fd, block.data(), block.size())) != 0) {
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) break;
    bytes.append(block, 0, static_cast<std::size_t>(count));
  }
  const int error = errno;
  ::close(fd);
  if (count < 0)
    return unavailable("cannot read " + path + ": " + std::generic_category().message(error));
  return std::optional<std::string>(std::move(bytes));
}

/// The lines that can be believed: a cut last one has no slot that refers to it.
NamesByNumber read_names(std::string_view text, std::uint64_t epoch) {
  NamesByNumber names;
  const std::string head = journal_layout::names_head(epoch);
  if (!text.starts_with(head)) return names;
  text.remove_prefix(head.size());
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) break;
    std::uint32_t number = 0;
    ScopeKind kind{};
    std::string id;
    if (journal_layout::read_name_line(text.substr(0, end), number, kind, id))
      names[number] = {kind, std::move(id)};
    text.remove_prefix(end + 1);
  }
  return names;
}

/// False when it names a scope that the names do not.
bool resolve(const JournalEntry& entry, const NamesByNumber& names, FoundHold& out) {
  out.request_id = entry.request_id;
  out.amounts = entry.amounts;
  out.is_settled = entry.state == JournalEntry::State::settled;
  out.is_attempt = entry.is_attempt;
  out.is_estimated = entry.is_estimated;
  out.held_at = base::WallTime(std::chrono::microseconds(entry.held_at_us));
  for (std::size_t i = 0; i < entry.size; ++i) {
    const auto found = names.find(entry.scopes[i]);
    if (found == names.end()) return false;
    std::string id = found->second.second;
    if (found->second.first == ScopeKind::session) id += entry.session;
    if (found->second.first == ScopeKind::end_user) id += entry.end_user;
    out.scopes.emplace_back(found->second.first, std::move(id));
  }
  return true;
}

void note_damage(FoundJournal& found, std::string why) {
  if (found.damaged++ == 0) found.why = std::move(why);
}

}  // namespace

base::Result<FoundJournal> JournalFile::read(const std::string& database, std::uint64_t epoch) {
  FoundJournal found;
  for (const char* const suffix : {".new", ""}) {
    const std::string path = journal_layout::slots_path(database) + suffix;
    TG_TRY(const std::optional<std::string> slots, read_file(path));
    if (!slots) continue;
    journal_layout::Header header;
    const bool is_headed = slots->size() >= sizeof header;
    if (is_headed) std::memcpy(&header, slots->data(), sizeof header);
    const bool is_whole = is_headed && journal_layout::is_whole(header);
    // Files under their provisional names count when the database already speaks of them.
    if (*suffix != '\0' && (!is_whole || header.epoch != epoch || epoch == 0)) continue;
    found.exists = true;
    if (!is_whole) {
      note_damage(found, path + " does not begin as a journal of this version");
      return found;
    }
    found.epoch = header.epoch;
    std::string_view body = std::string_view(*slots).substr(sizeof header);
    if (body.empty() || body.size() % Journal::kChunkBytes != 0)
      note_damage(found, path + " is cut off");
    const std::string boot(header.boot_id.data());
    const bool machine_failed = !boot.empty() && boot != journal_layout::boot_id();
    TG_TRY(const std::optional<std::string> text,
           read_file(journal_layout::names_path(database) + suffix));
    std::optional<std::string> adopted_text;
    if (!text && *suffix != '\0') {
      // Renamed before the slots were.
      TG_TRY(adopted_text, read_file(journal_layout::names_path(database)));
    }
    const NamesByNumber names = read_names(text ? *text : adopted_text.value_or(""), header.epoch);
    for (std::size_t slot = 0; (slot + 1) * Journal::kSlotBytes <= body.size(); ++slot) {
      const std::string_view bytes = body.substr(slot * Journal::kSlotBytes, Journal::kSlotBytes);
      const Journal::Read read =
          Journal::read(std::as_bytes(std::span(bytes.data(), bytes.size())), machine_failed);
      if (read.was_cut) ++found.cut;
      if (read.verdict == Journal::Read::Verdict::damaged)
        note_damage(found, fmt::format("{}: slot {} is damaged", path, slot));
      if (read.verdict != Journal::Read::Verdict::entry) continue;
      FoundHold hold;
      if (!resolve(read.entry, names, hold)) {
        note_damage(found, fmt::format("{}: slot {} names a scope that {} does not", path, slot,
                                       journal_layout::names_path(database)));
        continue;
      }
      found.holds.push_back(std::move(hold));
    }
    if (found.cut > kMostCut)
      note_damage(found, fmt::format("{}: {} slots are half written", path, found.cut));
    return found;
  }
  return found;
}

std::vector<std::string> JournalFile::set_aside(const std::string& database,
                                                std::string_view suffix) {
  std::vector<std::string> moved;
  for (const std::string& path :
       {journal_layout::slots_path(database), journal_layout::names_path(database)}) {
    const std::string to = path + "." + std::string(suffix);
    if (std::rename(path.c_str(), to.c_str()) == 0) moved.push_back(to);
    ::unlink((path + ".new").c_str());
  }
  return moved;
}

}  // namespace tollgate::store
