#!/usr/bin/env bash
# clang-format 14 over every C++ file; --fix rewrites them, otherwise a difference is an error.
set -eu
cd "$(dirname "$0")/.."
format=$(command -v clang-format-14 || command -v clang-format)
case "$("$format" --version)" in *" 14."*) ;; *) echo "clang-format 14 is needed" >&2; exit 2 ;; esac
mapfile -d '' files < <(find src include tests bench \( -name node_modules -prune \) -o \
  \( -name '*.cpp' -o -name '*.hpp' \) -print0)
if [ "${1:-}" = --fix ]; then
  "$format" -i "${files[@]}"
else
  "$format" --dry-run -Werror "${files[@]}"
  echo "format: ${#files[@]} files"
fi
