"""How the alerts of other systems stand, in the database: a restart forgets none.

An older notification never overwrites a newer one: for each alert the newest (start, signature
time, resolved) counts, so that a recorded post that is sent again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, insert, select, update

from alerts.claims import Claim
from alerts.database import Database
from alerts.hooks import HookEntry, HookError, Said
from alerts.standards_tables import hook_alert
from core.clock import Clock

_h = hook_alert.c
_CLAIM = msgspec.json.Decoder(Claim)
# Alerts of one hook that may stand at once; more are a fault over there.
MOST_FIRING = 2_000


class HookStore:
    """Keeps what hooks said. Safe to call from any thread.

    Args:
        database: Open and up to date.
        site: Id of the site.
        hooks: The hooks by name.
        clock: Clock of the run.
    """

    def __init__(
        self, database: Database, site: str, hooks: Mapping[str, HookEntry], clock: Clock
    ) -> None:
        self._database = database
        self._site = site
        self._hooks = hooks
        self._clock = clock

    def take(self, hook: str, said: list[Said], signed_wall_s: int) -> int:
        """Keep what a post said; return how many of its alerts were news or repeated.

        Raises:
            HookError: So many alerts stand already that no more are taken.
        """
        with self._database.write() as connection:
            firing = set(
                connection.execute(
                    select(_h.fingerprint).where(
                        _h.site == self._site, _h.hook == hook, _h.firing == 1
                    )
                ).scalars()
            )
            fresh = {one.fingerprint for one in said if one.firing} - firing
            if fresh and len(firing) + len(fresh) > MOST_FIRING:
                raise HookError(429, f"{len(firing)} alerts of this hook stand; no more are taken")
            return sum(self._keep(connection, hook, one, signed_wall_s) for one in said)

    def claims(self) -> list[Claim]:
        """Return what stands; unknown where it has not been repeated for too long."""
        now = self._clock.now_ms()
        with self._database.read() as connection:
            rows = connection.execute(
                select(_h.hook, _h.heard_at, _h.claim).where(_h.site == self._site, _h.firing == 1)
            ).all()
        found = []
        for row in rows:
            hook = self._hooks.get(row.hook)
            if hook is None:  # switched off in hub.toml: nobody will ever resolve it
                continue
            known = now - row.heard_at < hook.stale_s * 1000
            found.append(msgspec.structs.replace(_CLAIM.decode(row.claim), known=known))
        return found

    def _keep(self, connection: Connection, hook: str, said: Said, signed_wall_s: int) -> bool:
        mine = (_h.site == self._site, _h.hook == hook, _h.fingerprint == said.fingerprint)
        row = connection.execute(
            select(_h.starts_at, _h.signed_wall_s, _h.firing).where(*mine)
        ).first()
        values = {
            "starts_at": said.starts_at,
            "signed_wall_s": signed_wall_s,
            "firing": int(said.firing),
            "heard_at": self._clock.now_ms(),
            "claim": msgspec.json.encode(said.claim).decode(),
        }
        if row is None:
            names = {"site": self._site, "hook": hook, "fingerprint": said.fingerprint}
            connection.execute(insert(hook_alert).values(**names, **values))
            return True
        before = (row.starts_at, row.signed_wall_s, not row.firing)
        if (said.starts_at, signed_wall_s, not said.firing) < before:
            return False
        connection.execute(update(hook_alert).where(*mine).values(**values))
        return True
