#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

/// What every fuzz target needs.
namespace tollgate::fuzz {

/// Ends the program: the fuzzer keeps the input.
[[noreturn]] inline void fail(std::string_view what, std::string_view input) {
  std::fprintf(stderr, "property broken: %.*s\ninput (%zu bytes):\n%.*s\n",
               static_cast<int>(what.size()), what.data(), input.size(),
               static_cast<int>(input.size()), input.data());
  std::abort();
}
inline void require(bool held, std::string_view what, std::string_view input) {
  if (!held) fail(what, input);
}

/// Where to cut the input: a function of its bytes, so that a finding can be replayed, yet every
/// place comes up.
inline std::size_t cut_of(std::string_view input) {
  std::uint64_t hash = 0xcbf29ce484222325ull;
  for (const char c : input) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ull;
  return input.empty() ? 0 : static_cast<std::size_t>(hash % (input.size() + 1));
}

/// A copy with nothing behind it, so that the sanitizer sees a read past the end.
class ExactCopy {
 public:
  explicit ExactCopy(std::string_view bytes)
      : size_(bytes.size()), bytes_(std::make_unique<char[]>(size_ == 0 ? 1 : size_)) {
    bytes.copy(bytes_.get(), size_);
  }
  [[nodiscard]] std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<char[]> bytes_;
};

}  // namespace tollgate::fuzz

/// What libFuzzer, or replay_main.cpp, calls.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
