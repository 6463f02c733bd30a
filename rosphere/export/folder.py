"""The folder that servers take: the graph, and beside it what a Hugging Face or sentence-transformers folder has, save
for the encoder's weights, which the graph holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rosphere import files
from rosphere.encoder import config as configs
from rosphere.encoder import folder as folders
from rosphere.encoder import tensors
from rosphere.errors import InputError
from rosphere.export import checking, graph, quantising, readme, running
from rosphere.export.source import Source
from rosphere.similarity import folder as similarity
from rosphere.text import published

CHECKED = 256  # texts at most, by which the graph is compared with our model
MODEL, INT8, LOSS = (f"onnx/{name}" for name in ("model.onnx", "model_quantized.onnx", "model_quantized.json"))


def require_free(target: Path) -> None:
    """Raises InputError where there is something already."""
    if target.is_symlink() or target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(f"{target}: exists already; choose another folder")


def write(source: Source, target: Path, *, texts: Sequence[str], int8: bool) -> dict[str, Any]:
    """The folder, and what was measured on the way: it appears whole, or not at all.

    Raises:
        InputError: onnxruntime's vectors are not ours; there is something at ``target`` already.
    """
    require_free(target)
    with files.appearing(target) as place:
        (place / "onnx").mkdir(parents=True)
        graph.write(source.graph, place / MODEL)
        sequences = checking.cut(source.tokenizer, texts, source.most)
        checked = [*sequences[:CHECKED], *checking.probes(source)]
        session = running.opened(place / MODEL)
        found: dict[str, Any] = {
            "file": MODEL,
            "megabytes": megabytes(place / MODEL),
            "max_length": source.most,
            "texts": len(texts),
            "cut_otherwise": checking.cut_otherwise(source, texts, sequences),
            "checked": len(checked),
            "largest_difference": checking.difference(source, session, checked),
        }
        if int8:
            quantising.quantise(place / MODEL, place / INT8)
            found["int8"] = _loss(source, place, sequences)
            files.write_json(place / LOSS, found["int8"])
        _surroundings(source, place)
        pair = running.rows(session, checking.cut(source.tokenizer, readme.PAIR, source.most), pad=source.tokenizer.pad)
        text = readme.text(
            sentences=source.sentences is not None,
            lexical=bool(source.sentences and source.sentences.lexical),
            license=readme.license_of(source.folder),
            most=source.most,
            pair=pair,
            int8=found.get("int8"),
        )
        files.write_text(place / "README.md", text)
    return found


def megabytes(path: Path) -> float:
    return round(path.stat().st_size / 1e6, 2)


def _loss(source: Source, place: Path, sequences: Sequence[Sequence[int]]) -> dict[str, Any]:
    full, quantised = (
        running.rows(running.opened(place / name), sequences, pad=source.tokenizer.pad) for name in (MODEL, INT8)
    )
    return {
        "file": INT8,
        "megabytes": megabytes(place / INT8),
        "texts": len(sequences),
        "compared": "sentence vectors" if source.sentences else "token vectors",
        "cosine": quantising.loss(full, quantised),
        "onnxruntime": version("onnxruntime"),
    }


def _surroundings(source: Source, place: Path) -> None:
    """All but the graph."""
    if source.sentences:
        _modules(source, place)
    files.write_json(place / "config.json", configs.to_json(source.config, bare=True))
    folders.copy_tokenizer(source.folder, place)
    path = source.folder / published.SETTINGS
    settings = files.json_object(path) if path.is_file() else {}
    files.write_json(place / published.SETTINGS, {**settings, "model_max_length": source.most})  # where servers cut


def _modules(source: Source, place: Path) -> None:
    """sentence-transformers' modules, without what only we read."""
    model = source.sentences
    assert model
    model.counts = model.edits = None
    similarity.save(model, place, tokenizer=source.folder)
    (place / tensors.NAMES[0]).unlink()
    files.write_json(place / "sentence_bert_config.json", {"max_seq_length": source.most, "do_lower_case": False})
    path = place / "1_Pooling" / "config.json"
    others = {f"pooling_mode_{name}": False for name in ("max_tokens", "mean_sqrt_len_tokens")}
    files.write_json(path, files.json_object(path) | others)  # which text-embeddings-inference used to insist on
