#!/usr/bin/env bash
# The slower half of the checks: second compiler, clang-tidy, sanitizers, fuzz smoke.
# The compiler cache lives in build/.ccache, so a second run is much shorter.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/ci
logs=()
failed=0
started=$(date +%s)

step() {  # step <name> <command...>: a step that fails is named and the rest still runs
  local name=$1 begin status=0
  shift
  begin=$(date +%s)
  echo "=== $name"
  "$@" || status=$?
  echo "=== $name: $([ "$status" -eq 0 ] && echo ok || echo FAILED) ($(($(date +%s) - begin)) s)"
  [ "$status" -eq 0 ] || failed=1
}

tests() {  # tests <log name> <ctest arguments...>
  local log=build/ci/$1.txt status
  shift
  logs+=("$log")
  set -o pipefail
  ctest --output-on-failure -j "$(nproc)" "$@" 2>&1 | tee "$log"
  status=$?
  set +o pipefail
  return "$status"
}

packages() { source scripts/install_deps.sh && install_deps build test lint; }
layers() { python3 scripts/check_layers.py --self-test && python3 scripts/check_layers.py; }
coroutines() { python3 scripts/lint_coroutines.py --self-test && python3 scripts/lint_coroutines.py; }

release() {
  cmake --preset release && cmake --build --preset release && tests release --test-dir build/release
}

clang() { cmake --preset clang && cmake --build --preset clang; }

sanitized() {  # sanitized <preset> <ctest arguments...>
  local preset=$1
  shift
  cmake --preset "$preset" && cmake --build --preset "$preset" &&
    tests "$preset" --test-dir "build/$preset" "$@"
}

asan() {
  # RSS limits and timing bars mean nothing under a sanitizer; the SDKs have run already.
  ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=print_stacktrace=1 sanitized asan-ubsan -LE 'sdk|release-only'
}

tsan() {
  TSAN_OPTIONS=second_deadlock_stack=1 sanitized tsan -L concurrent
}

fuzz() { scripts/fuzz_smoke.sh 20; }

step "packages" packages
step "clang build (warnings)" clang
step "clang-tidy" scripts/tidy.sh
step "address and undefined-behaviour sanitizers" asan
step "thread sanitizer" tsan
step "fuzz smoke" fuzz

echo
for log in "${logs[@]}"; do
  echo "${log##*/}: $(grep -E 'tests? failed out of|tests passed' "$log" || echo 'no summary')"
done
echo "$(($(date +%s) - started)) s in all"
scripts/count_tests.sh "${logs[@]}"
exit "$failed"
