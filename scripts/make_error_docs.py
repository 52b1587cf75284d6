#!/usr/bin/env python3
"""Writes docs/errors.md from the one table of error codes and the JSON-RPC numbers beside it.

  make_error_docs.py          writes the page
  make_error_docs.py --check  exits 1 with a diff when the committed page is not what the table says
"""
import difflib
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "include/tollgate/base/error_codes.def"
NUMBERS = ROOT / "src/protocol/jsonrpc/message.cpp"
PAGE = ROOT / "docs/errors.md"

ROW = re.compile(r'^TG_ERROR\((\w+), (\d{3}), "([^"]*)", "([^"]*)", "((?:[^"\\]|\\.)*)"\)$')

INTRO = """# Errors

What the gateway answers when it answers itself. The `code` is stable: agents may branch on it, the
audit log stores it, `tollgate_refusals_total` and `tollgate_requests_total` count by it.
An error of the provider that no other deployment could mend is passed on as it came.
What goes wrong after a stream has begun is an error event of the stream's dialect, with the same
`code`; the connection is closed after it, and never does a `[DONE]` or its like follow.

| surface | where the code is |
|---|---|
| OpenAI | `error.code`, with `error.type` as below |
| Anthropic | `error.code`, with `error.type` as below |
| MCP, A2A | `error.data.code`, with `error.code` as in the column JSON-RPC. Once a request has been read as JSON-RPC, such an answer is HTTP 200; only 401 and 403 keep their HTTP status, and what has no id (notifications, GET, DELETE) gets HTTP's. An error status of the MCP server or agent whose body is no JSON-RPC is told the same way, with `error.data.upstream_status`; 400 and 405, and of an MCP server 404 (its session is over), 406 and 415 stay the answer's HTTP status; a 401 is about the gateway's credential and never passed on. Errors that MCP itself has numbers for come as its servers give them, without `data`: an `Mcp-Session-Id` that is not (or no longer) this key's is HTTP 404 with -32001, headers that contradict the body are HTTP 400 |

An answer to a request that could be read carries its id, in the body and in `x-request-id`;
`tollgate audit show ID` finds the record. Where waiting helps there is a `Retry-After`. Answers that
a retry cannot mend but that SDKs would retry (402, 429 without `Retry-After`, `loop_detected`, a bug of ours) carry
`x-should-retry: false`.

Without a valid key every path and method is answered with 401, whether it exists or not (with 429
`rate_limited` while the caller's address is over `limits.failed_auth_per_minute`, which valid keys are
not held to); only `GET /` answers everybody. What is wrong with the HTTP message itself (400 `bad_http`, 405 for a method that is
served nowhere, 408, 414, 417, 431) is told to everybody, in the dialect that the target's path asks for as
far as it was read (on `/mcp/` and `/a2a/` with HTTP's status and the id `null`). A caller that is known has
a row in the audit log for each of its refusals; a head that could not be read has no caller.

This page is made by `scripts/make_error_docs.py` from `include/tollgate/base/error_codes.def`.

| code | HTTP | JSON-RPC | OpenAI type | Anthropic type | meaning |
|---|---|---|---|---|---|
"""


def json_rpc_numbers() -> dict:
    """The switch of protocol::jsonrpc::error_number, as code -> number."""
    text = NUMBERS.read_text()
    start = text.find("int error_number(")
    numbers, waiting = {}, []
    for case, number in re.findall(r"case ErrorCode::(\w+):|return (-\d+);",
                                   text[start:text.find("\n}", start)]):
        if case:
            waiting.append(case)
            continue
        numbers.update((code, number) for code in waiting)
        waiting = []
    return numbers


def page() -> str:
    rows = []
    numbers = json_rpc_numbers()
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        if not line.startswith("TG_ERROR"):
            continue
        match = ROW.match(line)
        if match is None:
            sys.exit(f"{TABLE}:{number}: not a TG_ERROR row this script can read")
        code, status, openai, anthropic, meaning = match.groups()
        if code not in numbers:
            sys.exit(f"{NUMBERS}: no JSON-RPC number for {code}")
        meaning = meaning.replace('\\"', '"').replace("|", "\\|")
        rows.append(f"| `{code}` | {status} | {numbers[code]} | `{openai}` | `{anthropic}` | {meaning} |")
    return INTRO + "\n".join(rows) + "\n"


def main() -> int:
    wanted = page()
    if sys.argv[1:] == ["--check"]:
        found = PAGE.read_text() if PAGE.exists() else ""
        if found == wanted:
            return 0
        sys.stdout.writelines(difflib.unified_diff(found.splitlines(True), wanted.splitlines(True),
                                                   "docs/errors.md", "docs/errors.md as it must be"))
        print("run scripts/make_error_docs.py")
        return 1
    if sys.argv[1:]:
        print(__doc__, file=sys.stderr)
        return 2
    PAGE.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
