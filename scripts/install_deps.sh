#!/usr/bin/env bash
# Installs the Debian 12 packages that building, testing, linting or measuring Tollgate needs.
#
#   scripts/install_deps.sh [build] [test] [lint] [bench]     default: build
#
# Runs as root or through sudo; does nothing, and needs neither, when everything is there already.
# Other scripts source this file and call `install_deps GROUP...`.

# package=version that Debian 12 carries; a security update of the same version is fine, so apt is
# asked for the package and the list says what to expect.
deps_build=(
  g++=12.2 cmake=3.25 ninja-build=1.11 ccache=4.8 mold=1.10 pkg-config=1.8
  libboost1.81-dev=1.81 libssl-dev=3.0 nlohmann-json3-dev=3.11 libsimdjson-dev=3.0
  libyaml-cpp-dev=0.7 libhowardhinnant-date-dev=3.0 libspdlog-dev=1.10 libfmt-dev=9.1
  libsqlite3-dev=3.40 libvectorscan-dev=5.4 libcli11-dev=2.1 libzstd-dev=1.5 zlib1g-dev=1.2
  tzdata=2024 ca-certificates=2023 curl=7.88 python3=3.11
)
deps_test=(
  libgtest-dev=1.12 libgmock-dev=1.12 sqlite3=3.40 openssl=3.0 procps=4.0 python3-yaml=6.0
  nodejs=18 npm=9
)
# The clang preset compiles the benchmarks too.
deps_lint=(clang-14=14.0 clang-tidy-14=14.0 clang-format-14=14.0 libclang-rt-14-dev=14.0
  libbenchmark-dev=1.7)
deps_bench=(libbenchmark-dev=1.7 nginx-light=1.22 openssl=3.0 python3=3.11)

deps_installed() {
  local status
  case "$1" in
    # Any Node with npm will do: the tests bring the Node they run on. Elsewhere than in Debian's own
    # packages npm comes inside nodejs.
    npm) command -v npm >/dev/null && return 0 ;;
    nginx-light) command -v nginx >/dev/null && return 0 ;;
  esac
  status=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) && [ "$status" = installed ]
}

install_deps() {
  local group entry name missing=() list
  for group in "$@"; do
    list="deps_$group[@]"
    for entry in "${!list}"; do
      name=${entry%%=*}
      deps_installed "$name" || missing+=("$name")
    done
  done
  if [ ${#missing[@]} -eq 0 ]; then
    echo "packages for $*: all installed"
    return 0
  fi
  echo "packages to install for $* (Debian 12):"
  for group in "$@"; do
    list="deps_$group[@]"
    for entry in "${!list}"; do
      case " ${missing[*]} " in *" ${entry%%=*} "*) echo "  ${entry%%=*} (${entry#*=}.x)" ;; esac
    done
  done
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "run this as root, or install sudo" >&2; return 1; }
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq || return 1
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null || return 1
  echo "installed: ${missing[*]}"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -eu
  [ $# -gt 0 ] || set -- build
  install_deps "$@"
fi
