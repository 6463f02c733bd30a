"""Chunked contrastive gradients against one graph over the whole batch, with the same dropout."""

from __future__ import annotations

import contextlib
import itertools
import math
import random
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import rel_entr, softmax
from torch import Tensor, nn
from torch.nn import functional as F

from rosphere.randomness.state import RandomState
from rosphere.similarity.distillation import neighbour_distillation, similarity_distillation
from rosphere.similarity.gradient_cache import accumulate, gradient_error
from rosphere.similarity.losses import cosent, info_nce
from rosphere.similarity.model import SimilarityModel
from rosphere.similarity.pairs import Batch
from tests import tiny

ROWS, VOCABULARY = 8, 23
LOSS = partial(info_nce, temperature=0.05)


def language(dtype: torch.dtype) -> SimilarityModel:
    model = tiny.shaken(SimilarityModel(tiny.language(VOCABULARY)))
    return model.to(dtype).train()


def sentences() -> Batch:
    """Rows of source and target, of unlike lengths."""
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, VOCABULARY, (ROWS, 12), generator=generator)
    places = torch.arange(12).expand(ROWS, -1)
    sources = torch.randint(3, 6, (ROWS, 1), generator=generator)
    lengths = torch.randint(8, 13, (ROWS, 1), generator=generator)
    return Batch(
        ids_NL=ids * (places < lengths),
        segments_NL=(places >= sources).long(),
        keep_NL=(places < lengths).long(),
        sentence_N=torch.arange(ROWS),
        tokens=int((lengths - sources).sum()),
    )


Encode = Callable[[Batch], tuple[Tensor, Callable[[], Tensor]]]


def gradient(model: nn.Module) -> Tensor:
    """All gradients end to end; the model's are cleared."""
    missing = [name for name, parameter in model.named_parameters() if parameter.grad is None]
    assert missing == []
    whole = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    model.zero_grad()
    return whole


def direct(encode: Encode, chunks: Sequence[Batch]) -> tuple[Tensor, Tensor]:
    """The oracle: every chunk under the random state it finds, all in one graph."""
    vectors, own = zip(*map(encode, chunks), strict=True)
    value, rest = LOSS(torch.cat(vectors)), torch.stack([each() for each in own]).sum()
    (value + rest).backward()
    return value.detach(), rest.detach()


def gap(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 100])
def test_the_gradient_is_that_of_one_graph(rows: int, dtype: torch.dtype, bound: float) -> None:
    model, batch = language(dtype), sentences()
    encode, chunks = model, batch.split(rows)
    torch.manual_seed(7)
    expected_values = direct(encode, chunks)
    expected = gradient(model)
    torch.manual_seed(7)
    values = accumulate(encode, chunks, LOSS)
    assert gap(gradient(model), expected) <= bound
    torch.testing.assert_close(values, expected_values, rtol=1e-6, atol=0)  # logits are in float32
    assert not any(value.requires_grad for value in values)
    assert expected_values[0] > 0.1 and expected_values[1] > 0.1  # both losses count


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
@pytest.mark.parametrize("rows", [1, 3, 4, 6, 100])
def test_hard_negatives_keep_it_so(rows: int, dtype: torch.dtype, bound: float) -> None:
    """Two of eight rows are negatives of two others, in whatever chunk they come to lie."""
    model, batch = language(dtype), sentences()
    loss, chunks = partial(LOSS, anchor_M=torch.tensor([1, 4])), batch.split(rows)
    torch.manual_seed(7)
    vectors, own = zip(*map(model, chunks), strict=True)
    value = loss(torch.cat(vectors))
    (value + torch.stack([each() for each in own]).sum()).backward()
    expected = gradient(model)
    torch.manual_seed(7)
    found, _ = accumulate(model, chunks, loss)
    assert gap(gradient(model), expected) <= bound
    torch.testing.assert_close(found, value.detach(), rtol=1e-6, atol=0)
    torch.manual_seed(7)
    accumulate(model, batch.split(rows), LOSS)
    assert gap(gradient(model), expected) > 0.1, "they are not rows like others"


