#!/usr/bin/env bash
# Installs what the built binary needs to run on Debian 12, and nothing else. Needs root.
set -eu
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends \
  ca-certificates tzdata libssl3 libfmt9 libspdlog1.10 libsimdjson14 libsqlite3-0 libyaml-cpp0.7 \
  libzstd1 zlib1g libdate-tz3 libstdc++6 >/dev/null
rm -rf /var/lib/apt/lists/*
