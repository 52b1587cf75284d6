#include "json/structurals.hpp"

#include <simdjson.h>

#include <algorithm>
#include <bit>

namespace tollgate::json {
namespace {

constexpr std::size_t kSmallestCapacity = 16 * 1024;
/// Kept between texts: 4 bytes of index for each byte of capacity, resident only as far as used.
constexpr std::size_t kKeptCapacity = 1024 * 1024;

}  // namespace

struct StructuralScan::Stage1 {
  std::unique_ptr<simdjson::internal::dom_parser_implementation> parser;
  std::size_t capacity = 0;
};

StructuralScan::StructuralScan() : stage1_(std::make_unique<Stage1>()) {}
StructuralScan::~StructuralScan() = default;

std::span<const std::uint32_t> StructuralScan::scan(std::string_view text) {
  if (text.size() > stage1_->capacity) {
    const std::size_t capacity = std::max(kSmallestCapacity, std::bit_ceil(text.size()));
    // Depth belongs to the second stage, which is never run.
    if (simdjson::get_active_implementation()->create_dom_parser_implementation(
            capacity, 1, stage1_->parser) != simdjson::SUCCESS) {
      stage1_->capacity = 0;
      return {};
    }
    stage1_->capacity = capacity;
  }
  if (text.empty()) return {};
  simdjson::internal::dom_parser_implementation& parser = *stage1_->parser;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  if (parser.stage1(bytes, text.size(), simdjson::stage1_mode::regular) != simdjson::SUCCESS) {
    return {};
  }
  return {parser.structural_indexes.get(), parser.n_structural_indexes};
}

void StructuralScan::trim() noexcept {
  if (stage1_->capacity <= kKeptCapacity) return;
  stage1_->parser.reset();
  stage1_->capacity = 0;
}

}  // namespace tollgate::json
