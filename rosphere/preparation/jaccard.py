"""How much two sentences have in common, by the characters they are written with."""

from __future__ import annotations

from rosphere.text.cleaning import letters


def counted(text: str) -> str:
    """The letters that count: emoji only where there is nothing else."""
    return letters(text, pictures=False) or letters(text)


def grams(text: str, n: int) -> frozenset[str]:
    """The set of character n-grams of the text's letters; empty where there are fewer than n letters."""
    kept = counted(text)
    return frozenset(kept) if n == 1 else frozenset(kept[at : at + n] for at in range(len(kept) - n + 1))


def jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    """J(A, B) = |A ∩ B| / |A ∪ B|, and 0 where both are empty.

    With A = grams(a, 1) this is the similarity by which pairs are mined (a variant of it is what kexue.fm/archives/8454
    used; its formula was not published): every distinct letter, digit or sign that tells texts apart (cleaning.letters)
    counts once; order, repetition, case, blanks and other punctuation do not. With A = grams(a, 2) order counts too.
    """
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared) if shared else 0.0
