"""Texts that the page did not write: what stages left in reports, and what other rooms call things.

Those that are known stand here, so that a catalogue can have them; they are translated where they are shown.
"""

from __future__ import annotations

import re
from functools import cache
from string import Formatter

from pipeline.report.language import N_, _

KNOWN = (
    # rows of evaluate_similarity
    N_("as trained"),
    N_("teacher"),
    N_("static"),
    N_("untrained [CLS]"),
    N_("untrained mean"),
    N_("untrained, mean"),
    N_("random token vectors"),
    N_("without its lexical half"),
    N_("its lexical half alone"),
    N_("pooler"),
    N_("mean of the last layer"),
    N_("mean of the first and last layers"),
    N_("TF-IDF fitted on the measured sentences"),
    # metrics and baselines of tasks
    N_("accuracy"),
    N_("TF-IDF + logistic regression"),
    N_("lexicon"),
    N_("nearest choice by TF-IDF"),
    N_("nearest clause by TF-IDF"),
    N_("no character stands in any text"),
    # why a stage trained in the precision it did
    N_("as requested"),
    N_("no bf16 matrix unit"),
    N_("GPU with bf16"),
    N_("CPU with AMX"),
    # who published what
    N_("human"),
    N_("CLUE's README"),
    N_("CLUE's human baseline, quoted from memory"),
    N_("kexue.fm/archives/8764 and the README of GAU-alpha; single runs"),
    # titles of links
    N_("all pipelines, the latest first"),
    N_("their metrics beside one another"),
)
PATTERNS = (
    N_("{encoder} whitened to {dimensions}"),
    N_("{encoder} whitened"),
    N_("majority, for {baseline}: {reason}"),
    N_("all training rows have the label {label}"),
    N_("no character stands in {count} of the texts"),
    N_("width {width}: bf16 pays from {least} on"),
    N_("{unit}, width {width}"),
)
# What the names of counts in reports/prepare.json are made of, besides names of sets.
WORDS = (
    N_("across split"),
    N_("answers"),
    N_("below positive from"),
    N_("changed"),
    N_("cut"),
    N_("dev"),
    N_("documents"),
    N_("dropped"),
    N_("duplicate"),
    N_("empty"),
    N_("found"),
    N_("general"),
    N_("gold"),
    N_("graded"),
    N_("group"),
    N_("groups"),
    N_("held out"),
    N_("identical"),
    N_("in earlier group"),
    N_("inside group"),
    N_("judged unlike"),
    N_("kept"),
    N_("labelled"),
    N_("limit"),
    N_("long"),
    N_("merged"),
    N_("mined"),
    N_("near"),
    N_("negatives"),
    N_("neutral"),
    N_("overlap"),
    N_("pairs"),
    N_("passage"),
    N_("positives"),
    N_("question"),
    N_("read"),
    N_("repeated"),
    N_("sentences"),
    N_("share"),
    N_("shared"),
    N_("short"),
    N_("single"),
    N_("task"),
    N_("test"),
    N_("text"),
    N_("tokens"),
    N_("train"),
    N_("unknown"),
    N_("unlabelled"),
    N_("unlike"),
)
WORD = re.compile("(?<![a-z])({})(?![a-z])".format("|".join(word.replace(" ", "[ _]") for word in WORDS)))
BETWEEN = re.compile(r"(?<=[\u4e00-\u9fff])[ _-](?=[\u4e00-\u9fff])")


def known(text: str) -> str:
    """A text as another room wrote it: known as a whole, or by its pattern, whose parts may be known; else as it is."""
    whole = _(text)
    if whole != text:
        return whole
    for pattern in PATTERNS:
        if found := _expression(pattern).fullmatch(text):
            return _(pattern).format_map({name: known(part) for name, part in found.groupdict().items()})
    return text


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = ((re.escape(text), f"(?P<{name}>.+)" if name else "") for text, name, *_ in Formatter().parse(pattern))
    return re.compile("".join(part for both in parts for part in both))


def in_words(name: str) -> str:
    """The name of a count or a split, word by word; between Chinese words nothing stands."""
    return BETWEEN.sub("", WORD.sub(lambda found: _(found[0].replace("_", " ")), name))
