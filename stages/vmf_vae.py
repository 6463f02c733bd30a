"""vmf_vae: a sentence VAE on the sphere, and beside it the Gaussian twin that shows the collapse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.distributions import kl_divergence

from rosphere import fitting, similarity, vae
from rosphere.checkpoint import History
from rosphere.encoder import folder
from rosphere.fitting import Callbacks, Schedule
from rosphere.text.corpus import Corpus
from rosphere.text.tokenizer import Tokenizer
from rosphere.vae import Batch, SentenceVAE, Shape
from stages import runner
from stages.sizes import rule

DATA = Path("data")
SOURCE, TARGET = Path("models/pretrain_wide"), Path("models/vmf_vae")
EXAMPLES = 8


@dataclass(frozen=True, kw_only=True)
class VmfVae:
    latent: int | Literal["rule"]
    kappa: float
    decoder_layers: int
    decoder_width: int
    word_dropout: float
    gaussian: bool
    rows: int
    longest: int
    dropout: float
    schedule: Schedule


class Sentences:
    """The sentences of one split that fit, as sequences of ids."""

    def __init__(self, split: str, tokenizer: Tokenizer, longest: int) -> None:
        corpus = Corpus(DATA / "corpus" / f"sentences-{split}")
        short = np.flatnonzero(corpus.lengths <= longest - 2)
        self.pad = tokenizer.pad
        self.rows = [[tokenizer.cls, *map(int, corpus.document(int(n))[0]), tokenizer.sep] for n in short]

    def batch(self, numbers: list[int]) -> Batch:
        ids, keep = similarity.padded([self.rows[number] for number in numbers], self.pad)
        return Batch(ids_BL=ids, keep_BL=keep)

    def training_batch(self, step: int, size: int, seed: int) -> Batch:
        generator = np.random.default_rng([seed, 8, step])
        return self.batch(generator.integers(0, len(self.rows), size).tolist())

    def batches(self, size: int, limit: int) -> list[Batch]:
        count = min(limit, len(self.rows))
        return [self.batch(list(range(start, min(start + size, count)))) for start in range(0, count, size)]


def train(
    shape: Shape, settings: VmfVae, job: runner.Job, train_set: Sentences, dev: list[Batch]
) -> tuple[SentenceVAE, History]:
    seed, tokenizer = job.scalar("seed", int), Tokenizer(DATA / "tokenizer")
    fitting.seed_everything(seed)
    language = folder.load(SOURCE, dropout=settings.dropout)
    tokenizer.require(language.config.vocab_size, model=SOURCE)
    model = SentenceVAE(language, shape, mask_token=tokenizer.mask)

    def objective(trained: nn.Module, batch: Batch, backward: fitting.Backward) -> dict[str, Tensor]:
        terms = vae.elbo(model, batch)
        backward(terms["loss"])
        return {name: value.detach() for name, value in terms.items()}

    def evaluate() -> dict[str, float]:
        measured = vae.measure(model, dev[:4], draws=2)
        return {f"dev_{name}": measured[name] for name in ("reconstruction", "kl", "token_accuracy")}

    def progress(step: int, total: int, metrics: Mapping[str, float]) -> None:
        """Both twins on one scale: the Gaussian comes second."""
        first = total if shape.kind == "gaussian" else 0
        of = 2 * total if settings.gaussian else total
        job.progress(first + step, of, {f"{shape.kind}/{name}": value for name, value in metrics.items()})

    history = fitting.fit(
        model,
        lambda step: train_set.training_batch(step, settings.rows, seed),
        objective,
        settings.schedule,
        seed=seed,
        folder=job.checkpoint / shape.kind,
        callbacks=Callbacks(progress=progress, stopping=job.stopping, evaluate=evaluate),
    )
    return model, history


@torch.no_grad()
def examples(model: SentenceVAE, tokenizer: Tokenizer, dev: Sentences) -> dict[str, Any]:
    """Reconstructions from the mean, an interpolation along the great circle, samples of the prior."""
    model.eval()
    rows = list(range(EXAMPLES))
    means = model.posterior(dev.batch(rows)).mean
    if model.shape.kind == "vmf":
        means = nn.functional.normalize(means, dim=-1)
    path = vae.geodesic(means[0], means[1], 6) if model.shape.kind == "vmf" else None
    torch.manual_seed(0)
    drawn = model.prior().sample((EXAMPLES,))

    def written(z: Tensor) -> list[str]:
        return [tokenizer.decode(ids) for ids in vae.decode(model, z, cls=tokenizer.cls, sep=tokenizer.sep)]

    return {
        "reconstructions": [
            {"input": tokenizer.decode(dev.rows[row]), "output": text}
            for row, text in zip(rows, written(means), strict=True)
        ],
        "interpolation": written(path) if path is not None else [],
        "samples": written(drawn),
    }


@torch.no_grad()
def closed_form_kl(model: SentenceVAE, batches: list[Batch]) -> float:
    """Mean over the sentences of the KL that torch's and our registered formulas give."""
    each = [kl_divergence(model.posterior(batch), model.prior()) for batch in batches]
    return float(torch.cat(each).mean())


def save(model: SentenceVAE, target: Path) -> None:
    """Weights and shape; the tokenizer and the encoder's configuration beside them."""
    target.mkdir(parents=True, exist_ok=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(tensors, target / "vae.safetensors", metadata={"format": "pt"})
    settings = {"shape": asdict(model.shape), "encoder": asdict(model.encoder.config)}
    (target / "vae.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def main() -> None:
    with runner.stage("vmf_vae") as job:
        settings, tokenizer = job.section(VmfVae), Tokenizer(DATA / "tokenizer")
        sets = {split: Sentences(split, tokenizer, settings.longest) for split in ("train", "dev")}
        dev = sets["dev"].batches(settings.rows, 1024)
        latent = rule(len(sets["train"].rows)) if settings.latent == "rule" else settings.latent
        shape = Shape(
            kind="vmf",
            latent=latent,
            kappa=settings.kappa,
            decoder_layers=settings.decoder_layers,
            decoder_width=settings.decoder_width,
            word_dropout=settings.word_dropout,
        )
        shapes = [shape, replace(shape, kind="gaussian")] if settings.gaussian else [shape]
        curves: History = []
        shown: dict[str, Any] = {}
        for each in shapes:
            model, history = train(each, settings, job, sets["train"], dev)
            curves += [{"gaussian": float(each.kind == "gaussian"), **row} for row in history]
            job.report({each.kind: {**vae.measure(model, dev), "kl_closed_form": closed_form_kl(model, dev)}})
            shown[each.kind] = examples(model, tokenizer, sets["dev"])
            if each.kind == "vmf":
                save(model, TARGET)
        job.curve(curves)
        job.examples(shown)
        job.report({"latent": latent, "kappa": settings.kappa, "sentences": len(sets["train"].rows)})


if __name__ == "__main__":
    main()
