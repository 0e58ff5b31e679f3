"""What a program's bytes are for, by its symbols: called by tools/size.sh.

sizes.py parts FILE           a row for each part: name, bytes, gzip bytes
sizes.py chart TSV SVG        draws the parts of mips and the targets from cross/sizes.tsv

A symbol belongs to the crate that defines it; code of std that was made for another crate's types (a map of its
values, a drop of its struct) belongs to that crate, and to ours before a library's. The gzip bytes of a part are
what gzip saves when the part's bytes are zeroes: what the package would shrink by without it.
"""

import collections
import re
import struct
import sys
import zlib

STD = {"core", "alloc", "std", "hashbrown", "compiler_builtins", "panic_abort", "unwind", "cfg_if", "memchr"}
# Libraries that came with another and serve nobody else
COMES_WITH = {
    "serde_core": "serde", "itoa": "serde_json", "zmij": "serde_json",
    "yasna": "rcgen", "time": "rcgen", "deranged": "rcgen",
    "rustls_pki_types": "rustls", "tokio_rustls": "rustls", "zeroize": "rustls", "subtle": "rustls", "untrusted": "ring",
    "tokio_tungstenite": "tungstenite", "httparse": "tungstenite", "http": "tungstenite", "utf8": "tungstenite",
    "futures_util": "tungstenite", "futures_core": "tungstenite", "futures_sink": "tungstenite", "mio": "tokio",
    "signal_hook_registry": "tokio", "socket2": "tokio", "pin_project_lite": "tokio", "bytes": "tokio", "cobs": "postcard",
    "curve25519_dalek": "x25519-dalek", "x25519_dalek": "x25519-dalek", "rand": "foca", "rand_core": "foca",
    "chacha20": "foca", "truca_core": "truca-core", "data_encoding": "data-encoding",
}
TEXTS = "(texts, tables, page)"
RING_C = re.compile(r"(__LA25Thunk_)?(ring_core|fiat_|fe_|x25519|ge_|x_?25519|p256|ecp|sha\d|bn_|aes|gcm|limb|LIMB|k25519|"
                    r"CRYPTO_|OPENSSL_|table_select|vpaes|GFp)")
CRATE = re.compile(r"C(?:s[0-9A-Za-z]*_)(\d+)_?([A-Za-z_])")


def read(path):
    """The file's bytes, its loaded sections as (address, offset, size), its symbols as (address, size, name)."""
    data = open(path, "rb").read()
    wide, order = data[4] == 2, "<" if data[5] == 1 else ">"
    if wide:
        start, = struct.unpack_from(order + "Q", data, 40)
        size, count, _ = struct.unpack_from(order + "HHH", data, 58)
        header, symbol = "IIQQQQIIQQ", "IBBHQQ"
    else:
        start, = struct.unpack_from(order + "I", data, 32)
        size, count, _ = struct.unpack_from(order + "HHH", data, 46)
        header, symbol = "IIIIIIIIII", "IIIBBH"
    sections = [struct.unpack_from(order + header, data, start + i * size) for i in range(count)]
    loaded, symbols = [], set()
    for _, kind, flags, address, offset, length, link, _, _, entry in sections:
        if flags & 2 and kind != 8:
            loaded.append((address, offset, length))
        if kind == 2:
            names = sections[link][4]
            for at in range(offset, offset + length, entry):
                if wide:
                    name, info, _, section, value, bytes_ = struct.unpack_from(order + symbol, data, at)
                else:
                    name, value, bytes_, info, _, section = struct.unpack_from(order + symbol, data, at)
                if bytes_ and 0 < section < count and info & 15 in (1, 2):
                    end = data.index(b"\0", names + name)
                    symbols.add((value, bytes_, data[names + name:end].decode()))
    return data, loaded, sorted(symbols)


def crates(symbol):
    """The crates that a Rust name speaks of, without the one at the end that only says where it was made."""
    found = []
    for match in CRATE.finditer(symbol):
        begin = match.start(2)
        name = symbol[begin:begin + int(match[1])]
        if re.fullmatch(r"[a-z][a-z0-9_]*", name):
            found.append((name, begin + int(match[1])))
    if len(found) > 1 and found[-1][1] == len(symbol):
        found.pop()
    return [name for name, _ in found]


