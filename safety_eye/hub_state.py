"""The state of alerts that a hub keeps, for commands that look into it beside the hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.community import Community
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.hub import HubConfig, load_hub

if TYPE_CHECKING:
    from alerts.database import Database

# SQLite, in the state directory of a hub without `state_url`.
_FILE = "alerts.db"


class StateError(Exception):
    """The state can't be used; the text says why."""


def state_url(config: HubConfig, state: Path) -> str:
    """Return the SQLAlchemy URL of the state of alerts."""
    return config.state_url or f"sqlite:///{state / _FILE}"


def existing_state(config: HubConfig, state: Path) -> Database:
    """Open the state of alerts; one that isn't there is not made.

    Raises:
        StateError: It isn't there, or can't be used.
    """
    from alerts.database import DatabaseError, open_database  # noqa: PLC0415  # slow imports

    if not config.state_url and not (state / _FILE).is_file():
        raise StateError(
            f"{state / _FILE}: there is no state of alerts; has the hub run there?"
            " Name its --state directory"
        )
    try:
        return open_database(state_url(config, state))
    except DatabaseError as error:
        raise StateError(str(error)) from error


def open_state(community: Path, hub: Path | None, state: Path) -> tuple[Community, Database]:
    """Return the profile and the state of alerts; a state that isn't there is not made.

    Raises:
        StateError: One of them can't be used.
    """
    try:
        profile, config = load_community(community), load_hub(hub)
    except ConfigurationError as error:
        raise StateError(str(error)) from error
    return profile, existing_state(config, state)
