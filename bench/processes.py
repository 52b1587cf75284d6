"""Processes of the benchmark: the upstream, nginx, Tollgate, and one run of the load generator."""

import json
import os
import pathlib
import secrets
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
import zlib

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def free_port():
    """A port nobody listens on. Checked, because SO_REUSEPORT would share one in silence."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(condition, seconds=15, what="condition"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise RuntimeError(f"{what}: not within {seconds} s")


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def base62(number, digits):
    out = ""
    for _ in range(digits):
        number, rest = divmod(number, 62)
        out = BASE62[rest] + out
    return out


def new_key():
    """A virtual key: `tg-`, 43 base62 digits, 6 base62 digits of CRC-32 over all before."""
    body = "tg-" + base62(int.from_bytes(secrets.token_bytes(32), "big"), 43)
    return body + base62(zlib.crc32(body.encode()), 6)


def make_certificate(directory):
    cert, key = directory / "bench.pem", directory / "bench.key"
    if not cert.exists():
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
             "-keyout", key, "-out", cert],
            check=True, capture_output=True)
    return cert, key


class Process:
    """A child whose CPU time and memory are read from /proc, its children included."""

    def __init__(self, name, argv, log, env=None, stdout=None):
        self.name = name
        self.log = log
        self.child = subprocess.Popen(
            [str(a) for a in argv], stdout=stdout or open(log, "ab"), stderr=open(log, "ab"),
            env={**os.environ, **(env or {})})

    def pids(self):
        """The process and its children, one level (nginx: master and worker)."""
        found = [self.child.pid]
        for task in pathlib.Path(f"/proc/{self.child.pid}/task").iterdir():
            try:
                found += [int(pid) for pid in (task / "children").read_text().split()]
            except OSError:
                pass
        return found

    def cpu_ns(self):
        """Nanoseconds on a CPU so far: {thread name: ns}, summed over threads of one name."""
        out = {}
        for pid in self.pids():
            for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                try:
                    name = (task / "comm").read_text().strip()
                    ns = int((task / "schedstat").read_text().split()[0])
                except OSError:
                    continue
                out[name] = out.get(name, 0) + ns
        return out

    def rss_kb(self):
        total = 0
        for pid in self.pids():
            for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    def peak_rss_kb(self):
        for line in pathlib.Path(f"/proc/{self.child.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0

    def stop(self):
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(40)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        return self.child.returncode


class Upstream(Process):
    def __init__(self, binary, directory, **options):
        argv = [binary]
        for name, value in options.items():
            argv += ["--" + name.replace("_", "-"), value]
        super().__init__("upstream", argv, directory / "upstream.log", stdout=subprocess.PIPE)
        self.port = int(self.child.stdout.readline())


NGINX = """
daemon off; worker_processes 1; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; }}
http {{
  access_log off; client_body_temp_path {dir}/nginx-body; proxy_temp_path {dir}/nginx-proxy;
  fastcgi_temp_path {dir}/nginx-f; uwsgi_temp_path {dir}/nginx-u; scgi_temp_path {dir}/nginx-s;
  client_body_buffer_size 256k; client_max_body_size 16m; keepalive_requests 100000000;
  tcp_nodelay on;
  upstream bench {{ server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{plain}; listen 127.0.0.1:{tls} ssl;
    ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_read_timeout 600s;
    }}
  }}
  server {{
    listen 127.0.0.1:{sse};
    location / {{
      proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 600s;
    }}
  }}
}}
"""


class Nginx(Process):
    """One worker, upstream keep-alive, bodies in memory, no access log: a fair plain proxy."""

    def __init__(self, directory, upstream_port):
        cert, key = make_certificate(directory)
        self.port, self.tls_port, self.sse_port = free_port(), free_port(), free_port()
        conf = directory / "nginx.conf"
        conf.write_text(NGINX.format(dir=directory, upstream=upstream_port, plain=self.port,
                                     tls=self.tls_port, sse=self.sse_port, cert=cert, key=key))
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        super().__init__("nginx", [binary, "-p", directory, "-c", conf], directory / "nginx.log")
        wait_until(lambda: accepts(self.port), what="nginx")

    def settled_pids(self):
        return self.pids()


class Tollgate(Process):
    """One worker with every stage on; `bodies` is the audit body capture."""

    writer_thread = "tg-store"  # part of the writer thread's name

    def __init__(self, binary, directory, upstream_port, bodies, config_text):
        self.directory = directory / f"tollgate-{bodies}"
        self.directory.mkdir()
        cert, tls_key = make_certificate(directory)
        self.key = new_key()
        self.admin_token = secrets.token_hex(16)
        config = self.directory / "tollgate.yaml"
        config.write_text(config_text(self, upstream_port, bodies, cert, tls_key))
        super().__init__(f"tollgate-{bodies}", [binary, "serve", "--config", config],
                         self.directory / "tollgate.log")
        self.port = self.wait_port("plain.port")
        self.sse_port = self.port
        self.tls_port = self.wait_port("tls.port")
        self.admin_port = self.wait_port("admin.port")
        wait_until(self.ready, what="tollgate /readyz (see " + str(self.log) + ")")

    def wait_port(self, name):
        path = self.directory / name

        def read():
            if self.child.poll() is not None:
                raise RuntimeError("tollgate ended: " + pathlib.Path(self.log).read_text()[-2000:])
            return path.exists() and path.read_text().strip()

        return int(wait_until(read, what=str(path)))

    def admin(self, path):
        request = urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}",
                                         headers={"authorization": f"Bearer {self.admin_token}"})
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.read().decode()

    def ready(self):
        try:
            self.admin("/readyz")
            return True
        except OSError:
            return False

    def metrics(self):
        """{series: value} with labels as printed."""
        out = {}
        for line in self.admin("/metrics").splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                out[series] = float(value)
        return out

    def audit_rows(self):
        import sqlite3
        path = self.directory / "tollgate.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return db.execute("SELECT count(*) FROM audit").fetchone()[0]


def loadgen(binary, port, **options):
    argv = [str(binary), "--port", str(port)]
    for name, value in options.items():
        argv += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr}")
    return json.loads(done.stdout)
