"""What is never reported of anybody, whichever model sees it: age, sex, ethnicity, religion,
health, emotion. Labels of published models are full of it."""

from __future__ import annotations

import re

#: Words by which a label says who somebody is, not what they wear.
PERSONAL = frozenset(
    [
        *("age", "aged", "young", "youth", "adult", "child", "children", "kid", "kids", "baby"),
        *("babies", "infant", "toddler", "teen", "teenager", "teenagers", "elderly", "pensioner"),
        *("sex", "gender", "male", "female", "man", "men", "woman", "women", "boy", "boys"),
        *("girl", "girls", "lady", "ladies", "gentleman", "guy", "transgender", "mother", "father"),
        *("mom", "dad", "parent", "parents", "son", "daughter", "brother", "sister", "husband"),
        *("wife", "grandfather", "grandmother", "grandparent", "bride", "groom", "widow"),
        *("ethnicity", "ethnic", "racial", "asian", "african", "european", "caucasian", "latino"),
        *("latina", "hispanic", "arab", "indian", "complexion", "nationality"),
        *("religion", "religious", "hijab", "niqab", "burqa", "burka", "chador", "abaya", "kippa"),
        *("kippah", "yarmulke", "turban", "dastar", "cassock", "veil", "tichel", "bindi"),
        *("crucifix", "rosary", "muslim", "christian", "jew", "jewish", "hindu", "buddhist"),
        *("sikh", "catholic", "nun", "monk", "priest", "pope", "rabbi", "imam", "bishop", "pastor"),
        *("pregnant", "pregnancy", "disabled", "disability", "wheelchair", "blind", "patient"),
        *("emotion", "happy", "sad", "angry", "smile", "smiling", "cry", "crying", "laugh"),
        *("laughing",),
    ]
)


def is_personal(label: str) -> bool:
    """Whether a label says who somebody is."""
    return not PERSONAL.isdisjoint(re.findall(r"[a-z]+", label.lower()))
