"""A person's data over HTTP: handed out and erased, with the token."""

from __future__ import annotations

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, HTTPException, Path, Response

from alerts.access import Access
from alerts.privacy import PersonError, Privacy

_ID = Annotated[str, Path(max_length=40)]


def privacy_router(privacy: Privacy, access: Access) -> APIRouter:
    """Return the routes; reading needs the token, too.

    Args:
        privacy: Who finds and erases.
        access: Who may read and erase.
    """
    router = APIRouter(
        prefix="/api/v1/persons", tags=["privacy"], dependencies=[Depends(access.permit)]
    )

    @router.get("", response_model=None)
    def people() -> Response:
        """Who is in the erasable table."""
        return _json(privacy.people())

    @router.get("/{person}", response_model=None)
    def export(person: _ID) -> Response:
        """Everything that is held about a person (an id of the journal, or of a volunteer)."""
        try:
            return _json(privacy.export(person))
        except PersonError as error:
            raise HTTPException(404, str(error)) from error

    @router.delete("/{person}", response_model=None)
    def erase(person: _ID) -> Response:
        """Erase a person; the answer says what was erased, what remains and why."""
        try:
            return _json(privacy.erase(person))
        except PersonError as error:
            raise HTTPException(404, str(error)) from error

    return router


def _json(body: object) -> Response:
    return Response(
        msgspec.json.encode(body),
        media_type="application/json",
        headers={"cache-control": "no-store"},
    )
