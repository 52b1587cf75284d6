#!/usr/bin/env bash
# Installs what is missing, builds everything (Release, warnings as errors) and runs every test: unit,
# property, golden, integration against the real daemon, and the official SDKs.
#
#   scripts/test.sh [ctest arguments]      for example: scripts/test.sh -R integration_chat
#
# Works on a bare Debian 12 as root or with sudo. Ends with ctest's summary and `N passed, N failed`.
set -eu -o pipefail  # the status of ctest, not that of tee
cd "$(dirname "$0")/.."
source scripts/install_deps.sh
install_deps build test

cmake --preset release -DTOLLGATE_TESTS=ON
cmake --build --preset release
log=build/release/test-output.txt
status=0
ctest --preset release -j "$(nproc)" --no-tests=error "$@" 2>&1 | tee "$log" || status=$?
scripts/count_tests.sh "$log"
exit "$status"
