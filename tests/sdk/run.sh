#!/usr/bin/env bash
# Runs one SDK test file, or installs the packages they need.
#
#   run.sh install                        npm ci from the lock file
#   run.sh <file.test.mjs> <tollgate>     one file against this binary, on the Node from the lock file
set -eu
cd "$(dirname "$0")"
if [ "$1" = install ]; then
  # Nothing to do when the lock file has not changed since the last install.
  if [ -f node_modules/.installed ] && cmp -s package-lock.json node_modules/.installed; then
    exit 0
  fi
  npm ci --no-progress
  cp package-lock.json node_modules/.installed
  exit 0
fi
node=node_modules/.bin/node
[ -x "$node" ] || { echo "run $0 install first" >&2; exit 2; }
# The machine's proxies are not the tests' business: everything is on this machine.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY NODE_USE_ENV_PROXY
TOLLGATE_BINARY=$2 exec "$node" --disable-warning=ExperimentalWarning --test --test-reporter=spec "$1"