def test_without_the_replayed_masks_the_gradient_is_far_off(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = language(torch.float64), sentences()
    encode, chunks = model, batch.split(2)
    torch.manual_seed(7)
    direct(encode, chunks)
    expected = gradient(model)
    monkeypatch.setattr(RandomState, "replayed", lambda self: contextlib.nullcontext())
    torch.manual_seed(7)
    accumulate(encode, chunks, LOSS)
    assert gap(gradient(model), expected) > 0.1


def test_adding_up_the_losses_of_chunks_is_far_off() -> None:
    model, batch = language(torch.float64), sentences()
    encode, chunks = model, batch.split(2)
    torch.manual_seed(7)
    direct(encode, chunks)
    expected = gradient(model)
    torch.manual_seed(7)
    for chunk in batch.split(4):
        vectors, own = encode(chunk)
        (LOSS(vectors) / 2 + own()).backward()
    assert gap(gradient(model), expected) > 0.1


def test_the_chunks_share_no_graph() -> None:
    """Memory is a chunk's: a chunk's backward comes before the next chunk's second pass."""
    model, batch, order = language(torch.float32), sentences(), []
    encode = model

    def watched(chunk: Batch) -> tuple[Tensor, Callable[[], Tensor]]:
        order.append("pass" if torch.is_grad_enabled() else "look")
        vectors, own = encode(chunk)

        def noted() -> Tensor:
            order.append("own")
            return own()

        return vectors, noted

    def backward(value: Tensor) -> None:
        order.append("backward")
        value.backward()

    accumulate(watched, batch.split(3), LOSS, backward=backward)
    assert order == ["look"] * 2 + ["pass", "own", "backward"] * 3


def test_python_and_numpy_noise_is_replayed_and_the_second_pass_leaves_no_trace() -> None:
    torch.manual_seed(0)
    layer, x = nn.Linear(5, 6).double(), torch.randn(8, 5, dtype=torch.float64)

    def encode(chunk: Tensor) -> tuple[Tensor, Tensor]:
        noise = torch.from_numpy(np.random.standard_normal(chunk.shape))
        vectors = layer(chunk + noise + random.gauss(0, 1)) + torch.randn(6)
        return vectors, vectors.square().sum() / 100

    def seed() -> None:
        random.seed(3)
        np.random.seed(3)
        torch.manual_seed(3)

    seed()
    vectors, own = zip(*map(encode, x.split(2)), strict=True)
    (LOSS(torch.cat(vectors)) + torch.stack(own).sum()).backward()
    expected, after = gradient(layer), (random.random(), np.random.random(), torch.rand(()))
    seed()
    accumulate(encode, x.split(2), LOSS)
    assert gap(gradient(layer), expected) <= 1e-12
    assert (random.random(), np.random.random(), torch.rand(())) == after


def test_vectors_alone_are_enough() -> None:
    torch.manual_seed(0)
    layer, x = nn.Sequential(nn.Linear(5, 6), nn.Dropout(0.3)).double(), torch.randn(8, 5, dtype=torch.float64)
    torch.manual_seed(3)
    LOSS(torch.cat([layer(chunk) for chunk in x.split(3)])).backward()
    expected = gradient(layer)
    torch.manual_seed(3)
    _, own = accumulate(layer, x.split(3), LOSS)
    assert gap(gradient(layer), expected) <= 1e-12
    assert float(own) == 0.0


def test_the_self_check_sees_what_is_exact_and_what_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = language(torch.float64), sentences()
    held = [torch.full_like(parameter, 3.0) for parameter in model.parameters()]
    for parameter, gradient_ in zip(model.parameters(), held, strict=True):
        parameter.grad = gradient_
    before = torch.get_rng_state()
    assert gradient_error(model, batch.split(3), LOSS, list(model.parameters())) <= 1e-12
    assert torch.equal(torch.get_rng_state(), before)
    assert all(p.grad is g for p, g in zip(model.parameters(), held, strict=True))
    monkeypatch.setattr(RandomState, "replayed", lambda self: contextlib.nullcontext())
    assert gradient_error(model, batch.split(3), LOSS, list(model.parameters())) > 0.1


def test_a_failing_pass_restores_the_surroundings() -> None:
    torch.manual_seed(0)
    state = RandomState()
    torch.rand(3)
    expected = torch.get_rng_state()
    with pytest.raises(ZeroDivisionError), state.replayed():
        torch.rand(1)
        raise ZeroDivisionError
    assert torch.equal(torch.get_rng_state(), expected)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_under_autocast(rows: int) -> None:
    model, batch = language(torch.float32), sentences()
    encode, chunks = model, batch.split(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model.vectors(batch.ids_NL, batch.keep_NL).dtype == torch.float32
        assert model.pooler(torch.zeros(1, model.pooler.in_features)).dtype == torch.bfloat16
        torch.manual_seed(7)
        values = direct(encode, chunks)
        expected = gradient(model)
        torch.clear_autocast_cache()
        torch.manual_seed(7)
        found = accumulate(encode, chunks, LOSS)
    assert gap(gradient(model), expected) <= 2e-2
    torch.testing.assert_close(found, values, rtol=1e-2, atol=0)


# --- the losses


def info_nce_by_hand(rows: list[list[float]], temperature: float) -> float:
    def cosine(a: list[float], b: list[float]) -> float:
        return math.fsum(map(lambda x, y: x * y, a, b)) / math.hypot(*a) / math.hypot(*b)

    total = 0.0
    for i, row in enumerate(rows):
        partner = i + 1 if i % 2 == 0 else i - 1
        others = [math.exp(cosine(row, other) / temperature) for j, other in enumerate(rows) if j != i]
        total -= cosine(row, rows[partner]) / temperature - math.log(math.fsum(others))
    return total / len(rows)


@given(
    pairs=st.integers(1, 5),
    width=st.integers(2, 6),
    temperature=st.floats(1 / 30, 2),
    seed=st.integers(0, 10**6),
)
def test_info_nce_is_the_loop(pairs: int, width: int, temperature: float, seed: int) -> None:
    vectors = torch.randn(2 * pairs, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    expected = info_nce_by_hand(vectors.tolist(), temperature)
    assert float(info_nce(vectors, temperature=temperature)) == pytest.approx(expected, rel=1e-11, abs=1e-11)
    assert float(info_nce(vectors.float(), temperature=temperature)) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_info_nce_literal() -> None:
    """Two pairs on two axes: the partner at cosine 1, two others at 0."""
    vectors = torch.tensor([[1.0, 0.0], [3.0, 0.0], [0.0, 2.0], [0.0, 5.0]])
    assert float(info_nce(vectors, temperature=0.5)) == pytest.approx(math.log(1 + 2 * math.exp(-2)), rel=1e-6)
    assert float(info_nce(vectors[:2], temperature=0.5)) == 0.0


def test_cosent_literal() -> None:
    """Pairs at cosines 0 and 0.6; the first should be the more alike: log(1 + e^(2 (0.6 - 0)))."""
    vectors = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 0.0], [0.6, 0.8]])
    assert float(cosent(vectors, torch.tensor([1.0, 0.0]), temperature=0.5)) == pytest.approx(
        math.log(1 + math.exp(1.2))
    )
    assert float(cosent(vectors, torch.tensor([0.0, 1.0]), temperature=0.5)) == pytest.approx(
        math.log(1 + math.exp(-1.2))
    )
    assert float(cosent(vectors, torch.tensor([1.0, 1.0]), temperature=0.5)) == 0.0


