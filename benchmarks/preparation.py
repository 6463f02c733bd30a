"""Text prepared per second and memory held: from files to token shards, with one worker and with several.

    python -m benchmarks.preparation --text FILE [FILE ...] [--megabytes 300 1000] [--workers 1 2] [--json FILE]

The files (.jsonl with "text") are copied, again and again with a sign of its own in every sentence of each copy, so
that none of one copy is one of another's, until there are so many megabytes of text. Each case is a process of its own:
read, screened, deduplicated, counted, cut into words and tokenised, with 20,000 held-out sentences.
Memory is that of all its processes together (PSS: pages that they share count once), looked at every tenth of a second.
Megabytes are of UTF-8 text.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.encoder.data import VOCAB
from rosphere.text import sentences, tokenizer

MEGABYTE = 1_000_000
HELD_OUT = 20_000
SIGNS = [token for token in VOCAB if tokenizer.is_ideograph(token[0])]

PREPARED = """
import json, sys
from pathlib import Path
from rosphere.preparation import local, splitting
from rosphere.preparation.documents import counting, tokenising
from rosphere.preparation.documents.screening import Screening, screened
from rosphere.preparation.documents.workers import Workers
from rosphere.text import tokenizer
from rosphere.text.tokenizer import Tokenizer

if __name__ == "__main__":
    text, out, count, held_out = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4])
    asked = Screening(minimum=8, held_out={"held": json.loads(held_out.read_text())}, least=4)
    with Workers(count=count) as workers:
        found = screened([local.load([str(text)], [], None, []).documents()], asked, out / "documents", workers)
        entries = counting.vocabulary(found.documents, out / "counts", workers, size=8000, minimum=5, lowercase=True)
        tokenizer.save(entries, out / "tokenizer")
        pieces = Tokenizer(out / "tokenizer")
        made = tokenising.write(
            found.documents, out / "corpus", pieces, out / "tokens", workers,
            whole_words=True, sentence_characters=(6, 24), split="train",
        )
    print(json.dumps({"counts": found.counts, "corpus": made}))
"""


def texts(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)["text"]


def copies(paths: Sequence[Path], path: Path, megabytes: int) -> float:
    """Writes so many megabytes of documents as JSON lines; how many they are."""
    size = 0
    with path.open("w", encoding="utf-8") as file:
        for copy in itertools.count():
            sign = SIGNS[copy % len(SIGNS)] if copy else ""
            for text in texts(paths):
                changed = text.replace("，", f"，{sign}").replace("。", f"{sign}。") if sign else text
                size += len(changed.encode())
                file.write(json.dumps({"text": changed}, ensure_ascii=False) + "\n")
                if size >= megabytes * MEGABYTE:
                    return size / MEGABYTE
    raise AssertionError("copies have no end")


def measured(command: Sequence[str]) -> dict[str, Any]:
    """What it says, the seconds it takes and its processes' of the processors, and their memory together."""
    began = time.monotonic()
    peak = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        family = psutil.Process(process.pid)
        while process.poll() is None:
            peak = max(peak, _memory(family))
            time.sleep(0.1)
        assert process.stdout is not None
        said = process.stdout.read()
        assert process.returncode == 0, command
    return {"seconds": time.monotonic() - began, "peak_mib": peak / 2**20, **json.loads(said.splitlines()[-1])}


def _memory(family: psutil.Process) -> int:
    total = 0
    for process in (family, *_children(family)):
        try:
            total += process.memory_full_info().pss
        except psutil.Error:  # it has just ended
            continue
    return total


def _children(family: psutil.Process) -> list[psutil.Process]:
    try:
        return list(family.children(recursive=True))
    except psutil.Error:
        return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--text", type=Path, nargs="+", required=True)
    parser.add_argument("--megabytes", type=int, nargs="+", default=[300])
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--folder", type=Path, help="where there is room for five times the text")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        held = itertools.islice((s for t in texts(asked.text) for s in sentences.split(t) if len(s) > 6), HELD_OUT)
        (folder / "held_out.json").write_text(json.dumps(list(held)), encoding="utf-8")
        (folder / "prepared.py").write_text(PREPARED, encoding="utf-8")
        for megabytes in asked.megabytes:
            size = copies(asked.text, folder / "text.jsonl", megabytes)
            for count in asked.workers:
                out = folder / f"{megabytes}-{count}"
                command = [
                    sys.executable,
                    str(folder / "prepared.py"),
                    str(folder / "text.jsonl"),
                    str(out),
                    str(count),
                ]
                before = os.times()
                row = measured([*command, str(folder / "held_out.json")])
                after = os.times()
                of_processors = (
                    after.children_user + after.children_system - before.children_user - before.children_system
                )
                row |= {"megabytes": size, "workers": count, "processor_seconds": of_processors}
                rows.append(row)
                print(
                    f"{size:.0f} MB, {count} workers: {row['seconds']:.0f} s, {of_processors:.0f} s of processors, "
                    f"{size / row['seconds']:.2f} MB/s, {size / of_processors:.2f} MB/s a core, "
                    f"{row['peak_mib']:.0f} MiB at the peak",
                    flush=True,
                )
                subprocess.run(["rm", "-rf", str(out)], check=True)
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
