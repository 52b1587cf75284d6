"""A gateway with a configuration of its own, and a fake provider: what the long tests share."""

import asyncio
import hashlib
import json
import os
import pathlib
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
from processes import new_key  # noqa: E402

# Each call is a session of its own, which is on record with its money from the hold on: what a kill
# leaves of a call names it too.
CONFIG = """
version: 1
workers: 2
listeners: [{{name: main, address: "127.0.0.1:0", port_file: port}}]
admin: {{enabled: false}}
control_socket: control.sock
prices: {{file: ""}}
loop_breaker: observe
audit: {{path: audit.db, bodies: none}}
spending: {{live_scopes: 1000000}}
routing: {{backoff_base: 1ms, backoff_max: 5ms, cooldown: 10ms, retry_budget_percent: 100}}
providers:
  one: {{kind: openai_compatible, base_url: "http://127.0.0.1:{upstream}/one/v1", api_key: k, proxy: none}}
  two: {{kind: openai_compatible, base_url: "http://127.0.0.1:{upstream}/two/v1", api_key: k, proxy: none}}
models:
  m:
    deployments:
      - {{provider: one, model: m, price: {{input: 0, output: 10}}}}
      - {{provider: two, model: m, price: {{input: 0, output: 10}}}}
agents:
  coder:
    budgets: [{{limit: 1000000, window: total}}, {{name: t, tokens: 1000000000, window: total}}]
    each_session: {{budgets: [{{limit: 1000, window: total}}]}}
keys:
  - {{id: k, digest: "sha256:{digest}", agent: coder}}
"""
PRICE = 10_000  # nano-dollars of a token of output; input is free

# Of every call: its name, request id, what it cost in tokens and how it ended. Of one that a kill
# cut short only its scopes tell the session.
ROWS = """
SELECT coalesce(a.session_id, (
         SELECT substr(scope.value, instr(scope.value, '/') + 1)
         FROM ledger AS l, json_each(l.scopes) AS scope
         WHERE l.call_id = a.request_id AND scope.value LIKE '%/%' LIMIT 1)) AS name,
       a.request_id, a.cost_nusd, a.outcome, a.estimated, a.attempt_count,
       (SELECT count(*) FROM ledger AS l WHERE l.call_id = a.request_id) AS charges
FROM audit AS a
"""


class Gateway:
    """The real binary; `start` again after a kill goes on with what is on disk."""

    def __init__(self, binary, upstream_port):
        self.binary = os.path.abspath(binary)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-long-"))
        self.key = new_key()
        digest = hashlib.sha256(self.key.encode()).hexdigest()
        (self.directory / "t.yaml").write_text(
            CONFIG.format(upstream=upstream_port, digest=digest))
        self.process = None
        self.port = 0

    def start(self):
        """Seconds until it was ready."""
        began = time.monotonic()
        port_file = self.directory / "port"
        port_file.unlink(missing_ok=True)
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen([self.binary, "serve", "--config", "t.yaml"],
                                            cwd=self.directory, stdout=log, stderr=log)
        while not (port_file.exists() and port_file.read_text().strip()):
            if self.process.poll() is not None or time.monotonic() - began > 60:
                raise RuntimeError((self.directory / "log").read_text()[-3000:])
            time.sleep(0.005)
        self.port = int(port_file.read_text())
        return time.monotonic() - began

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def close(self, keep):
        """Ends it if it still runs; removes its directory, or says where it is."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if keep:
            print(f"kept: {self.directory}")
        else:
            shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, *arguments):
        return subprocess.run([self.binary, *arguments, "--config", "t.yaml"], cwd=self.directory,
                              capture_output=True, text=True)

    def budgets(self):
        return json.loads(self.run("budgets", "--json").stdout)["budgets"]

    def held(self):
        return [row for row in self.budgets()
                if row.get("held_nusd", 0) or row.get("held_tokens", 0)]

    def rows(self, sql=ROWS):
        with sqlite3.connect(f"file:{self.directory}/audit.db?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            return db.execute(sql).fetchall()


class Failures:
    """Counts what does not hold; prints the first few."""

    def __init__(self):
        self.count = 0

    def check(self, good, what):
        if good:
            return
        self.count += 1
        if self.count <= 20:
            print("FAILED:", what, flush=True)


async def read_request(reader):
    """The path and the body, or an IncompleteReadError at the end of the connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    body = json.loads(await reader.readexactly(length)) if length else {}
    return head.split(b" ", 2)[1].decode(), body


def name_of(body):
    """What the agent called its call: the first word of its message."""
    return body["messages"][0]["content"].split(" ")[0]


def answer(status, value):
    body = json.dumps(value).encode()
    return (f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


def usage(tokens):
    return {"prompt_tokens": 10, "completion_tokens": tokens, "total_tokens": 10 + tokens}


def completion(tokens):
    return answer(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "m",
                        "choices": [{"index": 0, "finish_reason": "stop",
                                     "message": {"role": "assistant", "content": "ok"}}],
                        "usage": usage(tokens)})


STREAM_HEAD = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               b"Transfer-Encoding: chunked\r\n\r\n")


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


def event(text=None, finish=None, tokens=None):
    """One event as a chunk; `tokens`: it tells how many have been generated up to here."""
    choices = [] if text is None and finish is None else [
        {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": finish}]
    value = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
             "choices": choices}
    if tokens is not None:
        value["usage"] = usage(tokens)
    return chunk(b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n")


STREAM_END = chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n"


def request(key, name, text="", stream=False, cap=1000):
    body = json.dumps({"model": "m", "max_tokens": cap, "stream": stream,
                       "messages": [{"role": "user", "content": f"{name} {text}"}]}).encode()
    return (f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n"
            f"x-session-id: {name}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n").encode() + body


async def serve(handler):
    server = await asyncio.start_server(handler, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]
