#!/usr/bin/env python3
"""Streams that their agents leave at random bytes: nothing stays held, each is on record.

    tests/long/aborts.py build/release/tollgate [--streams 1000] [--seed 1]

What the events of a stream hold goes by its kind: a token each; several; digits, three a token;
Chinese, about a token a character; and each of them with the provider's own count at every event
(`-counted`), or at every seventh (`-sometimes`). A stream costs at least the tokens of the events that
its agent had read, and at most those of what the provider had written and one event more; where the
gateway has only the text to go by, and an event is more than a token, half as much again. Exit code 1
when not.
"""

import argparse
import asyncio
import collections
import random
import sys
import time

from gateway import (PRICE, STREAM_END, STREAM_HEAD, Failures, Gateway, event, name_of,
                     read_request, request, serve)

EVENTS = 400
AT_ONCE = 50
CAP = 4000

# (text, tokens). The counts of cl100k and o200k: digits in threes by their rule, the Chinese as in
# tests/golden/tokens (35 to 52 tokens of 53 characters: here a token for each that is common alone).
TEXTS = {
    "tokens": [("word ", 1), ("x", 1), ("ing", 1), (" the", 1), ("token", 1), ("\n", 1)],
    "words": [("The quick brown fox ", 4), ("jumps over the lazy dog. ", 6), ("and then some ", 3)],
    "digits": [("1834170471", 4), ("9845", 2), ("402077", 2), ("1", 1), ("123456789012345678", 6)],
    "chinese": [("你好", 1), ("人人生而自由", 4), ("我", 1), ("在尊严和权利上一律平等", 9)],
}
COUNTED = {"": 0, "counted": 1, "sometimes": 7}  # told with every nth event
KINDS = [f"{text}-{counted}".rstrip("-") for text in TEXTS for counted in COUNTED]
# Where nothing has to be estimated.
EXACT = {kind for kind in KINDS if kind.startswith("tokens") or kind.endswith("-counted")}


def kind_of(name):
    return name.partition(".")[0]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(KINDS))
    options = parser.parse_args()
    rng = random.Random(options.seed)
    kinds = options.kinds.split(",")
    tokens = {}  # by name: of the events written so far, one entry each
    failures = Failures()

    async def upstream(reader, writer):
        try:
            while True:
                _, body = await read_request(reader)
                name = name_of(body)
                text, _, counted = kind_of(name).partition("-")
                told_each = COUNTED[counted]
                sizes = tokens[name] = []
                writer.write(STREAM_HEAD)
                for number in range(EVENTS):
                    if reader.at_eof() or writer.is_closing():
                        return
                    words, size = rng.choice(TEXTS[text])
                    told = told_each and number % told_each == told_each - 1
                    sizes.append(size)
                    writer.write(event(words, tokens=sum(sizes) if told else None))
                    await writer.drain()
                    await asyncio.sleep(0.002)
                writer.write(event(finish="stop") + event(tokens=sum(sizes)) + STREAM_END)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server, port = await serve(upstream)
    gateway = Gateway(options.binary, port)
    gateway.start()
    read_events = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def agent(number):
        name = f"{kinds[number % len(kinds)]}.{number}"
        async with gate:
            reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
            writer.write(request(gateway.key, name, stream=True, cap=CAP))
            left = rng.randrange(1, 60_000)
            got = b""
            while len(got) < left:
                piece = await reader.read(min(left - len(got), 4096))
                if not piece:
                    break
                got += piece
            # Whole ones: what was cut, the agent has not read.
            read_events[name] = sum(b'"content"' in part for part in got.split(b"\n\n")[:-1])
            writer.transport.abort()

    outcomes = collections.Counter()
    missed = collections.defaultdict(list)
    try:
        await asyncio.gather(*(agent(n) for n in range(options.streams)))
        began = time.monotonic()
        while gateway.held() and time.monotonic() - began < 5:
            await asyncio.sleep(0.1)
        waited = time.monotonic() - began
        failures.check(not gateway.held(), f"held after 5 s: {gateway.held()[:3]}")
        await asyncio.sleep(0.3)
        rows = {row["name"]: row for row in gateway.rows()}
        failures.check(rows.keys() == read_events.keys(),
                       f"{len(rows)} rows of {options.streams} streams")
        for name, row in rows.items():
            outcomes[row["outcome"]] += 1
            # Left before the request was at the provider: nothing was written.
            sizes = tokens.get(name, [])
            largest = max(size for _, size in TEXTS[kind_of(name).partition("-")[0]])
            cost = row["cost_nusd"] / PRICE
            least, wrote = sum(sizes[:read_events[name]]), sum(sizes)
            most = wrote * (1 if kind_of(name) in EXACT else 1.5) + largest
            missed[kind_of(name)].append(cost - least)
            failures.check(least <= cost <= most,
                           f"{name} cost {cost:.0f} tokens; its agent read {read_events[name]} events "
                           f"of {least}, the provider wrote {len(sizes)} of {wrote}")
        verified = gateway.run("ledger", "verify")
        failures.check(verified.returncode == 0, verified.stdout)
        gateway.stop()
    finally:
        server.close()
        gateway.close(keep=failures.count > 0)
    for kind, differences in sorted(missed.items()):
        print(f"  {kind}: cost above what was read: {min(differences):.0f} to {max(differences):.0f}")
    print(f"{options.streams} streams, {dict(outcomes)}, nothing held {waited:.1f} s after the last; "
          f"{failures.count} failures")
    return 1 if failures.count else 0


sys.exit(asyncio.run(main()))
