#!/usr/bin/env python3
"""What comes of `make mutants`: chooses a sample, keeps outcomes in docs/mutants.jsonl, writes docs/mutants.md.

  mutants.py sample PART COUNT SEED CONFIG <LIST  the configuration, with a sample of a list as its only mutants
  mutants.py keep PART OUTCOMES SHARD             adds what a run has found to what is kept
  mutants.py document                             writes the document; fails below the goal
"""

import hashlib
import json
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEPT = ROOT / "docs/mutants.jsonl"
DOCUMENT = ROOT / "docs/mutants.md"
ACCEPTED = ROOT / "tools/mutants.accepted"
GOAL = 95
PARTS = {
    "window": "`core/directory/window.rs`, all",
    "sync": "`core/directory/sync.rs`, all",
    "gossip": "`core/gossip/`, all",
    "calls": "`node/calls`, all",
    "sample-core": "the core, a sample",
    "sample-node": "the node, a sample",
}
# Of a sample the core has so large a part: that of its mutants among both.
CORE = 0.7


def name_of(mutant):
    """A mutant as it is named in lists: where, and what is other there. Lines move, so they are no part of it."""
    what = re.sub(r"^.*?:\d+:\d+: ", "", mutant["name"])
    return f"{mutant['file']}: {what}"


def sample(part, count, seed, config):
    mutants = [mutant["name"] for mutant in json.load(sys.stdin)]
    share = CORE if part == "sample-core" else 1 - CORE
    wanted = round(int(count) * share)
    # by hash, so that a change elsewhere leaves the rest of the sample as it is
    mutants.sort(key=lambda name: hashlib.sha256(f"{seed} {re.sub(r':[0-9]+:[0-9]+:', ':', name)} {name}".encode()).digest())
    print(pathlib.Path(config).read_text())
    print("examine_re = [")
    for name in sorted(mutants[:wanted]):
        print(f"  {json.dumps('^' + re.escape(name) + '$')},")
    print("]")


def kept():
    return [json.loads(text) for text in KEPT.read_text().splitlines()] if KEPT.exists() else []


def keep(part, outcomes, shard):
    found = json.loads(pathlib.Path(outcomes).read_text())["outcomes"]
    line = {"part": part, "shard": shard, "caught": 0, "timeout": 0, "missed": 0, "unviable": 0, "survivors": []}
    summaries = {"CaughtMutant": "caught", "Timeout": "timeout", "MissedMutant": "missed", "Unviable": "unviable"}
    for outcome in found:
        if outcome["scenario"] == "Baseline":
            continue
        kind = summaries[outcome["summary"]]
        line[kind] += 1
        if kind == "missed":
            line["survivors"].append(name_of(outcome["scenario"]["Mutant"]))
    line["survivors"].sort()
    if not any(line[kind] for kind in ("caught", "timeout", "missed", "unviable")):
        sys.exit(f"mutants: nothing of {part} was run")
    lines = kept()
    # a whole run stands for itself, a shard beside the other shards of its part
    lines = [old for old in lines if old["part"] != part or (shard and old["shard"] not in ("", shard))]
    lines.append(line)
    lines.sort(key=lambda line: (list(PARTS).index(line["part"]), line["shard"]))
    KEPT.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def accepted():
    """Reasons by name: lines of `name | reason`, and of words about them that begin with #."""
    reasons = {}
    for line in ACCEPTED.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, reason = line.split(" | ", 1)
            reasons[name.strip()] = reason.strip()
    return reasons


def document():
    lines = kept()
    reasons, below, rows, survivors = accepted(), [], [], {}
    for part, words in PARTS.items():
        runs = [line for line in lines if line["part"] == part]
        if not runs:
            rows.append(f"| {words} | not run yet | | | | | |")
            continue
        total = {kind: sum(run[kind] for run in runs) for kind in ("caught", "timeout", "missed", "unviable")}
        mine = [name for run in runs for name in run["survivors"]]
        harmless = sum(name in reasons for name in mine)
        caught = total["caught"] + total["timeout"]
        percent = 100 * caught / max(caught + total["missed"], 1)
        if percent < GOAL:
            below.append(f"{part}: {percent:.1f} %")
        shards = ", ".join(run["shard"] for run in runs if run["shard"])
        rows.append(
            f"| {words}{f' (shards {shards})' if shards else ''} | {caught + total['missed']} | {total['caught']} | {total['timeout']} "
            f"| {total['missed']} | {harmless} | {percent:.1f} % |")
        for name in mine:
            survivors[name] = survivors.get(name, 0) + 1
    text = [
        "# What the tests would notice", "",
        "For those who want to know what a test is worth. `make mutants` changes the code in one small place after another "
        "(a comparison, a sign, a function that does nothing any more), and each time the tests of that part must fail. A change that "
        "they do not notice *survives*: a test is missing, or nothing depends on it. This page is written by `tools/mutants.py` from "
        f"what the runs have found (`docs/mutants.jsonl`) and from a list of reasons (`tools/mutants.accepted`). Goal: {GOAL} % caught.", "",
        "| part | mutants | caught | by a time limit | survived | of these accepted | caught |",
        "| --- | --- | --- | --- | --- | --- | --- |", *rows, "",
        "Changes that do not compile are not counted. Which tests must notice a change stands in `tools/mutants.sh`; what other tests, "
        "the simulation and the browsers would notice beside them is not asked.", "",
    ]
    if survivors:
        text += ["## Survivors", "", "| what is other | why it does not matter |", "| --- | --- |"]
        cell = lambda words: words.replace("|", "\\|")
        for name, times in sorted(survivors.items()):
            more = f" ({times} times)" if times > 1 else ""
            text.append(f"| `{cell(name)}`{more} | {cell(reasons.get(name, '**no test yet**'))} |")
        text.append("")
    DOCUMENT.write_text("\n".join(text))
    for name in sorted(set(reasons) - set(survivors)):
        print(f"mutants: accepted, and not found by the last runs: {name}")
    for name in sorted(set(survivors) - set(reasons)):
        print(f"mutants: survived: {name}")
    if below:
        sys.exit(f"mutants: less than {GOAL} % were caught: {'; '.join(below)}")


if __name__ == "__main__":
    {"sample": sample, "keep": keep, "document": document}[sys.argv[1]](*sys.argv[2:])
