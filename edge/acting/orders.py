"""Commands of the hub: is this one ours, fresh, and new? Pure but for the key's own arithmetic.

Replay is impossible because a nonce is accepted once, and the accepted ones are kept on disk for
longer than any command lives. Freshness comes from the expiry, or, while the station's clock is not
trusted or what it has kept is lost, from the boot id: a command that names this very boot was made
after it began.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from core.command import LONGEST_LIFE_MS, Command, CommandError, open_command

# How far the clocks of hub and station may differ (interfaces: five minutes ahead are refused).
SKEW_MS = 300_000


class Moment(NamedTuple):
    """When and where a command is judged.

    Attributes:
        now_ms: Run time.
        sync: Is the clock trusted?
        boot: Boot of this program.
        remembers: Are the nonces of earlier boots known?
    """

    now_ms: int
    sync: bool
    boot: str
    remembers: bool = True


def accept(
    payload: bytes, topic: str, key: bytes, moment: Moment, seen: Collection[str]
) -> tuple[Command, str]:
    """Return the command, and why it must not be carried out ("" if it may).

    Raises:
        CommandError: It is not signed with our key for our topic: not a word is answered.
    """
    command = open_command(payload, topic, key)
    if command.nonce in seen:
        raise CommandError("command: came before, and is carried out once")
    return command, _stale(command, moment)


def _stale(command: Command, moment: Moment) -> str:
    if not 0 < command.expires - command.issued <= LONGEST_LIFE_MS:
        return f"it lives longer than {LONGEST_LIFE_MS // 60_000} min, or not at all"
    if command.boot != moment.boot and not (moment.sync and moment.remembers):
        lost = "clock is not set" if not moment.sync else "list of earlier commands is lost"
        return f"the station's {lost}, and the command was not meant for this start of it"
    if not moment.sync:
        return ""
    if moment.now_ms > command.expires:
        return "it has expired"
    if command.issued > moment.now_ms + SKEW_MS:
        return "it is from the future: the clocks of hub and station differ"
    return ""
