#!/usr/bin/env bash
# Adds up the summaries of ctest runs in log files: prints `N passed, N failed`.
set -eu
cat "$@" | awk '
  match($0, /[0-9]+ tests? failed out of [0-9]+/) {
    split(substr($0, RSTART, RLENGTH), word, " ")
    failed += word[1]
    total += word[length(word)]
  }
  END { printf "%d passed, %d failed\n", total - failed, failed }'
