#!/usr/bin/env python3
"""Takes each guard of tests/guards/list.json out, one at a time, and runs the test that must turn red: `make guards`.

The tree is copied once (GUARDS_DIR, by default target/guards), and every guard is made one that can be taken out there:
OUT in `without` becomes a question to the environment, so that one build serves for all, and a guard is out only in
the run of its own test. First every test must be green with all guards in. A text that is not found exactly once, a
test that is not there, and a build that fails are said as what they are, and are not red.

  tools/guards.py             all of them, and the result is written into docs/guards.md
  tools/guards.py --only NAME this one (again, for more); docs/guards.md keeps the others' results
  tools/guards.py --check     only whether each text is found once and each test is there
"""

import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIST = ROOT / "tests/guards/list.json"
RESULT = ROOT / "docs/guards.md"
SOURCES = ["daemon/src", "daemon/core/src"]
PATIENCE = 300  # seconds that one test may take: with a guard out it may wait for what never comes


def pattern(text):
    """A text, whatever stands for its spaces: a formatter may break lines elsewhere."""
    return re.compile(r"\s*".join(map(re.escape, re.findall(r"\w+|[^\w\s]", text))))


def sources(root):
    for folder in SOURCES:
        yield from sorted((root / folder).rglob("*.rs"))


def place(root, guard):
    """The file and the place where a guard's text is; says so when that is not one."""
    found = []
    for path in sources(root):
        found += [(path, match) for match in pattern(guard["text"]).finditer(path.read_text())]
    if len(found) != 1:
        where = ", ".join(str(path.relative_to(root)) for path, _ in found) or "nowhere"
        raise SystemExit(f"guards: {guard['name']}: its text is found {len(found)} times ({where}): {guard['text']}")
    return found[0]


def test_file(guard):
    target = guard["test"].split("::")[0]
    for folder in ["tests/tests", "daemon/tests"]:
        path = ROOT / folder / f"{target}.rs"
        if path.is_file() and f"fn {guard['test'].split('::')[1]}(" in path.read_text():
            return path
    raise SystemExit(f"guards: {guard['name']}: there is no test {guard['test']}")


