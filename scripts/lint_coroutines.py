#!/usr/bin/env python3
"""Finds the coroutine forms that g++ 12 miscompiles or that lose errors, and sleeps in unit tests.

    scripts/lint_coroutines.py             check the tree; exit 1 with one line per finding
    scripts/lint_coroutines.py --self-test

C1/C3  a full expression with co_await holds no braced temporary and no lambda that captures by value:
       g++ 12 destroys those twice. Name them first, then std::move them in.
C4     a capturing lambda is never itself a coroutine: the captures die with the lambda object.
C5     nothing is spawned `detached`: an exception would vanish.
C13    no lock is held over co_await, and no co_await stands in a catch block.

Text patterns, not a parser: a finding that is wrong is silenced by `coroutine-lint: <reason>` in a
comment on the same line.
"""

import pathlib
import re
import sys

SILENCER = "coroutine-lint:"


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def strip(text):
    """The text with comments and literals blanked, line breaks kept."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|R"(?P<d>[^(\s]*)\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
        re.S)
    # 1'000'000 is no character literal.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    return pattern.sub(blank, text)


def matching(text, at, opening, closing):
    depth = 0
    for i in range(at, len(text)):
        if text[i] == opening:
            depth += 1
        elif text[i] == closing:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def statement_around(text, at):
    """The full expression around text[at]: from the last statement border to the next."""
    start = at
    depth = 0  # parentheses closed on the way back
    while start > 0:
        char = text[start - 1]
        if char in ")]":
            depth += 1
        elif char in "([":
            depth -= 1
        elif char == ";" or (char in "{}" and depth <= 0 and not inside_call(text, start - 1)):
            break
        start -= 1
    end = at
    depth = 0
    while end < len(text):
        char = text[end]
        if char in "([{":
            if char == "{" and depth < 0:
                break  # the block of `if (co_await ...)`
            depth += 1
        elif char in ")]}":
            depth -= 1
        elif char == ";" and depth <= 0:
            break
        end += 1
    return start, end


def inside_call(text, at):
    """Whether the brace at `at` opens or closes a value, not a block."""
    before = text[:at].rstrip()
    return before[-1:] in ("(", ",") or bool(re.search(r"[\w>]$", before) and not re.search(
        r"(\b(else|do|try|const|noexcept|override|mutable)|\))$", before) and text[at] == "{"
        and not re.search(r"\b(struct|class|enum|namespace|union)\b[^;{}]*$", before))


LAMBDA = re.compile(r"(?<![\w\])\[])\s*\[(?!\[)([^\[\]]*)\]\s*(?=[({]|mutable|noexcept|->)")
BRACED = re.compile(r"(?:(?<=[(,])\s*|[\w>]\s*)\{\s*[^\s}]")


def captures_by_value(captures):
    parts = [part.strip() for part in captures.split(",") if part.strip()]
    return any(not part.startswith("&") and part not in ("this",) for part in parts)


def lambda_body(text, match):
    """(start, end) of the braces of a lambda, and what stands before them."""
    at = match.end()
    if text[at:at + 1] == "(":
        at = matching(text, at, "(", ")") + 1
    brace = text.find("{", at)
    if brace < 0 or ";" in text[at:brace]:
        return None
    return brace, matching(text, brace, "{", "}"), text[at:brace]


def findings(text):
    lines = text.split("\n")
    code = strip(text)

    def line_of(at):
        return code.count("\n", 0, at) + 1

    out = []

    def add(at, rule, why):
        line = line_of(at)
        if SILENCER not in lines[line - 1]:
            out.append((line, rule, why))

    lambdas = [(m, lambda_body(code, m)) for m in LAMBDA.finditer(code)]
    for match, body in lambdas:
        if body is None or not match.group(1).strip():
            continue
        inner = code[body[0]:body[1]]
        nested = [b for m, b in lambdas if b and b[0] > body[0] and b[1] < body[1]]
        for start, end, _ in nested:
            inner = inner.replace(code[start:end], " " * (end - start))
        if re.search(r"\bco_(await|return|yield)\b", inner):
            add(match.start(1), "C4", "a capturing lambda is a coroutine")
    for match in re.finditer(r"\bco_await\b", code):
        start, end = statement_around(code, match.start())
        expression = code[start:end]
        for inner in LAMBDA.finditer(expression):
            if captures_by_value(inner.group(1)):
                add(start + inner.start(1), "C1", "lambda capturing by value beside co_await")
        for inner in BRACED.finditer(expression):
            add(start + inner.start() + 1, "C1", "braced temporary beside co_await")
    for match in re.finditer(r"\bdetached\b", code):
        add(match.start(), "C5", "detached")
    for match in re.finditer(r"\bcatch\s*\([^)]*\)\s*(?=\{)", code):
        block = code[match.end():matching(code, match.end(), "{", "}")]
        if "co_await" in block:
            add(match.start(), "C13", "co_await in a catch block")
    for match in re.finditer(r"\b(lock_guard|unique_lock|scoped_lock|shared_lock)\b", code):
        depth = 0
        for i in range(match.start(), len(code)):
            if code[i] == "{":
                depth += 1
            elif code[i] == "}":
                depth -= 1
                if depth < 0:
                    break
        if re.search(r"\bco_await\b", code[match.start():i]):
            add(match.start(), "C13", "a lock held over co_await")
    return sorted(set(out))


CASES = [
    ("co_await f(Options{1, 2});", "C1"),
    ("auto r = co_await f(x, {\"a\", \"b\"});", "C1"),
    ("co_await f([x] { return x; });", "C1"),
    ("co_await f([&] { return x; });", None),
    ("Options o{1, 2}; co_await f(std::move(o));", None),
    ("if (co_await f(x)) { Options o{1}; }", None),
    ("while (true) { auto n = co_await f(); if (!n) { return {}; } }", None),
    ("Task<int> g() { co_return co_await h(); }", None),
    ("auto c = [x]() -> Task<int> { co_return x; };", "C4"),
    ("auto c = []() -> Task<int> { co_return 1; };", None),
    ("a[i] = co_await f(b[j]);", None),
    ("spawn(ex, run(), detached);", "C5"),
    ("// detached is forbidden", None),
    ("try { x(); } catch (const E& e) { co_await f(); }", "C13"),
    ("{ std::lock_guard lock(m); co_await f(); }", "C13"),
    ("{ { std::lock_guard lock(m); y(); } co_await f(); }", None),
    ("co_await f(Options{1});  // coroutine-lint: trivial type", None),
    ("co_await f(std::chrono::seconds(1'000));", None),
]


def self_test():
    for text, expected in CASES:
        got = [rule for _, rule, _ in findings(text)]
        assert (got == [expected] * len(got) and got) if expected else not got, (text, got)
    print("lint_coroutines: self-test passed")


def main():
    if "--self-test" in sys.argv:
        self_test()
        return 0
    root = pathlib.Path(__file__).resolve().parent.parent
    count = 0
    for top in ("src", "include"):
        for path in sorted((root / top).rglob("*.[ch]pp")):
            for line, rule, why in findings(path.read_text(errors="replace")):
                print(f"{path.relative_to(root)}:{line}: {rule}: {why}")
                count += 1
    for top in ("tests/unit", "tests/property"):
        for path in sorted((root / top).rglob("*.[ch]pp")):
            code = strip(path.read_text(errors="replace"))
            # An interface's `sleep_until` may be overridden; the double must not sleep either.
            for match in re.finditer(
                    r"\b(sleep_for|sleep_until|usleep|nanosleep)\b(?!\([^()]*\) override)", code):
                line = code.count("\n", 0, match.start()) + 1
                print(f"{path.relative_to(root)}:{line}: a sleep in a unit test")
                count += 1
    print(f"coroutine lint: {count} findings")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
