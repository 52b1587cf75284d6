"""What the benchmark knows about Tollgate: its configuration and the names of its metrics."""

import hashlib
import pathlib


def find_binary(build):
    for candidate in (build / "src" / "app" / "tollgate", build / "tollgate", build / "bin" / "tollgate"):
        if candidate.exists():
            return candidate
    raise FileNotFoundError(f"no tollgate binary below {build}; build it or pass --binary")


def digest(key):
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


TOLLGATE = """
version: 1
workers: 1
listeners:
  - {{name: plain, address: "127.0.0.1:0", port_file: plain.port}}
  - name: front
    address: "127.0.0.1:0"
    port_file: tls.port
    tls: {{certificate_file: {cert}, private_key_file: {tls_key}}}
admin: {{address: "127.0.0.1:0", port_file: admin.port, token: {admin_token}}}
control_socket: tollgate.sock
limits: {{connections: 100000, connections_per_ip: 100000, requests_per_connection: 1000000000}}
prices: {{file: ""}}
orgs: {{bench-org: {{budgets: [{budget}]}}}}
teams: {{bench-team: {{org: bench-org, budgets: [{budget}]}}}}
agents: {{bench-agent: {{team: bench-team, budgets: [{budget}]}}}}
providers:
  bench:
    kind: openai_compatible
    base_url: http://127.0.0.1:{upstream}/v1
    api_key: bench-provider-credential
    proxy: none
    max_connections: 4096
    max_idle: 4096
    budgets: [{budget}]
models:
  bench:
    deployments: [{{provider: bench, model: bench, price: {{input: 1, output: 4}}}}]
    budgets: [{budget}]
keys:
  - {{id: bench-key, digest: "{digest}", agent: bench-agent, budgets: [{budget}]}}
default_guardrails: [default]
audit: {{path: tollgate.db, bodies: {bodies}}}
log: {{level: warn}}
loop_breaker: observe  # the load is one call over and over; asked and counted, not stopped
"""


def tollgate_yaml(gate, upstream_port, bodies, cert, tls_key):
    """One worker and every stage on: key, budgets on all six scopes, the default guardrails both
    ways, audit, metrics, deadlines."""
    budget = "{limit: 1000000, window: month}"
    return TOLLGATE.format(cert=cert, tls_key=tls_key, admin_token=gate.admin_token, budget=budget,
                           upstream=upstream_port, digest=digest(gate.key), bodies=bodies)


def total(metrics, name, suffix=""):
    """The sum of a family over its labels."""
    series = name + suffix
    return sum(value for key, value in metrics.items()
               if key == series or key.startswith(series + "{"))


def requests_total(metrics):
    return int(total(metrics, "tollgate_requests_total"))


def inside_time(before, after, name="tollgate_gateway_seconds"):
    """Mean and p99 in microseconds of the time inside the gateway, between two scrapes."""
    def delta(suffix):
        return total(after, name, suffix) - total(before, name, suffix)

    count = delta("_count")
    if not count:
        return None
    buckets = {}
    for sign, scrape in ((1, after), (-1, before)):
        for series, value in scrape.items():
            if series.startswith(name + "_bucket{"):
                edge = series.split('le="')[1].split('"')[0]
                if edge != "+Inf":
                    buckets[float(edge)] = buckets.get(float(edge), 0) + sign * value
    wanted, low, seen, p99 = count * 0.99, 0.0, 0.0, None
    for edge, cumulative in sorted(buckets.items()):
        if cumulative >= wanted:
            # Linear inside the bucket, as Prometheus does.
            p99 = low + (edge - low) * (wanted - seen) / max(cumulative - seen, 1)
            break
        low, seen = edge, cumulative
    return {"mean_us": delta("_sum") / count * 1e6,
            "p99_us": None if p99 is None else p99 * 1e6}