def part(symbol):
    """Which part a symbol belongs to."""
    if "anon." in symbol:
        return TEXTS
    if not symbol.startswith("_R"):
        return "ring" if RING_C.match(symbol) else "libc"
    named = crates(symbol)
    if not named:
        return "std"
    first = named[0]
    if first in STD:
        ours = [name for name in named if name in ("trucad", "truca_core")]
        others = [name for name in named if name not in STD]
        first = (ours or others or ["std"])[0]
    return COMES_WITH.get(first, first)


def parts(path):
    data, loaded, symbols = read(path)
    ranges, end = collections.defaultdict(list), 0
    for address, size, name in symbols:
        # Two names of one place count once
        begin, stop = max(address, end), address + size
        for base, offset, length in loaded:
            if base <= address < base + length and begin < stop:
                ranges[part(name)].append((offset + begin - base, stop - begin))
                end = stop
    # What has no symbol: texts, tables of constants, the page
    covered = sorted(place for places in ranges.values() for place in places)
    for _, offset, length in loaded:
        at, stop = offset, offset + length
        for begin, size in covered:
            if offset <= begin < stop:
                if begin > at:
                    ranges[TEXTS].append((at, begin - at))
                at = max(at, begin + size)
        ranges[TEXTS].append((at, stop - at))

    def packed(bytes_):
        return len(zlib.compress(b"".join(bytes(bytes_[o:o + n]) for _, o, n in loaded), 9))

    whole, rows = packed(data), []
    for name, places in ranges.items():
        blank = bytearray(data)
        for offset, size in places:
            blank[offset:offset + size] = bytes(size)
        rows.append((name, sum(size for _, size in places), whole - packed(blank)))
    for row in sorted(rows, key=lambda row: -row[2]):
        print(*row, sep="\t")


def chart(table, drawing):
    rows = [line.rstrip("\n").split("\t") for line in open(table) if not line.startswith("#")]
    targets = [(row[0], row[1], int(row[2])) for row in rows if row[1] in ("binary", "gzip", "ipk")]
    costs = [(row[1], int(row[3])) for row in rows if row[0].startswith("mips-") and row[1].startswith("part:")]
    costs.sort(key=lambda row: -row[1])
    big = [row for row in costs if row[1] >= 2048]
    small = costs[len(big):]
    bars = [(name[5:], value) for name, value in big] + [(f"{len(small)} smaller", sum(row[1] for row in small))]
    lines, y, scale = [], 64, 3.4
    say = lambda x, y, text, extra="": lines.append(f'<text x="{x}" y="{y}"{extra}>{text}</text>')
    say(10, 24, "trucad on mips_24kc: what its bytes are for", ' class="title"')
    say(10, 44, "KiB as gzip, by symbols: what the package would shrink by without the part")
    for name, value in bars:
        width = value / 1024 * scale
        say(150, y + 12, name, ' text-anchor="end"')
        lines.append(f'<rect x="158" y="{y}" width="{width:.1f}" height="15"/>')
        say(f"{164 + width:.1f}", y + 12, f"{value / 1024:.0f}")
        y += 20
    y += 24
    say(10, y, "Whole programs, KiB: binary, gzip -9, package", ' class="title"')
    y += 14
    for target in dict.fromkeys(row[0] for row in targets):
        sizes = {kind: size / 1024 for name, kind, size in targets if name == target}
        say(150, y + 12, target.split("-")[0], ' text-anchor="end"')
        # Lighter behind darker: the package is within gzip's bar but for its scripts
        lines.append(f'<rect class="light" x="158" y="{y}" width="{sizes["binary"] * 0.25:.1f}" height="15"/>')
        lines.append(f'<rect x="158" y="{y}" width="{sizes["gzip"] * 0.25:.1f}" height="15"/>')
        package = f' · {sizes["ipk"]:.0f}' if "ipk" in sizes else ""
        say(f"{164 + sizes['binary'] * 0.25:.1f}", y + 12, f"{sizes['binary']:.0f} · {sizes['gzip']:.0f}{package}")
        y += 20
    style = "text{font:13px sans-serif;fill:#333}.title{font-weight:bold}rect{fill:#2b7a78}.light{fill:#bcd9d8}"
    with open(drawing, "w") as out:
        out.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 780 {y + 12}" role="img">'
                  f"<title>Sizes of trucad</title><style>{style}</style>"
                  f'<rect width="780" height="{y + 12}" style="fill:#fff"/>\n' + "\n".join(lines) + "\n</svg>\n")


if __name__ == "__main__":
    {"parts": parts, "chart": chart}[sys.argv[1]](*sys.argv[2:])
