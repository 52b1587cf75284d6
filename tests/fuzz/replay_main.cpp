// Stands in for libFuzzer: gives a target every seed in the files and folders named, each prefix of
// it, and each with one byte changed in a few ways.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "fuzz/fuzz.hpp"

namespace {

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

void run_with_damage(const std::string& seed) {
  run(seed);
  // Long seeds are sampled: the whole replay should stay within seconds.
  const std::size_t step = std::max<std::size_t>(1, seed.size() / 400);
  for (std::size_t at = 0; at < seed.size(); at += step) {
    run(seed.substr(0, at));
    for (const char other : {'\0', '\r', '\n', ' ', '"', '\x80', static_cast<char>(seed[at] ^ 1)}) {
      std::string damaged = seed;
      damaged[at] = other;
      run(damaged);
    }
    std::string without = seed;
    without.erase(at, 1);
    run(without);
    std::string doubled = seed;
    doubled.insert(at, seed.substr(at, 24));
    run(doubled);
  }
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    const std::filesystem::path path = argv[i];
    std::vector<std::filesystem::path> files;
    if (std::filesystem::is_directory(path)) {
      for (const auto& entry : std::filesystem::directory_iterator(path))
        if (entry.is_regular_file()) files.push_back(entry.path());
    } else if (std::filesystem::exists(path)) {
      files.push_back(path);
    }
    std::sort(files.begin(), files.end());
    for (const auto& file : files) run_with_damage(read_file(file));
    count += files.size();
  }
  std::printf("%zu seeds replayed\n", count);
  return count == 0 ? 1 : 0;  // an empty corpus is a mistake in a path
}
