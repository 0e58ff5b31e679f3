"""Keeps what was measured, and writes it into the documents: called by `make figures`.

figures.py keep FILE…    takes the lines of these results (make bench, make sim) into docs/figures.jsonl: of one
                         figure the newest stays
figures.py documents     writes the blocks `<!-- figures: NAME -->` … `<!-- end of figures -->` of the documents, and
                         the chart docs/gossip.svg, from docs/figures.jsonl and cross/sizes.tsv
"""

import collections
import json
import pathlib
import re
import sys

KEPT = pathlib.Path("docs/figures.jsonl")
SIZES = pathlib.Path("cross/sizes.tsv")
BUDGET, WANTED = 800 * 1024, 600 * 1024
# What of a figure makes it that one and no other
KEY = ("bench", "metric", "subject", "ratio_to", "n", "loss", "seed")


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines() if line.strip()] if path.exists() else []


def keep(*files):
    kept = {}
    for path in (KEPT, *map(pathlib.Path, files)):
        new = {}
        for line in lines(path):
            # a seed may tell a story more than once: the worst of them counts
            key = tuple(line.get(name) for name in KEY)
            if key not in new or line["value"] > new[key]["value"]:
                new[key] = line
        kept.update(new)
    order = sorted(kept, key=lambda key: [str(part) if not isinstance(part, (int, float)) else f"{part:012.3f}" for part in key])
    KEPT.write_text("".join(json.dumps(kept[key]) + "\n" for key in order))


def number(value, digits=None):
    """1234567.8 as 1,234,568; 12.34 as 12.3; 0.1234 as 0.123."""
    if digits is None:
        digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2 if value >= 1 else 3
    return f"{value:,.{digits}f}"


def table(head, rows):
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


