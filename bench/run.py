#!/usr/bin/env python3
"""Measures Tollgate beside nginx and a direct connection, in one interleaved run.

    bench/run.py [--build build/bench] [--rounds 3] [--seconds 4] [--out bench.json]
    bench/run.py --only sat_1k,sse          some sections
    bench/run.py --without-tollgate         the tools and nginx alone
    bench/run.py --soak                     5,000/s for 60 s against a 60 ms upstream

Needs the programs of a build with TOLLGATE_BENCH=ON (preset `bench`), nginx and openssl. Prints the
machine, a table and the bars (bars.py), writes everything as JSON, and exits 1 when a bar is missed.
Variants take turns inside each round and the medians of the rounds are compared, so that a noisy
minute hits all of them. CPU time is that of the proxy's process, all threads, per request answered.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import bars
import configs
from processes import Nginx, Tollgate, Upstream, loadgen, wait_until

ROOT = pathlib.Path(__file__).resolve().parent.parent


class Bench:
    def __init__(self, options, directory):
        self.options = options
        self.directory = directory
        self.build = pathlib.Path(options.build)
        self.loadgen = self.build / "bench" / "bench_loadgen"
        self.ledger_bench = self.build / "bench" / "micro" / "ledger_bench"
        self.samples = {}  # section -> variant -> [one dict a round]
        self.extra = {}
        self.upstream = Upstream(self.build / "bench" / "bench_upstream", directory)
        self.nginx = Nginx(directory, self.upstream.port)
        self.gate = self.plain_gate = None
        if not options.without_tollgate:
            binary = options.binary or configs.find_binary(self.build)
            self.gate = Tollgate(binary, directory, self.upstream.port, "masked",
                                 configs.tollgate_yaml)
            self.plain_gate = Tollgate(binary, directory, self.upstream.port, "none",
                                       configs.tollgate_yaml)

    def close(self):
        codes = {}
        for process in (self.gate, self.plain_gate, self.nginx, self.upstream):
            if process is not None:
                codes[process.name] = process.stop()
        return codes

    # ---- one measurement ----

    def measure(self, section, variant, process, port, **load):
        """Runs the generator once; adds the sample with CPU time of `process` (None: direct)."""
        if isinstance(process, Tollgate):
            load["key"] = process.key
        cpu = process.cpu_ns() if process else {}
        inside = process.metrics() if isinstance(process, Tollgate) else None
        result = loadgen(self.loadgen, port, seconds=self.options.seconds, **load)
        if process:
            result["cpu"] = {name: ns - cpu.get(name, 0) for name, ns in process.cpu_ns().items()}
            answered = max(result["answered"], 1)
            result["cpu_us"] = sum(result["cpu"].values()) / 1e3 / answered
            result["rss_mb"] = process.rss_kb() / 1024
            if result["events_seen"]:
                result["cpu_us_event"] = sum(result["cpu"].values()) / 1e3 / result["events_seen"]
        if inside is not None:
            result["writer_us"] = sum(
                ns for name, ns in result["cpu"].items() if Tollgate.writer_thread in name
            ) / 1e3 / answered
            result["inside"] = configs.inside_time(inside, process.metrics())
        self.samples.setdefault(section, {}).setdefault(variant, []).append(result)
        if result["errors"]:
            print(f"    {section} {variant}: {result['errors']} errors {result['error_kinds']}")

    def turn(self, section, variants, **load):
        for variant, process, port in variants:
            self.measure(section, variant, process, port, **load)

    def variants(self, kind="port"):
        out = [("direct", None, self.upstream.port), ("nginx", self.nginx, getattr(self.nginx, kind))]
        if self.gate:
            out.append(("tollgate", self.gate, getattr(self.gate, kind)))
        return out

    def body_variants(self):
        out = self.variants()
        if self.gate:
            out = out[:2] + [("tollgate", self.plain_gate, self.plain_gate.port),
                             ("tollgate-masked", self.gate, self.gate.port)]
        return out

    # ---- sections ----

    def sat_1k(self):
        self.turn("sat_1k", self.variants(), mode="closed", connections=64, body_bytes=1024)

    def sat_10k(self):
        self.turn("sat_10k", self.body_variants(), mode="closed", connections=32, body_bytes=10240)

    def sat_100k(self):
        self.turn("sat_100k", self.body_variants(), mode="closed", connections=32,
                  body_bytes=102400)

    def rate_500(self):
        self.turn("rate_500", self.variants(), mode="open", rate=500, connections=64)

    def rate_5000(self):
        self.turn("rate_5000", self.variants(), mode="open", rate=5000, connections=64)

    def sse(self):
        self.turn("sse", self.variants("sse_port"), mode="sse", rate=40, connections=256)

    def tls_1k(self):
        self.turn("tls_1k", self.variants("tls_port")[1:], mode="closed", connections=64,
                  body_bytes=1024, tls=1)

    def ledger(self):
        """The ledger alone: nanoseconds a caller waits for its hold and settlement."""
        done = subprocess.run(
            [str(self.ledger_bench), "--benchmark_filter=^BM_HoldSettle", "--benchmark_format=json"],
            stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "TMPDIR": self.directory})
        runs = {run["name"]: run for run in json.loads(done.stdout)["benchmarks"]}
        for variant, (one, two) in bars.LEDGER_RUNS.items():
            self.samples.setdefault("ledger", {}).setdefault(variant, []).append(
                {"one_ns": runs[one]["call_ns"], "two_ns": runs[two]["call_ns"], "errors": 0})

    SECTIONS = ["sat_1k", "sat_10k", "sat_100k", "rate_500", "rate_5000", "sse", "tls_1k", "ledger"]

    def memory(self):
        """RSS after start, with 64 connections under load, and with 1,000 open streams."""
        for name, process in (("nginx", self.nginx), ("tollgate", self.gate)):
            if process is None:
                continue
            entry = self.extra.setdefault("memory_mb", {}).setdefault(name, {})
            key = ["--key", process.key] if isinstance(process, Tollgate) else []
            entry["before_streams"] = process.rss_kb() / 1024
            child = subprocess.Popen(
                [str(self.loadgen), "--port", str(process.sse_port), "--mode", "hold",
                 "--connections", "1000", "--warmup", "0", "--seconds", "8", "--interval-us", "200000",
                 *key],
                stdout=subprocess.PIPE, text=True)
            peak = 0
            while child.poll() is None:
                peak = max(peak, process.rss_kb() / 1024)
                time.sleep(0.1)
            result = json.loads(child.stdout.read())
            entry["with_1000_streams"] = peak
            entry["stream_errors"] = result["errors"]
            entry["kb_per_stream"] = (peak - entry["before_streams"]) * 1024 / 1000

    def lost_rows(self):
        """Rows against requests that Tollgate counted itself, after the queue has drained."""
        for name, process in (("masked", self.gate), ("none", self.plain_gate)):
            if process is None:
                continue
            # Streams that the generator cut end a moment after it.
            wait_until(lambda: process.metrics()["tollgate_in_flight"] == 0, 20, "idle")
            counted = configs.requests_total(process.metrics())
            try:
                wait_until(lambda: process.audit_rows() >= counted, 20, "audit rows")
            except RuntimeError:
                pass
            self.extra.setdefault("audit", {})[name] = {
                "requests": counted, "rows": process.audit_rows()}

    def run(self):
        wanted = self.options.only.split(",") if self.options.only else self.SECTIONS + ["memory"]
        names = [name for name in wanted if name != "memory"]
        if self.gate:
            self.extra["idle_rss_mb"] = {p.name: p.rss_kb() / 1024
                                         for p in (self.nginx, self.gate)}
        for number in range(self.options.rounds):
            for name in names:
                print(f"round {number + 1}: {name}", flush=True)
                getattr(self, name)()
        if "memory" in wanted:
            self.memory()
        self.lost_rows()


def machine():
    cpu = next((line.split(":", 1)[1].strip()
                for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.processor())
    memory = pathlib.Path("/proc/meminfo").read_text().splitlines()[0].split()[1]
    nginx = subprocess.run(["nginx", "-v"], capture_output=True, text=True).stderr.strip()
    return {"cpu": cpu, "cores": os.cpu_count(), "memory_gb": round(int(memory) / 1e6, 1),
            "kernel": platform.release(), "system": platform.freedesktop_os_release()["PRETTY_NAME"],
            "nginx": nginx.split("/")[-1], "load_before": os.getloadavg()[0]}


def median(samples, *path):
    values = []
    for sample in samples:
        value = sample
        for part in path:
            value = (value or {}).get(part)
        if value is not None:
            values.append(value)
    return statistics.median(values) if values else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default=ROOT / "build" / "bench")
    parser.add_argument("--binary", help="the tollgate binary; default: in the build directory")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--only", help="comma list of " + ", ".join(Bench.SECTIONS) + ", memory")
    parser.add_argument("--without-tollgate", action="store_true")
    parser.add_argument("--soak", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep the working directory")
    parser.add_argument("--out", default="bench.json")
    options = parser.parse_args()

    directory = pathlib.Path(tempfile.mkdtemp(prefix="tollgate-bench-"))
    facts = machine()
    print("machine: " + ", ".join(f"{k} {v}" for k, v in facts.items()))
    if options.soak:
        import soak
        report = {"machine": facts, "soak": soak.run(options, directory)}
        missed = bars.print_soak(report["soak"])
    else:
        bench = Bench(options, directory)
        try:
            bench.run()
        finally:
            codes = bench.close()
        report = {"machine": facts, "rounds": options.rounds, "seconds": options.seconds,
                  "samples": bench.samples, **bench.extra, "exit_codes": codes}
        bars.print_table(report, median)
        missed = 0 if options.without_tollgate else bars.print_bars(report, median)
    pathlib.Path(options.out).write_text(json.dumps(report, indent=1))
    print(f"written: {options.out}" + (f"; kept: {directory}" if options.keep else ""))
    if not options.keep:
        shutil.rmtree(directory, ignore_errors=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
