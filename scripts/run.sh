#!/usr/bin/env bash
# From a bare Debian 12 to a running gateway: installs what building needs, builds (Release), starts
# Tollgate with config/quickstart.yaml, and prints the URL, the demo key and two calls to try.
# Ctrl-C drains and ends it. Running it again rebuilds only what changed.
#
#   scripts/run.sh [configuration file]
set -eu
cd "$(dirname "$0")/.."
source scripts/install_deps.sh
install_deps build

config=${1:-config/quickstart.yaml}
echo "building; the first time takes some minutes ..."
# The preset's options but for the tests, so that test packages are not needed to run.
cmake --preset release -DTOLLGATE_TESTS=OFF >/dev/null
cmake --build --preset release --target tollgate
binary=build/release/tollgate
"$binary" check --config "$config"

mkdir -p data
"$binary" serve --config "$config" &
gateway=$!
# One Ctrl-C reaches the gateway as well as this script: it drains, and we wait for it.
trap 'kill -TERM "$gateway" 2>/dev/null || true' TERM
trap ':' INT
url=
for _ in $(seq 600); do
  url=$("$binary" health --config "$config" --url 2>/dev/null) && break
  url=
  kill -0 "$gateway" 2>/dev/null || { wait "$gateway"; exit $?; }
  sleep 0.1
done
if [ -z "$url" ]; then
  echo "Tollgate was started but is not ready after 60 s:" >&2
  "$binary" health --config "$config" >&2 || true
else
  key=$(sed -n 's/^# *key *\(tg-[0-9A-Za-z]*\).*/\1/p' "$config" | head -n 1)
  cat <<TEXT

Tollgate is running.
  URL       $url/v1        (OPENAI_BASE_URL; for Anthropic clients: $url)
  stop      Ctrl-C
TEXT
  if [ -n "$key" ]; then
    cat <<TEXT
  demo key  $key

Try, in another terminal:

curl $url/v1/chat/completions -H "Authorization: Bearer $key" -H "Content-Type: application/json" -d '{"model":"demo/echo","messages":[{"role":"user","content":"Hello"}]}'

curl -N $url/v1/chat/completions -H "Authorization: Bearer $key" -H "Content-Type: application/json" -d '{"model":"demo/secret","stream":true,"messages":[{"role":"user","content":"Tell me a secret"}]}'
TEXT
  fi
  cat <<TEXT

What it cost and what is on record:

$binary budgets --config $config
$binary audit tail --config $config
TEXT
fi
status=0
wait "$gateway" || status=$?
# An interrupted wait: the gateway is still draining.
while kill -0 "$gateway" 2>/dev/null; do
  status=0
  wait "$gateway" || status=$?
done
exit "$status"