@given(pairs=st.integers(1, 6), temperature=st.floats(1 / 30, 2), seed=st.integers(0, 10**6))
def test_cosent_is_the_loop(pairs: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(2 * pairs, 3, generator=generator, dtype=torch.float64)
    scores = torch.randint(0, 3, (pairs,), generator=generator)
    cosines = F.cosine_similarity(vectors[0::2], vectors[1::2]).tolist()
    total = 1.0
    for p, q in itertools.product(range(pairs), repeat=2):
        if scores[p] > scores[q]:
            total += math.exp((cosines[q] - cosines[p]) / temperature)
    assert float(cosent(vectors, scores, temperature=temperature)) == pytest.approx(
        math.log(total), rel=1e-10, abs=1e-12
    )


def test_similarity_distillation_literal() -> None:
    """Cosines 0 (student) and 0.6 (teacher) between two vectors: 100 / 4 * 2 * 0.36."""
    student, teacher = torch.eye(2), torch.tensor([[5.0, 0.0], [0.6, 0.8]])
    assert float(similarity_distillation(student, teacher, weight=100.0)) == pytest.approx(18.0, rel=1e-6)
    assert float(similarity_distillation(teacher, 3 * teacher, weight=100.0)) == pytest.approx(0.0, abs=1e-9)


def test_neighbour_distillation_literal() -> None:
    """Of three vectors the teacher finds the second twice as likely beside the first as the third, and the student
    both alike: KL(2/3, 1/3 | 1/2, 1/2). So it is for the second; to the third both others are alike in both."""
    alike = torch.eye(3)
    angle = math.acos(math.log(2) / 5)  # cosines of the first with the others: log(2) / 5 and 0
    teacher = torch.tensor([[1.0, 0.0, 0.0], [math.cos(angle), math.sin(angle), 0.0], [0.0, 0.0, 1.0]])
    one = math.log(2) + 2 / 3 * math.log(2 / 3) + 1 / 3 * math.log(1 / 3)
    found = neighbour_distillation(alike, 4 * teacher, weight=3.0, temperature=0.2)
    assert float(found) == pytest.approx(3 / 3 * (one + one + 0), rel=1e-5)


@given(rows=st.integers(2, 6), temperature=st.floats(1 / 30, 2), seed=st.integers(0, 10**6))
def test_neighbour_distillation_is_the_loop(rows: int, temperature: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    student, teacher = (torch.randn(rows, width, generator=generator, dtype=torch.float64) for width in (3, 5))
    total = 0.0
    for i in range(rows):
        others = [j for j in range(rows) if j != i]
        p, q = (
            softmax([float(F.cosine_similarity(v[i], v[j], dim=0)) / temperature for j in others])
            for v in (teacher, student)
        )
        total += float(rel_entr(p, q).sum())
    found = float(neighbour_distillation(student, teacher, weight=2.0, temperature=temperature))
    assert found == pytest.approx(2.0 * total / rows, rel=1e-8, abs=1e-12)
    assert float(neighbour_distillation(teacher, 3 * teacher, weight=1.0, temperature=temperature)) == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize(
    "distillation",
    [partial(similarity_distillation, weight=7.0), partial(neighbour_distillation, weight=7.0, temperature=1 / 3)],
)
def test_distillation_takes_vectors_of_another_width_and_any_chunk_size(
    distillation: Callable[[Tensor, Tensor], Tensor],
) -> None:
    torch.manual_seed(0)
    layer, x, teacher = nn.Linear(4, 5).double(), torch.randn(6, 4).double(), torch.randn(6, 9).double()
    loss = partial(distillation, teacher_ND=teacher)
    loss(layer(x)).backward()
    expected = gradient(layer)
    accumulate(lambda chunk: (layer(chunk), torch.zeros(())), x.split(1), lambda vectors: loss(vectors))
    assert gap(gradient(layer), expected) <= 1e-12


@pytest.mark.parametrize(
    "loss",
    [
        lambda vectors, teacher: info_nce(vectors, temperature=0.05),
        lambda vectors, teacher: similarity_distillation(vectors, teacher, weight=100.0),
        lambda vectors, teacher: neighbour_distillation(vectors, teacher, weight=1.0, temperature=0.05),
    ],
)
def test_under_autocast_cosines_keep_their_digits(loss: Callable[[Tensor, Tensor], Tensor]) -> None:
    """Of a student near its teacher bf16 products would leave noise for a gradient."""
    torch.manual_seed(0)
    teacher = F.normalize(torch.randn(32, 16), dim=-1)
    vectors = (teacher + 0.02 * torch.randn(32, 16)).requires_grad_()
    (expected,) = torch.autograd.grad(loss(vectors, teacher), vectors)
    with torch.autocast("cpu", torch.bfloat16):
        value = loss(vectors, teacher)
    (found,) = torch.autograd.grad(value, vectors)
    torch.testing.assert_close(found, expected)


def test_half_precision_vectors_are_compared_in_float32() -> None:
    vectors = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(info_nce(vectors, temperature=0.05), info_nce(vectors.float(), temperature=0.05))
    found = similarity_distillation(vectors, vectors.flip(0), weight=1.0)
    assert torch.equal(found, similarity_distillation(vectors.float(), vectors.float().flip(0), weight=1.0))
    found = neighbour_distillation(vectors, vectors.flip(0), weight=1.0, temperature=0.05)
    assert torch.equal(
        found, neighbour_distillation(vectors.float(), vectors.float().flip(0), weight=1.0, temperature=0.05)
    )


@pytest.fixture(autouse=True)
def _same_random_state_after() -> Iterator[None]:
    with RandomState().replayed():
        yield
