"""How people are reached, as hub.toml says it: ladders, digest, quiet hours, self-test."""

from __future__ import annotations

import datetime as dt

import msgspec

from alerts import ladder
from alerts.ladder import Ladder
from core.grade import Grade


class DigestEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[digest]`: what happens to blue and yellow when it becomes too much. Never orange or red.

    Attributes:
        after: More messages of low grade than this to one contact within `window_s` wait for a
            digest. Ten in ten minutes is where EEMUA 191 begins to speak of an alarm flood
            (channels reference 3.4).
        window_s: Run seconds.
        yellow: False lets every yellow one through and holds blue only.
    """

    after: int = 10
    window_s: float = 600.0
    yellow: bool = True


class QuietEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[quiet]`: what a contact's quiet hours hold until the morning.

    Attributes:
        hold: Worst grade that is held: blue, yellow or orange. Red always passes.
    """

    hold: str = "yellow"


class WatchdogEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[watchdog]`: somebody elsewhere who notices when this program stops.

    Attributes:
        url_file: File with the https address to call (healthchecks.io or any like it): whoever
            knows the address can keep it quiet, so it is a secret. Empty: no watchdog.
        every_s: Wall seconds between two calls.
        allow_private: True allows http and an address on the premises.
        method: `post`, or `get` where the service needs it (Uptime Kuma's push monitor).
    """

    url_file: str = ""
    every_s: float = 60.0
    allow_private: bool = False
    method: str = "post"


class SelfTestEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[selftest]`: each channel sends a test once a day; it must come back accepted.

    Attributes:
        at: Local time of the site, `HH:MM`; empty switches it off. Away from :00 and :30, when
            vendors are busiest (channels reference 1.5).
        channels: Names of those that are tested; empty for all of them.
    """

    at: str = "10:07"
    channels: tuple[str, ...] = ()

    @property
    def time(self) -> dt.time | None:
        """The time of the day, None if it is switched off."""
        return dt.time.fromisoformat(self.at) if self.at else None


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of hub.toml that says how people are reached."""

    escalation: tuple[Ladder, ...] = ()
    digest: DigestEntry = DigestEntry()
    quiet: QuietEntry = QuietEntry()
    watchdog: WatchdogEntry = WatchdogEntry()
    selftest: SelfTestEntry = SelfTestEntry(at="")

    @property
    def hold(self) -> Grade:
        """Worst grade that quiet hours hold."""
        return Grade[self.quiet.hold.upper()]


def problems(delivery: Delivery) -> list[str]:
    """Return what is wrong, in words; empty if nothing is."""
    found = ladder.problems(delivery.escalation)
    if delivery.quiet.hold not in ("blue", "yellow", "orange"):
        found.append(f"quiet.hold {delivery.quiet.hold!r}: expected blue, yellow or orange")
    if not 1 <= delivery.digest.after <= 1000:
        found.append(f"digest.after {delivery.digest.after}: expected 1 to 1000")
    if not 60 <= delivery.digest.window_s <= 86_400:
        found.append(f"digest.window_s {delivery.digest.window_s}: expected 60 to 86400 s")
    if not 10 <= delivery.watchdog.every_s <= 3600:
        found.append(f"watchdog.every_s {delivery.watchdog.every_s}: expected 10 to 3600 s")
    if delivery.watchdog.method not in ("get", "post"):
        found.append(f"watchdog.method {delivery.watchdog.method!r}: expected get or post")
    try:
        well = delivery.selftest.time is None or len(delivery.selftest.at) == 5
    except ValueError:
        well = False
    if not well:
        found.append(f"selftest.at {delivery.selftest.at!r}: expected HH:MM, or empty")
    return found
