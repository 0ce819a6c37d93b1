"""What is refused, in words for both readers: the one rule by which pages and the API say it."""

from __future__ import annotations


class RefusalError(ValueError):
    """It can't be done like this; no retry helps.

    Args:
        message: What is wrong, in English.
        zh: The same in Chinese, for duty staff. It has no default: the type checker finds a
            refusal that half of the readers can't read.
    """

    def __init__(self, message: str, zh: str) -> None:
        super().__init__(message)
        self._zh = zh

    def in_language(self, language: str) -> str:
        """Return what is wrong in *language* ("zh" or "en")."""
        return self._zh if language == "zh" else str(self)


def told(error: BaseException, language: str) -> str:
    """Return what an error says to a reader of *language*, as far as it speaks that language."""
    return error.in_language(language) if isinstance(error, RefusalError) else str(error)


def asked_language(accepted: str) -> str:
    """Return the language of a refusal over HTTP: Chinese if `Accept-Language` names it first.

    >>> asked_language("zh-CN,zh;q=0.9,en;q=0.8"), asked_language("en-GB, zh"), asked_language("")
    ('zh', 'en', 'en')
    """
    return "zh" if accepted.strip().lower().startswith("zh") else "en"
