#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tollgate::telemetry {

/// Every metric family, from metric_families.def.
enum class Family : std::uint8_t {
#define TG_METRIC(id, name, type, unit, help, label_a, label_b) id,
#include "tollgate/telemetry/metric_families.def"
#undef TG_METRIC
};

enum class MetricType : std::uint8_t { counter, gauge, histogram_fast, histogram_slow };
enum class Unit : std::uint8_t { one, nano };

struct FamilyInfo {
  std::string_view id, name;
  MetricType type;
  Unit unit;
  std::string_view help;
  std::array<std::string_view, 2> labels;  ///< empty = absent
};
[[nodiscard]] std::span<const FamilyInfo> families() noexcept;
[[nodiscard]] const FamilyInfo& info(Family family) noexcept;

/// Upper bounds of a histogram's buckets in nanoseconds, without +Inf.
/// fast: 1 us to 1 s, for time inside the gateway; slow: 100 us to 20 min, for whole calls.
[[nodiscard]] std::span<const std::int64_t> bucket_bounds(MetricType type) noexcept;

/// Where a series' cells lie in every lane: an index, so that the path of a call neither hashes a
/// label nor follows a map. Plain values; valid for the life of the registry.
struct CounterId {
  std::uint32_t cell = 0;
};
struct GaugeId {
  std::uint32_t cell = 0;
};
struct HistogramId {
  std::uint32_t cell = 0;
  MetricType type = MetricType::histogram_slow;
};

/// The cells of one thread. Written by that thread alone (or, for the shared lane, by any), read by
/// the scraper at any time.
///
/// Why per thread: a counter that workers share costs each of them a cache miss per call.
class Lane {
 public:
  static constexpr std::uint32_t kChunkCells = 512;
  static constexpr std::uint32_t kChunks = 512;
  using Cell = std::atomic<std::int64_t>;

  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane();

  void add(CounterId id, std::int64_t n = 1) noexcept { bump(cell(id.cell), n); }
  /// A gauge's value is the sum over lanes: add on entry, subtract on exit.
  void add(GaugeId id, std::int64_t n) noexcept { bump(cell(id.cell), n); }
  /// For gauges only one lane writes.
  void set(GaugeId id, std::int64_t value) noexcept {
    cell(id.cell).store(value, std::memory_order_relaxed);
  }
  /// @param nanos  >= 0; less counts as 0.
  void observe(HistogramId id, std::int64_t nanos) noexcept;
  [[nodiscard]] std::int64_t read(std::uint32_t index) const noexcept;

 private:
  friend class Registry;
  explicit Lane(bool shared) : shared_(shared) {}
  void grow(std::uint32_t chunk);
  [[nodiscard]] Cell& cell(std::uint32_t index) noexcept {
    // Relaxed: whoever has the index got it through a synchronised hand-over of the snapshot, made
    // after the chunk existed.
    return chunks_[index / kChunkCells].load(std::memory_order_relaxed)[index % kChunkCells];
  }
  void bump(Cell& cell, std::int64_t n) noexcept {
    if (shared_) {
      cell.fetch_add(n, std::memory_order_relaxed);
    } else {  // one writer: no locked instruction
      cell.store(cell.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
  }

  std::array<std::atomic<Cell*>, kChunks> chunks_{};
  bool shared_;
};

/// All metrics of the process.
///
/// Series are made at start or when a snapshot is built, never on the path of a call; they stay for
/// the life of the process, so that a reload resets no counter. Labels come from closed sets
/// (surfaces, error codes, configured names). When the registry is full (262,144 cells) further
/// series share one cell that is not shown, and tollgate_metric_series_refused counts them.
/// Threads: series(), callback() and render() from any thread (one mutex, also held while
/// callbacks run); lanes without lock.
class Registry {
 public:
  /// One lane for each worker, and one shared by everybody else.
  explicit Registry(unsigned workers);
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  [[nodiscard]] Lane& lane(unsigned worker) noexcept { return *lanes_[worker + 1]; }
  [[nodiscard]] Lane& shared() noexcept { return *lanes_[0]; }
  [[nodiscard]] unsigned workers() const noexcept {
    return static_cast<unsigned>(lanes_.size()) - 1;
  }

  /// The series with these label values; made when new. The kind must be the family's.
  [[nodiscard]] CounterId counter(Family family, std::string_view a = {}, std::string_view b = {});
  [[nodiscard]] GaugeId gauge(Family family, std::string_view a = {}, std::string_view b = {});
  [[nodiscard]] HistogramId histogram(Family family, std::string_view a = {},
                                      std::string_view b = {});
  /// A counter or gauge whose value is asked for at each scrape (queue depths, pools). Replaces an
  /// earlier one with the same labels. `read` must be fast, must not throw, and must not call back
  /// into the registry; it must outlive the registry or be removed with `drop_callback`.
  void callback(Family family, std::string_view a, std::string_view b,
                std::function<std::int64_t()> read);
  void drop_callback(Family family, std::string_view a, std::string_view b);

  /// Prometheus text format 0.0.4 (content type kContentType). Histograms and series of two labels
  /// that are still zero are left out. What OpenTelemetry's GenAI conventions have a name for is
  /// shown under that name as well (src/telemetry/gen_ai_names.hpp).
  [[nodiscard]] std::string render() const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

  /// Sum over all lanes of a counter or gauge; for tests and the admin API.
  [[nodiscard]] std::int64_t value(Family family, std::string_view a = {},
                                   std::string_view b = {}) const;
  /// Observations of a histogram.
  [[nodiscard]] std::int64_t count(Family family, std::string_view a = {}) const;

 private:
  using Labels = std::pair<std::string, std::string>;
  struct Series {
    std::uint32_t cell = 0;
    std::function<std::int64_t()> read;
  };
  std::uint32_t cells_for(Family family, std::string_view a, std::string_view b);
  [[nodiscard]] std::int64_t sum(std::uint32_t cell) const noexcept;
  void render_family(Family family, std::string_view name, std::string& out) const;
  void render_histogram(const FamilyInfo& family, std::string_view name, const Labels& labels,
                        std::uint32_t cell, std::string& out) const;

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::vector<std::map<Labels, Series>> series_;  ///< by family
  std::uint32_t next_cell_ = 1;                   ///< cell 0 takes what found no room
  std::int64_t refused_ = 0;
};

/// docs/metrics.md, from the table of families.
[[nodiscard]] std::string metrics_markdown();

}  // namespace tollgate::telemetry
