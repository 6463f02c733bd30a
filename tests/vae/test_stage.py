"""What the stage takes from params.yaml, what the page makes of the sphere, and the benchmark's book-keeping."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import vae as benchmark
from pipeline.report import captions, figures
from pipeline.report import vae as page
from pipeline.report.run_data import RunData
from pipeline.run import settings as config
from rosphere.errors import InputError
from rosphere.text import reading
from rosphere.vae.decoder import FreshDecoder
from rosphere.vae.latents import encode, view
from stages import evaluate_vae, report, vmf_vae
from tests import tiny
from tests.pipeline.report import toy_reports
from tests.tiny import shaken
from tests.vae.models import model

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


VARIANTS = "[vmf, gaussian, gaussian_free_bits, vmf_fresh]"


def changed(tmp_path: Path, *changes: tuple[str, str]) -> vmf_vae.VmfVae:
    """The section with the first of what is old in each pair replaced by what is new."""
    text = PARAMS.read_text(encoding="utf-8")
    for old, new in changes:
        place = text.index(old, text.index("\nvmf_vae:"))
        text = text[:place] + new + text[place + len(old) :]
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    return config.load(tmp_path / "params.yaml", "vmf_vae", vmf_vae.VmfVae)


def test_the_defaults_are_the_vmf_its_two_gaussians_and_its_fresh_decoder() -> None:
    settings = config.load(PARAMS, "vmf_vae", vmf_vae.VmfVae)
    assert settings.variants == ["vmf", "gaussian", "gaussian_free_bits", "vmf_fresh"]
    assert settings.shape(8).kappa == 32.0
    assert settings.shape(8).fresh_decoder is None


def test_another_kappa_other_baselines_and_a_fresh_decoder_are_a_matter_of_params(tmp_path: Path) -> None:
    learned = changed(tmp_path, ("kappa: 32.0", "kappa: learned"), ("free_bits: as_vmf", "free_bits: 0.05"))
    assert learned.shape(8).kappa == "learned"
    assert changed(tmp_path, ("kappa: 32.0", "kappa: 1e4")).shape(8).kappa == 1e4
    assert changed(tmp_path, (VARIANTS, "[vmf, gaussian_bn]")).variants == ["vmf", "gaussian_bn"]
    fresh = changed(tmp_path, ("decoder: pretrained", "decoder: fresh"), (VARIANTS, "[vmf]"))
    assert fresh.shape(8).fresh_decoder == FreshDecoder(layers=2, width=128)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("kappa: 32.0", "kappa: -1", "kappa: expected a number above 0"),
        ("kappa: 32.0", "kappa: fixed", r"vmf_vae\.kappa: expected float \| one of 'learned', got 'fixed'"),
        ("kappa: 32.0", "kappa: learned", "free_bits: as_vmf is the KL of a fixed kappa, got kappa: learned"),
        (VARIANTS, "[vmf, gaussian, gaussian]", "variants: expected each once, got gaussian 2 times"),
        (VARIANTS, "[gaussian]", "variants: expected vmf among them"),
        (VARIANTS, "[vmf, laplace]", r"variants\[1\]: expected one of 'vmf', .*got 'laplace'"),
        ("annealing: 0.5", "annealing: 2", "annealing: expected a share of the run"),
        ("decoder: pretrained", "decoder: fresh", "variants: vmf_fresh is vmf itself with decoder: fresh"),
        ("decoder: pretrained", "decoder: gpt", "vmf_vae.decoder: expected one of 'pretrained', 'fresh', got 'gpt'"),
        ("layers: 2", "layers: 0", "layers: expected 1 or more, got 0"),
        ("width: 128", "width: 129", "width: expected an even width for each of 2 heads, got 129"),
    ],
)
def test_what_the_stage_refuses(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(config.ConfigError, match=message):
        changed(tmp_path, (old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("importance_samples: 50", "importance_samples: 0", "importance_samples: expected 1 or more, got 0"),
        ("samples: 256", "samples: 7", "samples: expected 8 or more, got 7"),
        ("top_p: 0.9", "top_p: 1.5", "top_p: expected a probability, 0 to 1, got 1.5"),
    ],
)
def test_what_the_measuring_stage_refuses(tmp_path: Path, old: str, new: str, message: str) -> None:
    section = PARAMS.read_text(encoding="utf-8").partition("\nevaluate_vae:")
    (tmp_path / "params.yaml").write_text(section[1] + section[2].replace(old, new, 1), encoding="utf-8")
    with pytest.raises(config.ConfigError, match=f"evaluate_vae: {message}"):
        config.load(tmp_path / "params.yaml", "evaluate_vae", evaluate_vae.EvaluateVae)


# --- the figure


@pytest.fixture
def run_data(tmp_path: Path) -> RunData:
    points = [[0.5, 0.0], [0.25, 0.5], [0.9, -0.1]]
    (tmp_path / "examples").mkdir()
    examples = {"sphere": {"points": points, "labels": ["0", "1", "0"]}}
    (tmp_path / "examples" / "evaluate_vae-vmf.json").write_text(json.dumps(examples))
    return toy_reports.run_data(tmp_path, tasks=[], variants=["vmf", "gaussian"])


def test_the_sphere_is_drawn_with_the_same_bytes_every_time(run_data: RunData, tmp_path: Path) -> None:
    figures.sphere(run_data, tmp_path / "sphere.svg")
    first = (tmp_path / "sphere.svg").read_bytes()
    figures.sphere(run_data, tmp_path / "sphere.svg")
    assert b"<svg" in first and (tmp_path / "sphere.svg").read_bytes() == first
    shown = figures.Figure(path=tmp_path / "sphere.svg", caption=captions.sphere(run_data))
    assert shown.caption.description == "Scatter plot inside the unit circle: 2 with label 0 and 1 with label 1."
    (part,) = report.shown(run_data, "Text VAE", {"sphere": shown}, {})
    assert "<svg" in part


def test_without_labels_the_page_says_why_there_is_no_sphere(tmp_path: Path) -> None:
    bare = toy_reports.write(tmp_path)
    assert bare.sphere is None
    said = page.section(bare, {})[-1]
    assert "the task sentiment" in said and "not prepared" in said
    told = json.loads((tmp_path / "examples" / "evaluate_vae-vmf.json").read_text())
    labelled = {**told, "sphere": {"points": [[0.5, 0.0]], "labels": ["0"]}}
    (tmp_path / "examples" / "evaluate_vae-vmf.json").write_text(json.dumps(labelled))
    assert "not prepared" not in str(page.section(bare, {}))


# --- the benchmark


def test_a_folder_of_another_protocol_is_refused(tmp_path: Path) -> None:
    protocol = benchmark.Protocol(
        data="a-b",
        latent=8,
        steps=10,
        batch_size=4,
        rate=1e-3,
        max_length=26,
        word_dropout=0.0,
        dropout=0.1,
        importance_sentences=3,
        draws=5,
        sentences=9,
    )
    protocol.keep(tmp_path / "runs")
    protocol.keep(tmp_path / "runs")
    with pytest.raises(InputError, match="have steps 10, not 20: choose another folder"):
        replace(protocol, steps=20).keep(tmp_path / "runs")


def test_the_table_has_means_and_spreads() -> None:
    one = dict.fromkeys(benchmark.COLUMNS, 1.0)
    lines = benchmark.table({"vmf-50": [one, {**one, "nll": 4.0}], "gaussian": [one]})
    assert lines[2].startswith("| vmf-50 | 2.5 ± 2.1 | 1 ± 0 |")
    assert lines[3].startswith("| gaussian | 1 | 1 |")


# --- the view of labelled sentences


def test_the_view_is_of_the_held_out_along_the_means_of_the_training_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, found = tiny.of_characters(tmp_path / "tokenizer", 11), shaken(model())
    train = {"0": ["一丁丂", "七丄"], "1": ["丆万", "丈三上"]}
    rows = [{"sentence": text, "label": label} for label, texts in train.items() for text in texts]
    long = {"sentence": "一" * 30, "label": "0"}
    dev = [{"sentence": "丁七", "label": "1"}, long, {"sentence": "上三", "label": "0"}]
    for split, content in (("train", [*rows, long]), ("dev", dev)):
        reading.write_rows(tmp_path / "labelled" / f"{split}.jsonl", content)
    monkeypatch.setattr(evaluate_vae, "LABELLED", tmp_path / "labelled")
    means = [encode(found, tokenizer, texts).mean(0) for texts in train.values()]
    expected = view(encode(found, tokenizer, ["丁七", "上三"]), *means)
    shown = evaluate_vae.view(found, tokenizer, 26)["sphere"]
    assert shown["labels"] == ["1", "0"]
    torch.testing.assert_close(torch.tensor(shown["points"]), expected, rtol=0, atol=1e-5)
    assert evaluate_vae.view(shaken(model("gaussian")), tokenizer, 26) == {}
    for split in ("train", "dev"):  # as where no task has classes of single texts
        (tmp_path / "labelled" / f"{split}.jsonl").write_text("", encoding="utf-8")
    assert evaluate_vae.view(found, tokenizer, 26) == {}
