#!/usr/bin/env python3
"""Kills a loaded gateway at random moments: every call the provider saw must be on record.

    tests/long/kill9.py build/release/tollgate [--times 20] [--seed 1] [--ready 2]

Each call has a name of its own, which its agent, the provider and the record know it by, so that no
row stands in for another call's. Among the calls: JSON and streams, providers that refuse the first
attempt, break off before the answer or in the middle of a stream. After each restart: ready within
`--ready` seconds; one row for each name that the provider saw, exact where its answer arrived; rows
without a call that the provider saw only of those that the kill cut short; nothing held; `tollgate
ledger verify` and `audit verify` agree. Exit code 1 when not.
"""

import argparse
import asyncio
import collections
import random
import sys

from gateway import (PRICE, STREAM_END, STREAM_HEAD, Failures, Gateway, answer, completion, event,
                     name_of, read_request, request, serve)

TOKENS = 100  # of each whole answer
CAP = 1000    # what a call asks for, and holds
CALLERS = 32
KINDS = ["json"] * 5 + ["stream"] * 4 + ["refused", "cut", "cut_stream"]


async def provider_answers(name, kind, is_first, writer, rng):
    """False: the connection is over."""
    await asyncio.sleep(rng.choice([0, 0.001, 0.005, 0.02]))
    if kind == "refused" and is_first:
        writer.write(answer(503, {"error": {"message": "busy", "type": "server_error"}}))
    elif kind == "cut":
        writer.transport.abort()
        return False
    elif kind in ("stream", "cut_stream"):
        writer.write(STREAM_HEAD)
        for number in range(10):
            writer.write(event(f"word{number} "))
            await writer.drain()
            await asyncio.sleep(rng.choice([0, 0.001, 0.003]))
            if kind == "cut_stream" and number == 5:
                writer.transport.abort()
                return False
        writer.write(event(finish="stop") + event(tokens=TOKENS) + STREAM_END)
    else:
        writer.write(completion(TOKENS))
    await writer.drain()
    return True


def kind_of(name):
    return name.split("-")[1]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ready", type=float, default=2)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    seen = collections.Counter()  # attempts by name
    answered = {}  # name -> request id, of those whose agent has the whole answer
    sent = 0
    stop = False
    failures = Failures()

    async def upstream(reader, writer):
        try:
            while True:
                _, body = await read_request(reader)
                name = name_of(body)
                seen[name] += 1
                if not await provider_answers(name, kind_of(name), seen[name] == 1, writer, rng):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    async def one_call(reader, writer):
        """False: the connection is over. Raises when it broke."""
        nonlocal sent
        sent += 1
        kind = rng.choice(KINDS)
        name = f"call-{kind}-{sent}"
        writer.write(request(gateway.key, name, "x" * rng.randrange(2000), "stream" in kind, CAP))
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        if "content-length" in fields:
            await reader.readexactly(int(fields["content-length"]))
        else:
            text = await reader.readuntil(b"0\r\n\r\n")
            if not text.endswith(STREAM_END):
                return False
        if head.startswith("http/1.1 200"):
            answered[name] = fields["x-request-id"]
        return fields.get("connection") != "close"

    async def caller():
        while not stop:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
                while not stop and await one_call(reader, writer):
                    pass
            except (ConnectionError, OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)
            finally:
                if writer is not None:
                    writer.close()

    def check_rows(turn):
        rows = gateway.rows()
        by_name = {row["name"]: row for row in rows}
        failures.check(len(by_name) == len(rows), f"{turn}: a call has two rows, or a row no name")
        for name in seen:
            failures.check(name in by_name, f"{turn}: the provider saw {name}, no row has it")
        unseen = [row for row in rows if row["name"] not in seen]
        for row in unseen:
            failures.check(row["outcome"] == "interrupted",
                           f"{turn}: {dict(row)} is on record, and the provider did not see it")
        failures.check(len(unseen) <= (turn + 1) * CALLERS, f"{turn}: {len(unseen)} never left")
        for name, request_id in answered.items():
            row = by_name.get(name)
            failures.check(row is not None and row["request_id"].lower() == request_id and
                           row["cost_nusd"] == TOKENS * PRICE,
                           f"{turn}: {name} was answered whole as {request_id}, on record is "
                           f"{row and dict(row)}")
        for row in rows:
            failures.check(row["charges"] >= 1, f"{turn}: no charge of {dict(row)}")
            # Each attempt at most what it held.
            most = max(seen[row["name"]], 1) * CAP * PRICE
            least = CAP * PRICE if row["name"] not in seen else 0
            failures.check(least <= row["cost_nusd"] <= most, f"{turn}: the cost of {dict(row)}")
        return rows

    server, port = await serve(upstream)
    gateway = Gateway(options.binary, port)
    slowest = 0.0
    try:
        gateway.start()
        for turn in range(options.times):
            stop = False
            callers = [asyncio.create_task(caller()) for _ in range(CALLERS)]
            await asyncio.sleep(rng.uniform(0.05, 1.0))
            gateway.kill()
            stop = True
            await asyncio.gather(*callers)
            await asyncio.sleep(0.1)  # what was on its way to the provider arrives
            ready = gateway.start()
            slowest = max(slowest, ready)
            failures.check(ready <= options.ready, f"{turn}: ready after {ready:.2f} s")
            rows = check_rows(turn)
            failures.check(not gateway.held(), f"{turn}: held {gateway.held()[:3]}")
            spent = next(row["spent_nusd"] for row in gateway.budgets()
                         if row["scope"] == "agent" and row["unit"] == "usd")
            cost = sum(row["cost_nusd"] for row in rows)
            failures.check(spent == cost, f"{turn}: the budget says {spent}, the rows {cost}")
            for command in ("ledger", "audit"):
                done = gateway.run(command, "verify")
                failures.check(done.returncode == 0,
                               f"{turn}: {command} verify: {done.stdout}{done.stderr}")
            outcomes = collections.Counter(row["outcome"] for row in rows)
            print(f"{turn}: seen {len(seen)}, answered {len(answered)}, on record {dict(outcomes)}, "
                  f"ready {ready:.2f} s", flush=True)
        failures.check(gateway.stop() == 0, "stop")
    finally:
        server.close()
        gateway.close(keep=failures.count > 0)
    repeated = sum(count > 1 for count in seen.values())
    failures.check(len(answered) > 0 and repeated > 0, "no call was answered, or none was repeated")
    print(f"{options.times} kills, {len(seen)} calls at the provider, {repeated} of them more than "
          f"once, slowest start {slowest:.2f} s, {failures.count} failures")
    return 1 if failures.count else 0


sys.exit(asyncio.run(main()))
