#!/usr/bin/env bash
# Checks docker/Dockerfile's second stage without a container engine: a fresh Debian 12 (debootstrap),
# the same runtime packages, files, user and start command in a chroot, a read-only root, then the
# health check, a call with the demo key, and a clean stop. Needs root.
#
#   scripts/check_image.sh [tollgate binary] [work directory]
set -eu
cd "$(dirname "$0")/.."
binary=$(realpath "${1:-build/release/tollgate}")
work=${2:-$(mktemp -d)}
root=$work/root
[ "$(id -u)" -eq 0 ] || { echo "needs root" >&2; exit 2; }
command -v debootstrap >/dev/null || { apt-get update -qq; apt-get install -y -qq debootstrap >/dev/null; }

cleanup() {
  local status=$?
  [ -z "${gateway:-}" ] || kill -KILL "$gateway" 2>/dev/null || true
  umount "$root" 2>/dev/null || true
  umount "$root/data" "$root/proc" 2>/dev/null || true
  umount "$root" 2>/dev/null || true
  [ -n "${2:-}" ] || rm -rf --one-file-system "$work"
  exit "$status"
}
trap cleanup EXIT

if [ ! -x "$root/bin/bash" ]; then
  echo "making a Debian 12 root ..."
  debootstrap --variant=minbase bookworm "$root" >"$work.debootstrap.log" 2>&1 ||
    { tail -n 20 "$work.debootstrap.log"; exit 1; }
fi
# apt in the chroot goes the way apt goes here.
cp /etc/resolv.conf "$root/etc/resolv.conf" 2>/dev/null || true
cp -r /etc/apt/apt.conf.d/. "$root/etc/apt/apt.conf.d/" 2>/dev/null || true
install -m 0755 scripts/install_runtime.sh "$root/tmp/install_runtime.sh"
chroot "$root" /tmp/install_runtime.sh

# The COPY and RUN lines of the second stage.
install -m 0755 "$binary" "$root/usr/local/bin/tollgate"
strip --strip-debug "$root/usr/local/bin/tollgate"
install -d "$root/etc/tollgate"
cp config/prices.yaml config/tollgate.schema.json docker/tollgate.yaml "$root/etc/tollgate/"
chroot "$root" id tollgate >/dev/null 2>&1 || chroot "$root" useradd --system --uid 10001 \
  --user-group --no-create-home --home-dir /data tollgate
chroot "$root" install -d -o tollgate -g tollgate -m 0750 /data
# Free ports, so that a gateway already running here is left alone.
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
sed -i "s/0\.0\.0\.0:8080/127.0.0.1:$port/; s/0\.0\.0\.0:9090/127.0.0.1:0/" "$root/etc/tollgate/tollgate.yaml"

echo "libraries:"
missing=$(chroot "$root" ldd /usr/local/bin/tollgate | grep 'not found' || true)
[ -z "$missing" ] || { echo "$missing"; exit 1; }
echo "  all found"

# Read-only root, writable /data, as compose.yaml has it.
mount --bind "$root" "$root"
mount -o remount,ro,bind "$root" || echo "  (cannot remount read-only here; going on)"
mount -t tmpfs -o uid=10001,gid=10001,mode=0750 tmpfs "$root/data"
run() { chroot --userspec=tollgate:tollgate "$root" "$@"; }

run tollgate check --config /etc/tollgate/tollgate.yaml
chroot --userspec=tollgate:tollgate "$root" /usr/local/bin/tollgate serve \
  --config /etc/tollgate/tollgate.yaml >"$work/gateway.log" 2>&1 &
gateway=$!
healthy=no
for _ in $(seq 100); do
  run tollgate health --config /etc/tollgate/tollgate.yaml >/dev/null 2>&1 && { healthy=yes; break; }
  sleep 0.1
done
[ "$healthy" = yes ] || { cat "$work/gateway.log"; echo "not healthy"; exit 1; }
echo "healthy, as $(ps -o user= -p "$gateway" | tr -d ' ')"
answer=$(curl -sS --noproxy '*' "http://127.0.0.1:$port/v1/chat/completions" \
  -H "Authorization: Bearer tg-TollgateDemoKeyPublishedOnPurposeDoNotReuse4QVTpS" \
  -d '{"model":"demo/echo","messages":[{"role":"user","content":"from the chroot"}]}')
case "$answer" in *"from the chroot"*) echo "answered" ;; *) echo "$answer"; exit 1 ;; esac
kill -TERM "$gateway"
status=0
wait "$gateway" || status=$?
gateway=
[ "$status" -eq 0 ] || { echo "exit code $status"; exit 1; }
echo "stopped cleanly; the image's steps work in a clean Debian 12"
