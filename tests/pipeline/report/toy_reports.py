"""A small folder of reports as the stages write them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.report import writing
from pipeline.report.run_data import RunData
from pipeline.workspace import declaration, paths

TASKS = ["sentiment", "cluener"]
VARIANTS = ["vmf", "gaussian"]
ENCODERS = ["roformer_sim", "teacher", "untrained [CLS]", "untrained mean", "TF-IDF", "static"]
RUN = "0123456789abcdef"
DECLARED = declaration.read(Path(__file__).resolve().parents[3] / "stages")


def put(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False), encoding="utf-8")


def run_data(folder: Path, tasks: Sequence[str] = TASKS, variants: Sequence[str] = VARIANTS) -> RunData:
    """What the project's own stages declare, over a folder of reports."""
    return RunData(folder=folder, declared=DECLARED, items={"tasks": tasks, "vmf_vae.variants": variants})


def report(name: str) -> str:
    """The name of a stage's report in the folder."""
    return str(paths.report(name).relative_to(paths.REPORTS))


def measures(kl: float) -> dict[str, float]:
    return {key: kl + place for place, key in enumerate(each.key for each in DECLARED["evaluate_vae"].metrics)} | {
        "kl": kl,
        "kl_closed_form": kl + 0.001,
    }


def trained(loss: float, flops: float) -> dict[str, float]:
    counts = {"steps": 100, "tokens": 102_400, "flops": flops, "parameters": 4000}
    return {"dev_loss": loss, "dev_accuracy": 0.25, "dev_loss_at_start": 5.0, **counts}


def analysed(name: str) -> dict[str, Any]:
    metric, size = ("accuracy", 2) if name == "sentiment" else ("f1", 20)
    label = {"name": {"甲<i>": [[0, 3]]}} if name == "cluener" else "0"
    return {
        "confusion": [[f"{n:02}", f"{n + shift:02}", size - n] for n in range(size) for shift in (0, 1)],
        "classes": [{"label": "00", "precision": 0.5, "recall": 0.25, "f1": 1 / 3, "gold": 7}],
        "lengths": [
            {"from": 0, "to": 16, "rows": 30, metric: 0.75},
            {"from": 1024, "to": None, "rows": 20, metric: 0.5},
        ],
        "wrong_rows": 9,
        "wrong": [{"row": 4, "texts": ["长" * 500, "错<u>"], "gold": label, "prediction": "1"}],
    }


