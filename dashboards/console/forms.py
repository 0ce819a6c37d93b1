"""What the console's forms have in common: their fields, who sends them, and whether they may."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request, Response
from starlette.datastructures import FormData

from dashboards.console.guard import refusal
from dashboards.console.site import WHO_COOKIE
from dashboards.console.words import Words

_MONTH_S = 30 * 86_400
# A name of a person; what is longer is a mistake.
_WHO_LENGTH = 60


async def typed_fields(request: Request, most: int) -> dict[str, str]:
    """Return the text fields of a form of *most* fields at most; files are refused."""
    return texts(await request.form(max_files=0, max_fields=most))


def texts(form: FormData) -> dict[str, str]:
    """Return the fields of a form that are no files."""
    return {key: value for key, value in form.items() if isinstance(value, str)}


def objection(
    request: Request, typed: Mapping[str, str], words: Words, *, named: bool = True
) -> tuple[str, int]:
    """Return why a form changes nothing, in words and as a status; ("", 200) if it may.

    Args:
        request: The POST.
        typed: The fields of its form.
        words: The reader's.
        named: Somebody must say who they are.
    """
    refused = refusal(request, typed.get("token", ""))
    if refused is not None:
        return words(refused[1]), refused[0]
    if named and not who(typed):
        return words("refused_who"), 422
    return "", 200


def who(typed: Mapping[str, str]) -> str:
    """Return who a form says does it."""
    chosen = typed.get("who", "").strip()
    return (typed.get("other", "").strip() if chosen in ("", "other") else chosen)[:_WHO_LENGTH]


def remembered(typed: Mapping[str, str], response: Response) -> Response:
    """Remember in this browser who sits here, where a contact was chosen."""
    chosen = typed.get("who", "").strip()[:_WHO_LENGTH]
    if chosen not in ("", "other"):
        response.set_cookie(WHO_COOKIE, chosen, max_age=_MONTH_S, samesite="strict", httponly=True)
    return response
