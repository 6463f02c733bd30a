"""Spoilt inputs by the hundred thousand, in one process: python -m tests.drill [--cases N] [--seed N] [--json FILE]

A case is known by seed and number, and made again by `--first N --cases 1`. Anything but our own error in one line, or
rows that are lost without a count, is printed and counted as a finding.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path

from tests.drill import cases


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    ends: Counter[str] = Counter()
    late: Counter[str] = Counter()
    seconds: Counter[str] = Counter()
    findings = []
    with cases.prepared() as place:
        for number in range(given.first, given.first + given.cases):
            begun = time.process_time()
            target, end = cases.run(place, given.seed, number)
            seconds[target] += round(time.process_time() - begun, 6)
            kind, _, why = end.partition(": ")
            ends[f"{target}: {kind}"] += 1
            late[why] += kind == "refused by prepare"
            if kind == "finding":
                findings.append({"number": number, "target": target, "what": why})
                print(json.dumps(findings[-1], ensure_ascii=False), flush=True)
            if number % 1000 == 999:
                print(number + 1, dict(sorted(ends.items())), flush=True)
    found = {"ends": dict(sorted(ends.items())), "seconds": seconds, "findings": findings, "late": dict(+late)}
    text = json.dumps(found, ensure_ascii=False, indent=1)
    if given.json:
        given.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)


if __name__ == "__main__":
    main()