def write(folder: Path) -> RunData:
    table = {
        name: {
            **dict.fromkeys((each.key for each in DECLARED["evaluate_similarity"].listed), 0.5),
            "recall_at_1": 0.1 * n,
        }
        for n, name in enumerate(ENCODERS, 1)
    }
    vmf = {
        "reconstructions": [{"input": "甲<b>", "output": "甲&"}, {"input": "乙", "output": ""}],
        "interpolation": ["从甲", "到乙"],
        "samples": ["样本", ""],
        "neighbours": [{"input": "甲", "output": ["乙", "丙"]}],
    }
    reports = {
        "prepare": {
            "source": {"documents": "x"},
            "text": {"read": 12, "dropped_short": 3},
            "vocabulary": 77,
            "corpus": {"train": {"documents": 9, "tokens": 99}},
            "pairs": {"gold_pairs": 4},
            "tasks": {"sentiment": {"train": 8, "train_dropped_overlap": 2}},
            "held_out": {
                "text": {"read": 12, "dropped": 2, "cut": 1, "found": {"dev_groups": {"exact": 2}}},
                "mined_pairs": {"read": 0, "dropped": 0, "found": {}},
                "labelled_pairs": {"read": 9, "dropped": 3, "found": {"graded_sts_test": {"exact": 1, "near": 2}}},
            },
        },
        "dimension": {
            "vocabulary": 77,
            "embedding_rule": 30,
            "embedding_log_formula": 36.2,
            "embedding_size": 32,
            "sequence": 128,
            "head_rule": 33,
            "head_log_formula": 40.4,
            "head_size": 64,
            "measured_sequence": 64,
            "measured_head_rule": 35,
            "best_head_size": 32.0,
            "head_loss_spread": 0.25,
            "knees": {"50": {"rule": 30, "knee": 32.0}, "1077": {"rule": 58, "knee": 8.0}},
        },
        "pretrain": trained(5.0, 4e12),
        "widen": {
            "max_logit_gap": {"float64": 1.2e-14, "float32": 3.5e-6},
            "logit_std": 1.5,
            "copies_distance": 0.25,
            "parameters": {"before": 1000, "after": 4000},
            "flops_per_token": {"before": 10, "after": 40},
        },
        "pretrain_wide": trained(3.5, 10e12),
        "pretrain_longer": trained(4.25, 10e12),
        "pretrain_scratch": trained(4.0, 10e12),
        "simbert": {},
        "roformer_sim": {"dev_lm": 4.5},
        "static": {"sentences": 100, "pieces": 50, "variance_kept": 0.9},
        "evaluate_similarity": {
            **table["roformer_sim"],
            "table": table,
            "graded": {
                "stsb test": {"pooler": {"none": 0.6, "whitened": 0.5}, "TF-IDF": {"none": 0.55}},
                "mine dev": {"pooler": {"none": 0.4, "whitened": 0.3}, "TF-IDF": {"none": 0.2}},
            },
            "negation": {"paraphrase_nearer": 0.75, "paraphrase_cosine": 0.9, "negation_cosine": 0.8},
        },
        "evaluate_paraphrases": {
            **{each.key: 0.25 for each in DECLARED["evaluate_paraphrases"].metrics if "." not in each.key},
            "writing": {row: {each.key: 0.5 for each in writing.MEASURES} for row in writing.ROWS},
            "judge": {"tokens": 163570, "order": 5, "relevance": "TF-IDF"},
        },
        "vmf_vae/vmf": {},
        "vmf_vae/gaussian": {},
        "evaluate_vae/vmf": measures(7.0),
        "evaluate_vae/gaussian": measures(0.5),
    }
    for name, value in reports.items():
        put(folder / f"{name}.json", value)
    for name, score in zip(TASKS, (0.9, 0.3), strict=True):
        put(
            folder / "tasks" / f"{name}.json",
            {
                "metric": "accuracy" if name == "sentiment" else "f1",
                "score": score,
                "majority": 0.4,
                "baseline": 0.5,
                "baseline_name": "TF-IDF",
                "train_rows": 200,
                "dev_rows": 50,
                "clue": name == "cluener",
            },
        )
        put(folder / "predictions" / name / "analysis.json", analysed(name))
    put(folder / "examples" / "evaluate_vae-vmf.json", vmf)
    near = [{"input": "怎么退货", "nearest": ["如何退货", "退货流程"]}]
    put(folder / "examples" / "evaluate_similarity.json", {"neighbours": near})
    written = [{"input": "怎么退货", "output": [], "people": ["如何退货"], "nearest": ["怎么换货"], "freely": []}]
    put(folder / "examples" / "evaluate_paraphrases.json", {"paraphrases": written})
    spent = {"seconds": 60.0, "steps_per_second": 2.5, "peak_memory_mib": 1234.5}
    in_fp32 = {"precision": "fp32", "precision_reason": "no bf16 matrix unit"}
    for name in run_data(folder).stages:
        put(
            folder / "speed" / f"{name.replace('@', '-')}.json",
            {**spent, **(in_fp32 if name == "pretrain" else {}), "run": RUN},
        )
    put(folder / "speed" / "prepare.json", {"seconds": 12.25, "peak_memory_mib": 99.6, "run": RUN})
    for name, losses in (
        ("pretrain", (7.0, 5.0)),
        ("pretrain_wide", (5.0, 3.0)),
        ("pretrain_longer", (5.0, 4.25)),
        ("pretrain_scratch", (7.0, 4.0)),
    ):
        start = 4e12 if name in ("pretrain_wide", "pretrain_longer") else 0.0
        lines = [f"0,{start},7.5,{losses[0]}", f"50,{start + 1e12},7.0,", f"100,{start + 4e12},6.0,{losses[1]}"]
        put(folder / "curves" / f"{name}.csv", "\n".join(["step,flops,loss,dev_loss", *lines]) + "\n")
    measured = ["50,8,5,5.5,,", "50,32,4,4.5,,", "1077,8,5,6.5,,", "1077,32,4,7.0,,", ",,,,16,5.25", ",,,,32,5.0"]
    head = "vocabulary,dimension,train_loss,dev_loss,head_size,head_dev_loss"
    put(folder / "curves" / "static.csv", "step,residual\n1,0.5\n2,0.1\n")
    put(folder / "curves" / "dimension.csv", "\n".join([head, *measured]) + "\n")
    for name in ("simbert", "roformer_sim", *(f"evaluate-{task}" for task in TASKS)):
        columns = "step,dev_contrastive,spearman,dev_lm,distillation,loss"
        put(folder / "curves" / f"{name}.csv", f"{columns}\n0,0.1,0.2,5.0,,\n10,,,,0.5,3.0\n20,0.2,0.3,4.0,0.4,2.0\n")
    head = "step,kl,reconstruction\n"
    put(folder / "curves" / "vmf_vae-vmf.csv", head + "1,7,20\n2,,\n3,7,18\n")
    put(folder / "curves" / "vmf_vae-gaussian.csv", head + "1,3,20\n2,0.5,19\n")
    return run_data(folder)
