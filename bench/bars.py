"""The table and the bars of a benchmark run.

A ratio is the median of Tollgate's rounds over the median of nginx's. Differences of 10 % (20 % at
fixed rates) between runs are noise: repeat before believing a line near its bar.
"""

# (text, section, path in a sample, factor against nginx, stretch, higher is better)
RATIOS = [
    ("CPU per request, 1 KB", "sat_1k", ("cpu_us",), 1.5, 1.35, False),
    ("CPU per request, 10 KB", "sat_10k", ("cpu_us",), 2.6, 2.3, False),
    ("CPU per request, 100 KB", "sat_100k", ("cpu_us",), 8.0, 6.5, False),
    ("requests/s at saturation, 1 KB", "sat_1k", ("rps",), 0.7, 0.8, True),
    ("p50 at 500/s", "rate_500", ("latency", "p50"), 1.3, 1.2, False),
    ("p99 at 500/s", "rate_500", ("latency", "p99"), 1.25, 1.0, False),
    ("CPU per SSE event", "sse", ("cpu_us_event",), 1.2, 1.1, False),
    ("CPU per request, TLS front", "tls_1k", ("cpu_us",), 1.5, 1.4, False),
]

# Variant of the section `ledger` -> its runs on one thread and, contended, on two.
LEDGER_RUNS = {
    "no journal": ("BM_HoldSettle_SixScopes/budgets_per_scope:1",
                   "BM_HoldSettle_SixScopes/budgets_per_scope:1/real_time/threads:2"),
    "journal in memory": ("BM_HoldSettle_Journal/open:256",
                          "BM_HoldSettle_Journal/open:256/real_time/threads:2"),
    "journal file": ("BM_HoldSettle_JournalFile/open:256/min_time:4.000/real_time",
                     "BM_HoldSettle_JournalFile/open:256/min_time:4.000/real_time/threads:2"),
}

COLUMNS = [
    ("rps", ("rps",), "{:.0f}"),
    ("cpu us", ("cpu_us",), "{:.1f}"),
    ("cpu us/event", ("cpu_us_event",), "{:.2f}"),
    ("writer us", ("writer_us",), "{:.2f}"),
    ("p50 us", ("latency", "p50"), "{:.0f}"),
    ("p99 us", ("latency", "p99"), "{:.0f}"),
    ("p99.9 us", ("latency", "p999"), "{:.0f}"),
    ("ttft p50", ("ttft", "p50"), "{:.0f}"),
    ("ttft p99", ("ttft", "p99"), "{:.0f}"),
    ("relay p50", ("relay", "p50"), "{:.0f}"),
    ("relay p99", ("relay", "p99"), "{:.0f}"),
    ("RSS MB", ("rss_mb",), "{:.0f}"),
    ("1 thread ns", ("one_ns",), "{:.0f}"),
    ("2 threads ns", ("two_ns",), "{:.0f}"),
    ("errors", ("errors",), "{:.0f}"),
]


def print_table(report, median):
    for section, variants in report["samples"].items():
        columns = [c for c in COLUMNS
                   if any(median(samples, *c[1]) is not None for samples in variants.values())]
        print(f"\n{section} (medians of {report['rounds']})")
        print("  " + "variant".ljust(18) + "".join(name.rjust(13) for name, _, _ in columns))
        for variant, samples in variants.items():
            cells = []
            for _, path, form in columns:
                value = median(samples, *path)
                cells.append(("-" if value is None else form.format(value)).rjust(13))
            print("  " + variant.ljust(18) + "".join(cells))
    if "memory_mb" in report:
        print("\nmemory")
        for name, entry in report["memory_mb"].items():
            print(f"  {name}: " + ", ".join(f"{k} {v:.1f}" for k, v in entry.items()))


