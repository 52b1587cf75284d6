#!/usr/bin/env bash
# clang-tidy 14 with the allow-list of .clang-tidy, every finding an error.
#
#   scripts/tidy.sh          the sources changed against the main branch, headers' users included
#   scripts/tidy.sh --all    every source below src/
#
# Needs the `clang` preset configured, for its compile commands.
set -eu
cd "$(dirname "$0")/.."
tidy=$(command -v clang-tidy-14 || command -v clang-tidy)
build=build/clang
[ -f "$build/compile_commands.json" ] || { echo "configure the clang preset first" >&2; exit 2; }

all=$(find src -name '*.cpp' | sort)
files=$all
if [ "${1:-}" != --all ]; then
  base=$(git merge-base HEAD origin/main 2>/dev/null || git rev-parse HEAD~1 2>/dev/null || true)
  if [ -n "$base" ]; then
    changed=$( (git diff --name-only "$base"; git ls-files --others --exclude-standard) |
      grep -E '^(src|include)/.*\.(cpp|hpp)$' || true)
    files=$(printf '%s\n' "$changed" | grep '\.cpp$' || true)
    # A changed header is looked at through one source that includes it: the findings are the same.
    for header in $(printf '%s\n' "$changed" | grep '\.hpp$' || true); do
      name=${header#include/}
      files="$files"$'\n'$(grep -rlF "\"${name#src/}\"" src --include='*.cpp' | head -1)
    done
    files=$(printf '%s\n' "$files" | grep . | sort -u || true)
  fi
fi
[ -n "$files" ] || { echo "tidy: nothing changed"; exit 0; }
# Only files the build knows: generated and optional ones have no compile command.
known=$(python3 - "$build" <<'PY'
import json, os, sys
for entry in json.load(open(sys.argv[1] + "/compile_commands.json")):
    print(os.path.relpath(entry["file"]))
PY
)
files=$(comm -12 <(printf '%s\n' "$files" | sort -u) <(printf '%s\n' "$known" | sort -u))
echo "tidy: $(printf '%s\n' "$files" | grep -c .) files"
printf '%s\n' "$files" | xargs -P "$(nproc)" -n 4 "$tidy" -p "$build" --quiet 2> >(
  grep -vE '^[0-9]+ warnings? generated|^Suppressed|^Use -header-filter|^[0-9]+ warnings? treated' >&2)
echo "tidy: clean"