def copy(to, patched):
    """This tree as git sees it, changed files and new ones too, with these texts; what is as it was at the last run
    keeps its time, so that cargo builds nothing anew."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout.split("\0")
    wanted = {ROOT / name for name in listed if name and (ROOT / name).is_file()}
    for path in list(sources(to)):
        if ROOT / path.relative_to(to) not in wanted:
            path.unlink()
    for path in sorted(wanted):
        put(to / path.relative_to(ROOT), patched[path].encode() if path in patched else path.read_bytes())
    page = ROOT / "daemon/web/dist"
    for path in sorted(page.rglob("*")) if page.is_dir() else []:
        if path.is_file():
            put(to / path.relative_to(ROOT), path.read_bytes())


def put(path, content):
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def with_switches(guards):
    """The texts of the files in which every guard can be taken out by the environment."""
    changes = {}
    for guard in guards:
        path, match = place(ROOT, guard)
        question = f'(::std::env::var_os("TRUCA_OUT").is_some_and(|out| out == "{guard["name"]}"))'
        without = re.sub(r"\bOUT\b", lambda _: question, guard["without"])
        changes.setdefault(path, []).append((match.start(), match.end(), without))
    patched = {}
    for path, places in changes.items():
        text = path.read_text()
        for start, end, without in sorted(places, reverse=True):
            text = text[:start] + without + text[end:]
        patched[path] = text
    return patched


def build(tree, guards):
    """Builds the daemon and the tests; gives the program of each."""
    targets = sorted({guard["test"].split("::")[0] for guard in guards})
    # a test of the daemon's package, so that cargo builds the daemon too
    command = ["cargo", "test", "--locked", "--workspace", "--no-run", "--message-format", "json", "--test", "command_line"]
    for target in targets:
        command += ["--test", target]
    environment = dict(os.environ, CARGO_TARGET_DIR=str(tree / "target"))
    done = subprocess.run(command, cwd=tree, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit("guards: the copy does not build: that is not red")
    programs = {}
    for line in done.stdout.splitlines():
        said = json.loads(line)
        if said.get("reason") == "compiler-artifact" and said.get("executable"):
            manifest = pathlib.Path(said["manifest_path"]).parent
            programs[said["target"]["name"]] = (said["executable"], manifest)
    return programs


def run(programs, test, out):
    """How a test ends: green, red, or why neither."""
    target, name = test.split("::", 1)
    program, folder = programs[target]
    environment = dict(os.environ, TRUCA_OUT=out, RUST_BACKTRACE="0", TRUCA=programs["trucad"][0])
    try:
        done = subprocess.run([program, "--exact", name], cwd=folder, env=environment, timeout=PATIENCE,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    except subprocess.TimeoutExpired:
        return "too slow"
    if "running 1 test" not in done.stdout:
        return "not there"
    if "skipped: " in done.stdout:
        return "skipped"
    if done.returncode == 0:
        return "green"
    return "red" if f"{name} ... FAILED" in done.stdout else "broken"


def kept():
    """The results that docs/guards.md has."""
    rows = {}
    if RESULT.is_file():
        for line in RESULT.read_text().splitlines():
            cells = [cell.strip(" `") for cell in line.strip("|").split(" | ")]
            if line.startswith("| `") and len(cells) == 4:
                rows[cells[0]] = cells[3]
    return rows


def write(guards, results):
    red = sum(results.get(guard["name"], "") == "red" for guard in guards)
    lines = [
        "# Guards, and the tests that hold them",
        "",
        "Each guard was taken out of the daemon, alone, and the test beside it run: *red* says that the test noticed. "
        "With all guards in, all these tests are green. Written by `make guards` from `tests/guards/list.json`; "
        "*not run* is a guard that has not been tried yet.",
        "",
        f"Last result: {red} of {len(guards)} red.",
        "",
        "| guard | claimed in | test | taken out |",
        "| --- | --- | --- | --- |",
    ]
    for guard in guards:
        result = results.get(guard["name"], "not run")
        lines.append(f"| `{guard['name']}` | {guard['claimed']} | `{guard['test']}` | {result} |")
    RESULT.write_text("\n".join(lines) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--only", action="append", metavar="NAME")
    parser.add_argument("--check", action="store_true")
    asked = parser.parse_args()
    guards = json.loads(LIST.read_text())
    for guard in guards:
        place(ROOT, guard)
        test_file(guard)
    if asked.check:
        print(f"guards: {len(guards)}, each found once, each with its test")
        return
    chosen = [guard for guard in guards if not asked.only or guard["name"] in asked.only]
    if not chosen:
        raise SystemExit("guards: no guard has this name")
    tree = pathlib.Path(os.environ.get("GUARDS_DIR") or
                        pathlib.Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target") / "guards").resolve()
    # with the switches of all of them, so that one build serves for `--only` too
    copy(tree, with_switches(guards))
    programs = build(tree, guards)
    tests = sorted({guard["test"] for guard in chosen})
    for test in tests:
        whole = run(programs, test, "")
        if whole != "green":
            raise SystemExit(f"guards: with all guards in, {test} is {whole}")
    results = kept() if asked.only else {}
    missed = []
    for guard in chosen:
        began = time.monotonic()
        result = run(programs, guard["test"], guard["name"])
        results[guard["name"]] = result
        if result != "red":
            missed.append(guard["name"])
        print(f"guards: {guard['name']} ... {'ok' if result == 'red' else 'FAILED'} ({result}, "
              f"{time.monotonic() - began:.0f} s, {guard['test']})", flush=True)
    write(guards, results)
    print(f"guards: {len(chosen) - len(missed)} of {len(chosen)} tests turned red" +
          (f"; not: {', '.join(missed)}" if missed else ""))
    sys.exit(bool(missed))


if __name__ == "__main__":
    main()