class Figures:
    def __init__(self):
        self.all = lines(KEPT)
        rows = [line.split("\t") for line in SIZES.read_text().splitlines() if line and not line.startswith("#")]
        self.sizes = collections.defaultdict(dict)
        for target, what, size, packed in rows:
            self.sizes[target][what] = (int(size), int(packed or 0))

    def bench(self, bench, metric, subject="trucad"):
        found = [line for line in self.all if (line["bench"], line["metric"], line["subject"]) == (bench, metric, subject)]
        return found[0] if found else None

    def value(self, bench, metric, subject="trucad", unit=""):
        line = self.bench(bench, metric, subject)
        return number(line["value"]) + unit if line else "not measured here"

    def sim(self, metric, n):
        """The figure of every seed at this size."""
        return [line["value"] for line in self.all if line["bench"] == "sim" and line["metric"] == metric and line["n"] == n]

    # The blocks of the documents, by name.

    def size_budget(self):
        ipk = self.sizes["mips-unknown-linux-musl"]["ipk"][0]
        return (f"It has {ipk:,} bytes ({ipk / 1024:.0f} KiB), {ipk * 100 / BUDGET:.0f} % of the budget, and is "
                f"{(ipk - WANTED) / 1024:.0f} KiB over what we want.")

    def size_parts(self):
        parts = [(what[5:], *sizes) for what, sizes in self.sizes["mips-unknown-linux-musl"].items() if what.startswith("part:")]
        parts.sort(key=lambda part: -part[2])
        big, small = [part for part in parts if part[2] >= 2048], [part for part in parts if part[2] < 2048]
        rows = [(f"`{name}`" if name[0] != "(" else name[1:-1], f"{size:,}", f"{packed:,}") for name, size, packed in big]
        rows.append((f"{len(small)} smaller", *(f"{sum(part[n] for part in small):,}" for n in (1, 2))))
        return table(("part (mips)", "bytes", "gzip bytes"), rows)

    def size_targets(self):
        rows = []
        for target, whats in self.sizes.items():
            rows.append((target.split("-")[0], *(f"{whats[what][0] / 1024:,.0f}" for what in ("binary", "gzip", "xz", "ipk"))))
        return table(("target", "binary, KiB", "gzip -9", "xz -9e", "package (.ipk)"), rows)

    def memory(self):
        router = "trucad-openwrt"
        rows = [
            ("resident, idle", self.value("daemon", "idle_rss_kib", router, " KiB"), "3,072 KiB"),
            ("for each person who is signed in and idle, over TLS (200 people)",
             self.value("relay", "kib_per_idle_client", router, " KiB"), "24 KiB"),
            ("for each client port of STUN (1,000 of them)", self.value("stun", "rss_growth_kib_1000_clients", unit=" KiB for all"), ""),
            ("for each open relay of TURN", self.value("turn", "kib_per_relay", unit=" KiB"), ""),
            ("from start to serving, with a new key", self.value("daemon", "start_ms", router, " ms"), "300 ms"),
        ]
        return table(("", "measured", "at most"), rows)

    def mips(self):
        rows = []
        for what, words in (("handshake", "a TLS 1.3 handshake of a browser"), ("page_load", "a page load: all files, over a connection that is there"),
                            ("sign_in", "a sign-in: two signatures of the device, one of the account, and news of it"),
                            ("relay_message", "a message passed on between two pages of one router")):
            line = self.bench("mips", "instructions", what)
            if line:
                count = line["value"]
                rows.append((words, f"{count:,.0f}", *(number(count / clock / 1_000) for clock in (400, 560, 580))))
        return table(("", "instructions", "ms at 400 MHz", "560 MHz", "580 MHz"), rows)

    def router(self):
        value = lambda metric, unit="": self.value("router", metric, unit=unit)
        rows = (
            ("resident, nobody there", value("rss_kib_idle", " KiB"), "2,048 KiB"),
            ("resident, 99 people over TLS", value("rss_kib_99", " KiB"), ""),
            ("flash that the installed package takes (jffs2)", value("flash_kib", " KiB"), ""),
            ("the whole page, each file over a connection of its own", value("page_ms", " ms"), ""),
            ("its script, with the handshake", value("script_ms", " ms"), ""),
            ("a Binding request of STUN, there and back", value("stun_ms", " ms"), ""),
            ("power cuts survived with the same node and the same people", value("power_cuts_survived"), "all of 20"),
        )
        return table(("", "measured", "goal"), rows)

    def speed(self):
        rows = []
        for bench, metric, words in (
            ("relay", "cpu_s_per_100k", "100,000 messages between pages, over TLS: CPU s"),
            ("relay", "kib_per_idle_client", "an idle page, over TLS: KiB"),
            ("stun", "cpu_s_per_1m", "a million Binding requests: CPU s"),
            ("stun", "rss_growth_kib_1000_clients", "memory for 1,000 client ports: KiB"),
            ("turn", "cpu_s_per_gb", "a gigabyte relayed: CPU s"),
            ("turn", "kib_per_relay", "memory for a relay: KiB"),
            ("turn", "allocs_per_packet", "allocations for a relayed packet"),
        ):
            found = [line for line in self.all if (line["bench"], line["metric"]) == (bench, metric)]
            others = "; ".join(f"{line['subject']} {number(line['value'])}" for line in found if not line["subject"].startswith("trucad"))
            ratios = "; ".join(dict.fromkeys(
                f"{number(line['ratio'])} × {line['ratio_to']}" for line in found if line["subject"] == "trucad" and "ratio" in line))
            ours = [line for line in found if line["subject"] == "trucad"]
            if ours:
                rows.append((words, number(ours[0]["value"]), others, ratios))
        return table(("", "trucad", "beside it", "ratio, run by run"), rows)

    def city(self):
        sizes = sorted({line["n"] for line in self.all if line["bench"] == "sim" and line["metric"] == "idle_bytes_per_s_node"})

        def cells(metric, unit="", choose=max):
            found = [self.sim(metric, n) for n in sizes]
            return [f"{number(choose(values))}{unit}" if values else "" for values in found]

        rows = [
            ("membership and news of a quiet mesh, bytes a second and node, with IP and UDP", *cells("idle_bytes_per_s_node"), "150 at 100, 180 at 1,000"),
            ("the same over links: comparisons, frames and their lengths alone", *cells("idle_link_bytes_per_s_node"), ""),
            ("false deaths", *cells("false_deaths"), "0"),
            ("a new record at everyone, median of 9", *cells("record_to_all_s", " s"), "1 s at 100, 2 s at 1,000"),
            ("a death known to all, median of 9", *cells("death_known_s", " s"), ""),
            ("a death known to all, worst of 9", *cells("death_known_worst_s", " s"), "20 s at 100, 30 s at 1,000"),
            ("after a partition of two minutes: all agree", *cells("heal_s", " s"), "30 s"),
            ("after a storm (20 % loss, 100 restarts, 10 partitions): records missing anywhere", *cells("records_missing"), "0"),
            ("the same: until all take all for alive", *cells("heal_after_storm_s", " s"), ""),
            ("CPU of a quiet mesh, x86_64, signatures counted as checked, without X25519", *cells("cpu_ms_per_s", " ms/s"), "1 ms/s"),
            ("signatures checked a second", *cells("checks_per_s_node"), ""),
        ]
        return table(("", *(f"{n:,} nodes" for n in sizes), "goal"), rows)

    def join(self):
        # a plain build joins a village only
        joined = [line for line in self.all if line["bench"] == "sim" and line["metric"].startswith("join_") and line["n"] >= 1000]
        if not joined:
            return "Not measured since the last change: `make sim figures` writes it here."
        of = {line["metric"]: line["value"] for line in joined}
        # a plain build has a village for this too: the largest counts
        memory = max((line for line in self.all if line["metric"] == "records_memory_kib"), key=lambda line: line["n"], default=None)
        # ECDSA P-256 by ring on a 24Kc, in instructions: counted once, and no line of KEPT has it (docs/sizes.md)
        verify = 9.65e6
        checks, cpu = of.get("join_checks", 0), of.get("join_cpu_ms", 0)
        taking = self.bench("mips", "instructions", "join_city")
        mips = number((taking["value"] + checks * verify) / 560e6) + " s" if taking else "not measured"
        rows = [
            ("bytes, all ways", f"{number(of.get('join_bytes', 0) / 1048576)} MiB", "3 MiB"),
            ("until it agrees, on a line of 10 Mb/s", f"{number(of.get('join_s', 0))} s", "5 s"),
            ("signatures checked until then", number(checks), ""),
            ("CPU until then, x86_64", f"{number(cpu)} ms", ""),
            ("CPU until then on mips at 560 MHz, one instruction a cycle: all that was counted, and the signatures", mips, "5 s"),
            ("until the last record is checked, in the background", f"{number(of.get('join_all_checked_s', 0) / 60)} min", ""),
            (f"memory of a directory of 10,000 records{' of %s homes' % memory['n'] if memory else ''}",
             f"{number(memory['value'])} KiB" if memory else "not measured", "4,096 KiB"),
        ]
        return table(("who joins 1,000 nodes with 10,000 people, 3,000 of them attached", "", "goal"), rows)

    GOSSIP = (
        ("idle_bytes_per_s", "bytes a second of a process, quiet mesh"), ("rss_kib", "resident memory, KiB"),
        ("news_ms", "news at everyone, ms"), ("death_s", "a death known to all, s"),
    )

    def gossip(self):
        rows = [(words, self.value("gossip", metric, "trucad-openwrt"), self.value("gossip", metric, "serf")) for metric, words in self.GOSSIP]
        parts = [(words, self.value("gossip", metric, "trucad-openwrt"), self.value("gossip", metric, "serf"))
                 for metric, words in (("idle_udp_bytes_per_s", "of these over UDP"), ("idle_tcp_bytes_per_s", "of these over TCP"))]
        rows[1:1] = parts
        return table(("50 processes on one machine, one run of each", "Truca", "Serf"), rows)

    def calls(self):
        found = sorted((line for line in self.all if line["bench"] == "call"), key=lambda line: line["row"])
        rows = [(line["network"], line["path"], f"{line['value']} ms", line["runs"]) for line in found]
        return table(("network", "path", "click to connected", "calls"), rows)

    def gossip_chart(self, path):
        drawn, y = [], 56
        for metric, words in self.GOSSIP:
            pair = [(name, self.bench("gossip", metric, subject)) for name, subject in (("Truca", "trucad-openwrt"), ("Serf", "serf"))]
            if not all(line for _, line in pair):
                return
            most = max(line["value"] for _, line in pair)
            drawn.append(f'<text x="10" y="{y}" class="title">{words}</text>')
            for name, line in pair:
                y += 20
                width = 520 * line["value"] / most
                light = "" if name == "Truca" else ' class="light"'
                drawn.append(f'<text x="60" y="{y}" text-anchor="end">{name}</text><rect{light} x="68" y="{y - 12}" width="{width:.1f}" height="15"/>')
                drawn.append(f'<text x="{74 + width:.1f}" y="{y}">{number(line["value"])}</text>')
            y += 32
        style = "text{font:13px sans-serif;fill:#333}.title{font-weight:bold}rect{fill:#2b7a78}.light{fill:#bcd9d8}"
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 {y - 10}" role="img"><title>Truca beside Serf</title>'
                        f'<style>{style}</style><rect width="700" height="{y - 10}" style="fill:#fff"/>\n'
                        '<text x="10" y="24" class="title">50 processes on one machine, each mesh alone: less is better</text>\n'
                        + "\n".join(drawn) + "\n</svg>\n")


BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end of figures -->)", re.DOTALL)


def documents():
    figures = Figures()
    for path in sorted(pathlib.Path("docs").glob("*.md")):
        text = path.read_text()
        filled = BLOCK.sub(lambda block: block[1] + getattr(figures, block[2])() + "\n" + block[3], text)
        if filled != text:
            path.write_text(filled)
            print(f"figures: {path} written")
    figures.gossip_chart(pathlib.Path("docs/gossip.svg"))


if __name__ == "__main__":
    {"keep": keep, "documents": documents}[sys.argv[1]](*sys.argv[2:])
