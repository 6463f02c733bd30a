"""Ways, neighbours and the view of the sphere; sentences there and back through the command line."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from rosphere.cli.app import main
from rosphere.errors import InputError
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import decoding, folder, latents
from rosphere.vae.latents import geodesic, modes, neighbours
from rosphere.vae.sentences import Sentences
from tests import tiny
from tests.tiny import shaken
from tests.vae.models import CLS, KINDS, PAD, SEP, VOCABULARY, model, sentences

CHARACTERS = tiny.ideographs(VOCABULARY - tiny.FIRST)


def units(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)), dim=-1)


# --- the way from one point to another


@settings(max_examples=50)
@given(dim=st.integers(2, 40), steps=st.integers(2, 12), seed=st.integers(0, 10**6))
def test_geodesic_points_are_unit_and_evenly_spaced(dim: int, steps: int, seed: int) -> None:
    a, b = units(2, dim, seed=seed)
    assume(float((a + b).norm()) > 1e-6)
    path = geodesic(a, b, steps)
    torch.testing.assert_close(path[[0, -1]], torch.stack((a, b)), rtol=0, atol=1e-9)
    torch.testing.assert_close(path.norm(dim=-1), torch.ones(steps, dtype=torch.float64), rtol=0, atol=1e-8)
    chords = (path[1:] - path[:-1]).norm(dim=-1)
    between = 2 * math.sin(math.acos(max(-1.0, min(1.0, float(a @ b)))) / 2 / (steps - 1))
    torch.testing.assert_close(chords, torch.full_like(chords, between), rtol=0, atol=1e-7)


def test_the_geodesic_literal_and_of_a_point_with_itself() -> None:
    """From east to north in thirds: 0, 30, 60, 90 degrees."""
    path = geodesic(torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]), 4)
    half, root = 0.5, math.sqrt(0.75)
    torch.testing.assert_close(path, torch.tensor([[1, 0], [root, half], [half, root], [0, 1]]), rtol=0, atol=1e-6)
    point = F.normalize(torch.randn(5), dim=-1)
    assert torch.equal(geodesic(point, point, 3), point.expand(3, -1))


def test_a_geodesic_keeps_its_digits_at_a_small_angle() -> None:
    a, b = torch.tensor([1.0, 0.0]), torch.tensor([1.0, 1e-5])
    torch.testing.assert_close(geodesic(a, b, 3)[1], torch.tensor([1.0, 5e-6]), rtol=1e-6, atol=1e-12)


def test_between_opposite_points_there_is_no_shortest_way() -> None:
    a = units(1, 7)[0].float()
    with pytest.raises(InputError, match="opposite"):
        geodesic(a, -a, 5)


def test_the_way_in_flat_space_is_straight() -> None:
    a, b = torch.tensor([0.0, 2.0]), torch.tensor([4.0, 0.0])
    path = latents.path(model("gaussian"), a, b, 5)
    torch.testing.assert_close(path, torch.tensor([[0, 2], [1, 1.5], [2, 1], [3, 0.5], [4, 0]]))


def test_the_way_between_means_is_the_great_circle_at_their_distances_from_the_centre() -> None:
    a, b = units(2, 7).float()
    path = latents.path(model(), 0.25 * a, 0.75 * b, 3)
    torch.testing.assert_close(path, torch.tensor([[0.25], [0.5], [0.75]]) * geodesic(a, b, 3))


def test_means_are_modes_inside_the_sphere() -> None:
    """A(kappa) of them: 0.836457 for 20 in 8 dimensions."""
    found, some = shaken(model(latent=8, kappa=20.0)), Sentences([[CLS, 7, SEP], [CLS, 8, 9, SEP]], PAD)
    torch.testing.assert_close(latents.means(found, some), 0.836457 * modes(found, some), rtol=0, atol=1e-5)


# --- neighbours


def test_neighbours_are_those_of_the_largest_cosine() -> None:
    points, query = units(30, 6), units(4, 6, seed=1)
    expected = (query @ points.T).argsort(dim=1, descending=True)[:, :5]
    assert torch.equal(neighbours(query, points, 5), expected)
    assert neighbours(query, points[:2], 5).shape == (4, 2)


def test_neighbours_are_told_apart_where_all_points_are_near() -> None:
    points = torch.nn.functional.normalize(units(1, 32) + 1e-5 * torch.randn(300, 32), dim=-1)
    apart = (points.double()[:, None] - points.double()[None]).norm(dim=-1)
    found = neighbours(points, points, 3)
    assert torch.equal(found[:, 0], torch.arange(300)), "each point is nearest to itself"
    torch.testing.assert_close(apart.gather(1, found), apart.sort(1).values[:, :3], rtol=1e-3, atol=0)


# --- the view


@settings(deadline=None, max_examples=30)
@given(dim=st.integers(2, 30), seed=st.integers(0, 10**6))
def test_the_view_is_the_projection_on_the_plane_of_the_two_means(dim: int, seed: int) -> None:
    """By Gram and Schmidt, which the view does without."""
    points = units(20, dim, seed=seed)
    a, b = points[:8].mean(0), points[8:].mean(0)
    found = latents.view(points, a, b)
    x = F.normalize(a, dim=0)
    rest = b - (b @ x) * x
    assume(float(rest.norm()) > 1e-3 and float(a.norm()) > 1e-3)
    expected = torch.stack((points @ x, points @ F.normalize(rest, dim=0)), dim=1)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    means = found[:8].mean(0), found[8:].mean(0)
    assert means[0][0] > 0 and means[1][1] > 0 and abs(float(means[0][1])) < 1e-8
    assert (found.norm(dim=1) <= 1 + 1e-9).all()


def test_a_view_along_one_direction_is_refused() -> None:
    points = torch.eye(4)
    with pytest.raises(ValueError, match="expected finite vectors other than 0"):
        latents.view(points, points[0], 2 * points[0])


# --- sentences to points


@pytest.mark.parametrize("kind", KINDS)
def test_modes_come_in_the_order_of_the_sentences_whatever_the_batches(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, batch = shaken(model(kind)), sentences(15)
    with torch.no_grad():
        expected = found.posterior(batch).mode
    monkeypatch.setattr("rosphere.vae.latents.TOKENS_A_BATCH", 20)
    points = modes(found, Sentences([[CLS, *words, SEP] for words in batch.words()], PAD))
    torch.testing.assert_close(points, expected, rtol=0, atol=1e-5)
    if kind == "vmf":
        torch.testing.assert_close(points.norm(dim=1), torch.ones(15))


# --- folders and the command line


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    pieces = tiny.of_characters(tmp_path / "tokenizer", len(CHARACTERS))
    folder.save(shaken(model(latent=6)), tmp_path / "vmf_vae", tokenizer=pieces.folder)
    return tmp_path / "vmf_vae"


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"kappa": "learned", "latent_at": "every_layer"},
        {"kind": "gaussian", "gamma": 0.6},
        {"kind": "gaussian"},
        {"fresh_decoder": None},
        {"fresh_decoder": None, "model_type": "roformer_v2", "latent_at": "every_layer"},
        {"fresh_decoder": None, "model_type": "bert"},
    ],
)
def test_a_saved_model_is_the_model(tmp_path: Path, changes: dict[str, object]) -> None:
    found, batch = shaken(model(**changes)), sentences()
    folder.save(found, tmp_path, tokenizer=tmp_path)
    read = folder.load(tmp_path)
    assert read.shape == found.shape and read.mask_token == found.mask_token and not read.training
    with torch.no_grad():
        one, other = (each.posterior(batch) for each in (found, read))
        assert torch.equal(one.mode, other.mode) and torch.equal(one.variance, other.variance)
        assert torch.equal(found.reconstruction(one.mode, batch)[0], read.reconstruction(one.mode, batch)[0])


def test_a_folder_that_is_none_or_of_another_version_is_refused(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"not a text VAE, vae\.json is missing"):
        folder.load(tmp_path)
    settings_ = json.loads((saved / "vae.json").read_text())
    settings_["shape"]["radius"] = 1
    (saved / "vae.json").write_text(json.dumps(settings_))
    with pytest.raises(InputError, match=r"vae\.json: written by another version .*radius"):
        folder.load(saved)
    settings_["shape"] = {**settings_["shape"], "latent": 7}
    del settings_["shape"]["radius"]
    (saved / "vae.json").write_text(json.dumps(settings_))
    with pytest.raises(InputError, match=r"vae\.safetensors: .*has shape"):
        folder.load(saved)


def test_a_folder_from_when_all_decoders_were_fresh_is_refused(saved: Path) -> None:
    old = json.loads((saved / "vae.json").read_text())
    shape = old["shape"].pop("fresh_decoder")
    old["shape"] |= {"decoder_layers": shape["layers"], "decoder_width": shape["width"]}
    (saved / "vae.json").write_text(json.dumps(old))
    with pytest.raises(InputError, match=r"vae\.json: written by another version .*; train the model anew$"):
        folder.load(saved)


def test_interpolate_on_the_command_line(saved: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, last = "".join(CHARACTERS[:4]), "".join(CHARACTERS[5:8])
    main(["interpolate", first, last, "--model", str(saved), "--steps", "5", "--max-length", "6"])
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [share for share, _ in lines] == ["0.000", "0.250", "0.500", "0.750", "1.000"]
    found, tokenizer = folder.load(saved), Tokenizer(saved)
    ends = latents.means(found, Sentences.of([first, last], tokenizer))
    assert [lines[0][1], lines[-1][1]] == decoding.texts(found, tokenizer, ends, max_length=6)
    expected = decoding.texts(found, tokenizer, latents.path(found, ends[0], ends[1], 5), max_length=6)
    assert [text for _, text in lines] == expected


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["一", " "], "expected a sentence, got ' ', which has no token"),
        (["一", "丁", "--model", "nowhere"], "nowhere: no such folder"),
    ],
)
def test_what_cannot_be_interpolated_is_refused_in_one_line(saved: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        main(["interpolate", "--model", str(saved), *arguments])


def test_there_is_no_way_of_one_step(saved: Path) -> None:
    with pytest.raises(InputError, match="steps: expected 2 or more"):
        decoding.interpolate(folder.load(saved), Tokenizer(saved), "一", "丁", steps=1)


def test_a_split_without_a_short_sentence_is_refused(saved: Path, tmp_path: Path) -> None:
    import numpy as np

    from rosphere.text import corpus

    lengths = (5, 3)
    documents = [(np.full(n, 20, np.uint16), np.ones(n, bool)) for n in lengths]
    corpus.write(documents, tmp_path / "split", vocab_size=VOCABULARY, shard_tokens=100)
    tokenizer = Tokenizer(saved)
    assert [len(row) for row in Sentences.read(tmp_path / "split", tokenizer, 6).rows] == [5]
    with pytest.raises(InputError, match="at most 2 tokens, there are none"):
        Sentences.read(tmp_path / "split", tokenizer, 4)
