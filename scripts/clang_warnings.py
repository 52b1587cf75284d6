#!/usr/bin/env python3
"""The second compiler's opinion of every source: clang's warnings as errors, no code made.

    scripts/clang_warnings.py [build/clang]

Needs the `clang` preset configured, not built: it reads its compile commands. Below src/ each source
is read on its own, so that a header it forgets is found although g++ compiles several at once.
"""

import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

# Of no use without an object file; their arguments go with them.
WITH_ARGUMENT = {"-o", "-MF", "-MT"}
ALONE = {"-MD", "-c"}


def command(entry):
    words = shlex.split(entry["command"])
    while not os.path.basename(words[0]).startswith("clang"):  # the compiler cache
        words = words[1:]
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in WITH_ARGUMENT:
            skip = True
        elif word not in ALONE:
            kept.append(word)
    return kept + ["-fsyntax-only"]


def check(entry):
    done = subprocess.run(command(entry), cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], done.returncode, done.stderr


def main():
    build = sys.argv[1] if len(sys.argv) > 1 else "build/clang"
    with open(os.path.join(build, "compile_commands.json")) as file:
        entries = json.load(file)
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for file, status, words in pool.map(check, entries):
            if status != 0 or words:
                failed += 1
                print(f"--- {os.path.relpath(file)}\n{words}", flush=True)
    print(f"clang: {len(entries)} sources, {failed} with warnings")
    return 1 if failed or not entries else 0


if __name__ == "__main__":
    sys.exit(main())
