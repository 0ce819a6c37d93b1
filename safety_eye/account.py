"""Who gives an order at this machine, for the journal, where nobody says it."""

from __future__ import annotations

import getpass
import os


def account() -> str:
    """Return the name of this account; its number where it has none, as in some containers."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # as Python before and from 3.13 says it
        return f"uid {os.getuid()}"
