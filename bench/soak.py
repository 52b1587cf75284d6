"""5,000 requests a second for 60 s against an upstream that takes 60 ms: no error, every call on
record, memory flat."""

import pathlib
import subprocess
import json
import time

import configs
from processes import Tollgate, Upstream, wait_until


def run(options, directory, rate=5000, seconds=60, latency_us=60_000):
    build = pathlib.Path(options.build)
    upstream = Upstream(build / "bench" / "bench_upstream", directory, latency_us=latency_us)
    gate = Tollgate(options.binary or configs.find_binary(build), directory, upstream.port, "masked",
                    configs.tollgate_yaml)
    try:
        child = subprocess.Popen(
            [str(build / "bench" / "bench_loadgen"), "--port", str(gate.port), "--mode", "open",
             "--rate", str(rate), "--seconds", str(seconds), "--warmup", "2", "--connections",
             "1024", "--key", gate.key], stdout=subprocess.PIPE, text=True)
        rss = []
        while child.poll() is None:
            rss.append(round(gate.rss_kb() / 1024, 1))
            time.sleep(1)
        result = json.loads(child.stdout.read())
        try:
            wait_until(lambda: gate.audit_rows() >= result["answered"], 20, "audit rows")
        except RuntimeError:
            pass
        rows = gate.audit_rows()
    finally:
        gate.stop()
        upstream.stop()
    third = rss[len(rss) // 3:]
    return {"rate": rate, "answered": result["answered"], "errors": result["errors"],
            "error_kinds": str(result["error_kinds"]), "rows": rows,
            "missing_rows": result["answered"] - rows, "p50_us": result["latency"]["p50"],
            "p99_us": result["latency"]["p99"], "rss_start_mb": rss[0], "rss_end_mb": rss[-1],
            "growth_mb": round(third[-1] - third[0], 1), "rss_mb": rss}
