#!/usr/bin/env bash
# Builds the libFuzzer targets (clang) and runs each for some seconds on its seeds.
#
#   scripts/fuzz_smoke.sh [seconds per target]     default: 20
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-20}
cmake --preset fuzz
cmake --build --preset fuzz
count=0
for target in $(find build/fuzz/tests/fuzz -maxdepth 1 -type f -name 'fuzz_*' -perm -u+x | sort); do
  name=${target##*/}
  corpus=build/fuzz/found/$name
  log=build/fuzz/$name.log
  mkdir -p "$corpus"
  if ! "$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=4096 \
    -print_final_stats=1 -artifact_prefix="build/fuzz/$name-" \
    "$corpus" "tests/fuzz/corpus/${name#fuzz_}" >"$log" 2>&1; then
    tail -n 60 "$log"
    echo "fuzz: $name found something; its input is build/fuzz/$name-*"
    exit 1
  fi
  echo "fuzz: $name: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") runs"
  count=$((count + 1))
done
[ "$count" -gt 0 ] || { echo "fuzz: no targets" >&2; exit 1; }
echo "fuzz: $count targets, nothing found"