def verdict(text, value, bar, better_below, stretch=None, detail=""):
    """Prints one line; returns 1 when the bar is missed."""
    if value is None:
        print(f"  ?     {text}: not measured")
        return 0
    good = value <= bar if better_below else value >= bar
    sign = "<=" if better_below else ">="
    reached = ""
    if stretch is not None and (value <= stretch if better_below else value >= stretch):
        reached = f", stretch {stretch} reached"
    print(f"  {'pass' if good else 'MISS'}  {text}: {value:.2f} (bar {sign} {bar}{reached}){detail}")
    return 0 if good else 1


def print_ledger_bars(variants, median):
    """A call's hold and settlement on six scopes; what the journal adds, at its worst."""
    plain, journaled = variants.get("no journal", []), variants.get("journal file", [])
    one, two = median(plain, "one_ns"), median(plain, "two_ns")
    missed = verdict("ledger, 6 scopes, one thread, ns", one, 500, True)
    missed += verdict("ledger, 6 scopes, contended on two threads, ns", two, 2000, True)
    with_one, with_two = median(journaled, "one_ns"), median(journaled, "two_ns")
    more, detail = None, ""
    if None not in (one, two, with_one, with_two):
        more = max(with_one - one, with_two - two)
        detail = f"  [{with_one - one:.0f} on one thread, {with_two - two:.0f} on two]"
    return missed + verdict("ledger, what its journal file adds, ns", more, 2000, True, detail=detail)


def print_bars(report, median):
    samples = report["samples"]
    missed = 0
    print("\nbars")
    for text, section, path, bar, stretch, higher in RATIOS:
        variants = samples.get(section, {})
        ours, theirs = median(variants.get("tollgate", []), *path), median(
            variants.get("nginx", []), *path)
        ratio = ours / theirs if ours and theirs else None
        detail = f"  [{ours:.1f} against {theirs:.1f}]" if ratio else ""
        missed += verdict(text + ", x nginx", ratio, bar, not higher, stretch, detail)
    for section, size in (("sat_10k", "10 KB"), ("sat_100k", "100 KB")):
        variants = samples.get(section, {})
        ours = median(variants.get("tollgate-masked", []), "cpu_us")
        theirs = median(variants.get("nginx", []), "cpu_us")
        if ours and theirs:
            print(f"  info  CPU per request, {size}, bodies masked, x nginx: {ours / theirs:.2f}")
    gate = samples.get("rate_5000", {}).get("tollgate", [])
    missed += verdict("time inside at 5,000/s, mean us", median(gate, "inside", "mean_us"), 14, True,
                      11)
    missed += verdict("time inside at 5,000/s, p99 us", median(gate, "inside", "p99_us"), 35, True,
                      25)
    missed += print_ledger_bars(samples.get("ledger", {}), median)
    saturated = samples.get("sat_1k", {}).get("tollgate", [])
    missed += verdict("audit writer, CPU us a row", median(saturated, "writer_us"), 8, True, 4)
    for name, entry in report.get("audit", {}).items():
        missed += verdict(f"audit rows lost ({name})", entry["requests"] - entry["rows"], 0, True)
    missed += verdict("RSS MB at 64 connections", median(saturated, "rss_mb"), 48, True, 40)
    memory = report.get("memory_mb", {}).get("tollgate", {})
    missed += verdict("KB more per open stream", memory.get("kb_per_stream"), 64, True)
    errors = sum(sample["errors"] for variants in samples.values()
                 for name, runs in variants.items() if name.startswith("tollgate")
                 for sample in runs)
    missed += verdict("errors", errors, 0, True)
    return missed


def print_soak(soak):
    print("\nsoak: " + ", ".join(f"{k} {v}" for k, v in soak.items() if not isinstance(v, list)))
    missed = verdict("errors", soak["errors"], 0, True)
    missed += verdict("calls not on record", soak["missing_rows"], 0, True)
    missed += verdict("memory growth over the last two thirds, MB", soak["growth_mb"], 8, True)
    return missed
