#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_subset.py FULL_PACK OUT: cuts the committed subset of a golden pack.

Deterministic, standard library only.  Takes every case of a group of edge
cases, and of the other operations the smallest cases first: at least one of
each operation and of each (operation, dtype) pair, then as many as fit, whole
modules and products before quantised formats before sampling.  Bytes of tensors are copied as they are; tensors that no chosen case names are left
out.  The files keep their names, so that a case is the same in both packs.
"""
import json
import os
import struct
import sys

LIMIT = 4_000_000  # bytes, the index included
# Small by nature, and where the trouble is: taken whole.
WHOLE = ("edge/", "conv/", "onnx/")
# What fills the rest, in this order.
THEN = ("hf/", "quant/gemm", "quant/", "sampling/")
# Alone they would fill the subset; the smallest of each stays.
LARGE = 110_000


def read_header(path):
    with open(path, "rb") as f:
        (n,) = struct.unpack("<Q", f.read(8))
        return json.loads(f.read(n)), 8 + n


def case_bytes(case, headers):
    total = len(json.dumps(case)) + 300
    for side in ("inputs", "outputs"):
        for v in case[side].values():
            first, last = headers[case["file"]][0][v["tensor"]]["data_offsets"]
            total += last - first + 120
    return total


def choose(index, headers):
    size = {c["name"]: case_bytes(c, headers) for c in index}
    order = sorted(index, key=lambda c: (size[c["name"]], c["name"]))
    chosen, total, seen = set(), 0, set()

    def take(c):
        nonlocal total
        if c["name"] not in chosen:
            chosen.add(c["name"])
            total += size[c["name"]]

    for c in order:  # one of each operation and type
        if (c["op"], c["dtype"]) not in seen:
            seen.add((c["op"], c["dtype"]))
            take(c)
    for c in order:
        if c["file"].startswith(WHOLE) and size[c["name"]] < LARGE:
            take(c)
    for prefix in THEN:
        for c in order:
            if (c["file"].startswith(prefix) and size[c["name"]] < LARGE
                    and total + size[c["name"]] <= LIMIT):
                take(c)
    return [c for c in index if c["name"] in chosen]


def write_file(source, target, names, header, data_at):
    out, at = {"__metadata__": {"format": "halcyon-golden-1"}}, 0
    # Large elements first keeps every tensor aligned to its element.
    width = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4,
             "F16": 2, "BF16": 2, "I16": 2, "U16": 2}
    names = sorted(names, key=lambda k: (-width.get(header[k]["dtype"], 1), k))
    for k in names:
        first, last = header[k]["data_offsets"]
        out[k] = {"dtype": header[k]["dtype"], "shape": header[k]["shape"],
                  "data_offsets": [at, at + last - first]}
        at += last - first
    text = json.dumps(out, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    with open(source, "rb") as s, open(target, "wb") as t:
        t.write(struct.pack("<Q", len(text)) + text)
        for k in names:
            first, last = header[k]["data_offsets"]
            s.seek(data_at + first)
            t.write(s.read(last - first))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    full, out = sys.argv[1:]
    with open(os.path.join(full, "index.json")) as f:
        index = json.load(f)
    headers = {c["file"]: read_header(os.path.join(full, c["file"]))
               for c in index}
    chosen = choose(index, headers)
    for file in sorted({c["file"] for c in chosen}):
        names = {v["tensor"] for c in chosen if c["file"] == file
                 for side in ("inputs", "outputs") for v in c[side].values()}
        write_file(os.path.join(full, file), os.path.join(out, file), names,
                   *headers[file])
    with open(os.path.join(out, "index.json"), "w") as f:
        f.write("[\n" + ",\n".join(json.dumps(c) for c in chosen) + "\n]\n")
    total = sum(os.path.getsize(os.path.join(d, n))
                for d, _, names in os.walk(out) for n in names
                if n.endswith((".json", ".safetensors")))
    ops = {c["op"] for c in chosen}
    print(f"{len(chosen)} of {len(index)} cases, {len(ops)} of "
          f"{len({c['op'] for c in index})} operations, {total} bytes")


if __name__ == "__main__":
    main()
