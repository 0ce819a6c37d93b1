"""How much of a text was copied from another. Pure.

Containment of character shingles: A. Z. Broder, "On the resemblance and containment of documents",
1997. Characters rather than words, because Chinese has no blanks; runs of two for Chinese, where
one character is a syllable with a meaning, of four for Latin letters. Before that a text loses what
a copyist changes first: width, case, blanks and punctuation.
"""

from __future__ import annotations

import unicodedata

# Share of a text's shingles from which it counts as copied. Our choice: a template with the name of
# a place filled in stays above it; what is written for a place shares less than a third (a test
# keeps the shipped sample below that).
COPIED = 0.6
# Below so many shingles a likeness means nothing: "call 119" is the same everywhere, and right.
_TOO_SHORT = 5


def normalised(text: str) -> str:
    """Return what counts of a text.

    >>> normalised("立即拨打 １１９，报警！Call 119.")
    '立即拨打119报警call119'
    """
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(sign for sign in plain if unicodedata.category(sign)[0] in "LN")


def shingles(text: str) -> frozenset[str]:
    """Return the shingles of a text."""
    plain = normalised(text)
    chinese = sum("一" <= sign <= "鿿" for sign in plain)
    length = 2 if chinese * 2 > len(plain) else 4
    return frozenset(plain[place : place + length] for place in range(len(plain) - length + 1))


def copied_share(text: str, original: str) -> float:
    """Return how much of *text* stands in *original*, 0 to 1.

    >>> round(copied_share("立即组织 3 号楼地下空间人员转移", "立即组织地下空间人员转移。"), 2)
    0.71
    >>> copied_share("看门", "看门")  # too short to say anything
    0.0
    """
    own = shingles(text)
    if len(own) < _TOO_SHORT:
        return 0.0
    return len(own & shingles(original)) / len(own)
