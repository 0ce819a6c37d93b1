"""Who is named in the journal where nobody says it."""

from __future__ import annotations

import os
import pwd

import pytest

from safety_eye.account import account


def test_an_account_without_a_name_is_known_by_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    known = {entry.pw_uid for entry in pwd.getpwall()}
    nobody = next(uid for uid in range(50_000, 60_000) if uid not in known)
    monkeypatch.setattr(os, "getuid", lambda: nobody)

    assert account() == f"uid {nobody}"
