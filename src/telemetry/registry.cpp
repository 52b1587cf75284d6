#include "tollgate/telemetry/registry.hpp"

#include <algorithm>
#include <cassert>

namespace tollgate::telemetry {
namespace {

constexpr FamilyInfo kFamilies[] = {
#define TG_METRIC(id, name, type, unit, help, label_a, label_b) \
  {#id, name, MetricType::type, Unit::unit, help, {label_a, label_b}},
#include "tollgate/telemetry/metric_families.def"
#undef TG_METRIC
};

constexpr std::int64_t kMicro = 1'000;
constexpr std::int64_t kMilli = 1'000'000;
constexpr std::int64_t kSecond = 1'000'000'000;

// Steps of about 1:2:5; finer around 14 and 35 us, where the gateway's own targets lie.
constexpr std::int64_t kFastBounds[] = {
    1 * kMicro,  2 * kMicro,  5 * kMicro,  7 * kMicro,   10 * kMicro,  14 * kMicro,
    20 * kMicro, 35 * kMicro, 50 * kMicro, 100 * kMicro, 200 * kMicro, 500 * kMicro,
    1 * kMilli,  5 * kMilli,  20 * kMilli, 100 * kMilli, 1 * kSecond};
// From an upstream beside us to the longest call a default configuration lets run (20 minutes).
constexpr std::int64_t kSlowBounds[] = {
    100 * kMicro,  250 * kMicro,  500 * kMicro,  1 * kMilli,     2 * kMilli,   5 * kMilli,
    10 * kMilli,   25 * kMilli,   50 * kMilli,   100 * kMilli,   250 * kMilli, 500 * kMilli,
    1 * kSecond,   2 * kSecond,   5 * kSecond,   10 * kSecond,   30 * kSecond, 60 * kSecond,
    120 * kSecond, 300 * kSecond, 600 * kSecond, 1'200 * kSecond};

bool is_histogram(MetricType type) noexcept {
  return type == MetricType::histogram_fast || type == MetricType::histogram_slow;
}

/// One cell per bucket, one for +Inf, one for the sum.
std::uint32_t cells_of(MetricType type) noexcept {
  return is_histogram(type) ? static_cast<std::uint32_t>(bucket_bounds(type).size()) + 2 : 1;
}

}  // namespace

std::span<const FamilyInfo> families() noexcept {
  return kFamilies;
}
const FamilyInfo& info(Family family) noexcept {
  return kFamilies[static_cast<std::size_t>(family)];
}

std::span<const std::int64_t> bucket_bounds(MetricType type) noexcept {
  if (type == MetricType::histogram_fast) return kFastBounds;
  return kSlowBounds;
}

Lane::~Lane() {
  for (auto& chunk : chunks_) delete[] chunk.load(std::memory_order_relaxed);
}

void Lane::grow(std::uint32_t chunk) {
  if (chunks_[chunk].load(std::memory_order_relaxed) == nullptr)
    chunks_[chunk].store(new Cell[kChunkCells]{}, std::memory_order_release);
}

void Lane::observe(HistogramId id, std::int64_t nanos) noexcept {
  if (id.cell == 0) return;  // no room for this series: its buckets would hit other cells
  const std::int64_t value = std::max<std::int64_t>(nanos, 0);
  const auto bounds = bucket_bounds(id.type);
  const auto bucket = static_cast<std::uint32_t>(
      std::lower_bound(bounds.begin(), bounds.end(), value) - bounds.begin());
  bump(cell(id.cell + bucket), 1);
  bump(cell(id.cell + static_cast<std::uint32_t>(bounds.size()) + 1), value);
}

std::int64_t Lane::read(std::uint32_t index) const noexcept {
  const Cell* chunk = chunks_[index / kChunkCells].load(std::memory_order_acquire);
  return chunk == nullptr ? 0 : chunk[index % kChunkCells].load(std::memory_order_relaxed);
}

Registry::Registry(unsigned workers) : series_(std::size(kFamilies)) {
  lanes_.reserve(workers + 1);
  for (unsigned i = 0; i <= workers; ++i) {
    lanes_.push_back(std::unique_ptr<Lane>(new Lane(i == 0)));
    lanes_.back()->grow(0);
  }
}

Registry::~Registry() = default;

std::uint32_t Registry::cells_for(Family family, std::string_view a, std::string_view b) {
  const std::scoped_lock lock(mutex_);
  auto& known = series_[static_cast<std::size_t>(family)];
  const auto [entry, is_new] = known.try_emplace(Labels(a, b));
  if (!is_new && entry->second.cell != 0) return entry->second.cell;
  const std::uint32_t count = cells_of(info(family).type);
  std::uint32_t first = next_cell_;
  // A histogram's cells lie in one chunk, so that an index is one addition.
  if (first % Lane::kChunkCells + count > Lane::kChunkCells)
    first = (first / Lane::kChunkCells + 1) * Lane::kChunkCells;
  const std::uint32_t chunk = first / Lane::kChunkCells;
  if (chunk >= Lane::kChunks) {
    if (is_new) known.erase(entry);
    ++refused_;
    return 0;
  }
  for (const auto& lane : lanes_) lane->grow(chunk);
  next_cell_ = first + count;
  entry->second.cell = first;
  return first;
}

CounterId Registry::counter(Family family, std::string_view a, std::string_view b) {
  assert(info(family).type == MetricType::counter);
  return {cells_for(family, a, b)};
}

GaugeId Registry::gauge(Family family, std::string_view a, std::string_view b) {
  assert(info(family).type == MetricType::gauge);
  return {cells_for(family, a, b)};
}

HistogramId Registry::histogram(Family family, std::string_view a, std::string_view b) {
  assert(is_histogram(info(family).type));
  return {cells_for(family, a, b), info(family).type};
}

void Registry::callback(Family family, std::string_view a, std::string_view b,
                        std::function<std::int64_t()> read) {
  const std::scoped_lock lock(mutex_);
  series_[static_cast<std::size_t>(family)][Labels(a, b)].read = std::move(read);
}

void Registry::drop_callback(Family family, std::string_view a, std::string_view b) {
  const std::scoped_lock lock(mutex_);
  auto& known = series_[static_cast<std::size_t>(family)];
  const auto found = known.find(Labels(a, b));
  if (found == known.end()) return;
  found->second.read = nullptr;
  if (found->second.cell == 0) known.erase(found);
}

std::int64_t Registry::sum(std::uint32_t cell) const noexcept {
  std::int64_t total = 0;
  for (const auto& lane : lanes_) total += lane->read(cell);
  return total;
}

std::int64_t Registry::value(Family family, std::string_view a, std::string_view b) const {
  const std::scoped_lock lock(mutex_);
  if (family == Family::series_overflow) return refused_;
  const auto& known = series_[static_cast<std::size_t>(family)];
  const auto found = known.find(Labels(a, b));
  if (found == known.end()) return 0;
  return (found->second.cell != 0 ? sum(found->second.cell) : 0) +
         (found->second.read ? found->second.read() : 0);
}

std::int64_t Registry::count(Family family, std::string_view a) const {
  const std::scoped_lock lock(mutex_);
  const auto& known = series_[static_cast<std::size_t>(family)];
  const auto found = known.find(Labels(a, ""));
  if (found == known.end()) return 0;
  std::int64_t total = 0;
  const auto buckets = static_cast<std::uint32_t>(bucket_bounds(info(family).type).size()) + 1;
  for (std::uint32_t i = 0; i < buckets; ++i) total += sum(found->second.cell + i);
  return total;
}

}  // namespace tollgate::telemetry
