#!/usr/bin/env python3
"""Holds every #include against the one-way rule written in src/CMakeLists.txt.

    scripts/check_layers.py            check the tree; exit 1 with one line per offence
    scripts/check_layers.py --self-test

A module includes itself and earlier layers, never a sibling of its own layer and never a later one;
`app` alone may include everything, since it wires everything. Private headers (src/<module>/...) stay
inside their module. protocol and domain include no Asio and no Beast, not even through another
header. SQL stays in src/store. Files over 600 lines fail, over 400 are named.
"""

import pathlib
import re
import sys
import tempfile

INCLUDE = re.compile(r'^\s*#\s*include\s+["<]([^">]+)[">]', re.M)
SOURCES = (".cpp", ".hpp", ".def")


def read_layers(cmake_text):
    """The rule as a list of sets, from the comment `base <- json <- {config, protocol} <- ...`."""
    joined = " ".join(line.lstrip("# ") for line in cmake_text.splitlines() if line.startswith("#"))
    rule = re.search(r"base <- [^.]*", joined).group(0)
    layers = []
    for part in rule.split("<-"):
        layers.append({name.strip() for name in part.strip().strip("{}").split(",")})
    return layers


def allowed_modules(layers):
    out = {}
    seen = set()
    for layer in layers:
        for module in layer:
            out[module] = seen | {module}
        seen |= layer
    out["app"] = seen
    return out


def module_of(path, root):
    parts = path.relative_to(root).parts
    if parts[0] == "src" and len(parts) > 2:
        return parts[1]
    if parts[:2] == ("include", "tollgate") and len(parts) > 3:
        return parts[2]
    return None


def check(root):
    layers = read_layers((root / "src" / "CMakeLists.txt").read_text())
    allowed = allowed_modules(layers)
    problems, notes = [], []
    includes = {}  # file -> [(line, target)]
    for top in ("src", "include"):
        for path in sorted((root / top).rglob("*")):
            if path.suffix in SOURCES:
                text = path.read_text(errors="replace")
                includes[path] = [(text.count("\n", 0, m.start()) + 1, m.group(1))
                                  for m in INCLUDE.finditer(text)]
                check_size(path.relative_to(root), text, problems, notes)
                if module_of(path, root) not in ("store", None):
                    check_sql(path.relative_to(root), text, problems)

    def resolve(path, target):
        for candidate in (root / "include" / target, root / "src" / target, path.parent / target):
            if candidate in includes:
                return candidate
        return None

    asio_cache = {}

    def asio_chain(path, active=()):
        """How `path` reaches Asio, as a list of names, or None."""
        if path in asio_cache:
            return asio_cache[path]
        if path in active:
            return None
        found = None
        for _, target in includes[path]:
            if target.startswith(("boost/asio", "boost/beast")):
                found = [target]
                break
            nxt = resolve(path, target)
            chain = nxt and asio_chain(nxt, active + (path,))
            if chain:
                found = [target] + chain
                break
        asio_cache[path] = found
        return found

    for path, targets in includes.items():
        module = module_of(path, root)
        name = path.relative_to(root)
        if module is None:
            continue
        if module not in allowed:
            problems.append(f"{name}:1: module {module} is not in the rule of src/CMakeLists.txt")
            continue
        for line, target in targets:
            if target.startswith("tollgate/"):
                other = target.split("/")[1]
                if other in allowed and other not in allowed[module]:
                    problems.append(f"{name}:{line}: {module} must not include {target}")
            else:
                resolved = resolve(path, target)
                owner = resolved and module_of(resolved, root)
                if owner and owner != module and module != "app":
                    problems.append(f"{name}:{line}: {target} is private to {owner}")
                elif owner and owner not in allowed[module]:
                    problems.append(f"{name}:{line}: {module} must not include {target}")
        if module in ("protocol", "domain"):
            chain = asio_chain(path)
            if chain:
                problems.append(f"{name}:1: {module} reaches {' -> '.join(chain)}")
    return problems, notes


def check_size(name, text, problems, notes):
    lines = text.count("\n")
    if lines > 600:
        problems.append(f"{name}:{lines}: over 600 lines; split it")
    elif lines > 400:
        notes.append(f"{name}: {lines} lines, asking to be two")


def check_sql(name, text, problems):
    for match in re.finditer(r"\bsqlite3_\w+\s*\(", text):
        line = text.count("\n", 0, match.start()) + 1
        problems.append(f"{name}:{line}: SQLite is used only in src/store")
        return


def self_test():
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory)

        def write(name, text):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

        write("src/CMakeLists.txt", "# base <- {a, b} <- domain\n# <- app. More.\n")
        write("include/tollgate/base/x.hpp", "#include <boost/asio.hpp>\n")
        write("include/tollgate/a/y.hpp", "#pragma once\n")
        write("src/a/private.hpp", "")
        good, _ = check(root)
        assert good == [], good
        for name, text, expected in (
                ("src/a/up.cpp", '#include "tollgate/domain/z.hpp"\n', "must not include"),
                ("src/b/side.cpp", '#include "tollgate/a/y.hpp"\n', "must not include"),
                ("src/domain/deep.cpp", '#include "tollgate/base/x.hpp"\n', "reaches"),
                ("src/domain/peek.cpp", '#include "a/private.hpp"\n', "private to"),
                ("src/a/long.cpp", "\n" * 601, "over 600"),
                ("src/a/sql.cpp", "x = sqlite3_open(y);\n", "only in src/store"),
                ("src/new/x.cpp", "", "not in the rule")):
            write(name, text)
            problems, _ = check(root)
            assert len(problems) == 1 and expected in problems[0], (name, problems)
            (root / name).unlink()
    print("check_layers: self-test passed")


def main():
    if "--self-test" in sys.argv:
        self_test()
        return 0
    problems, notes = check(pathlib.Path(__file__).resolve().parent.parent)
    for note in notes:
        print("note: " + note)
    for problem in problems:
        print(problem)
    print(f"layers: {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
