"""`safety-eye channel`: which ways to people there are, and whether one works, before the night."""

from __future__ import annotations

import threading
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.clock import RunClock
from core.community_file import load_community
from core.configuration import ConfigurationError
from safety_eye.account import account
from safety_eye.hub import load_hub
from safety_eye.options import CommunityOption
from safety_eye.output import refuse, tell

if TYPE_CHECKING:
    from alerts.channels.base import Channel, Outcome
    from alerts.notification import Notification
    from alerts.reply_code import Said
    from core.community import Community

channel_app = typer.Typer(help="The ways to reach people: list them, try one.")

HubOption = Annotated[Path, typer.Option("--hub", help="hub.toml with the channels.")]
# A modem needs so long to find its network after it was opened, wall seconds.
_READY_S = 45.0


class Reports:
    """Takes what comes back later, for people who watch (`alerts.channels.base.Answers`)."""

    def __init__(self) -> None:
        self.said = ""
        self.heard = threading.Event()

    def code(self, note: Notification, channel: str, *, digits: int = 4) -> str:
        """Return no code: a test is taken over by nobody."""
        del note, channel, digits
        return ""

    def take(
        self, channel: str, contacts: Collection[str], code: str, how: str
    ) -> tuple[Said, int]:
        """Take nothing over."""
        from alerts.reply_code import Said  # noqa: PLC0415  # slow imports

        del channel, contacts, code, how
        return Said.WRONG, 0

    def exercise(self, incident: int) -> bool:
        """Never: a test belongs to no incident."""
        del incident
        return False

    def delivered(self, notification: str, detail: str) -> None:
        """It has arrived."""
        del notification
        self.said = detail
        self.heard.set()

    def undelivered(self, notification: str, detail: str) -> None:
        """It has not arrived."""
        del notification
        self.said = f"NOT delivered: {detail}"
        self.heard.set()

    def health(self, channel: str, outcome: Outcome) -> None:
        """Nothing: the outcome of the test says it."""


@channel_app.command("list")
def list_channels(
    hub: HubOption = Path("hub.toml"), community: CommunityOption = Path("community.toml")
) -> None:
    """List the channels, who is reached over each, and which addresses can't be."""
    from alerts.channels import unusable  # noqa: PLC0415  # slow imports
    from alerts.routing import channel_name  # noqa: PLC0415

    profile, channels = _open(hub, community)
    kinds = {entry.name: entry.kind for entry in load_hub(hub).channel}
    for name, channel in channels.items():
        people = [
            contact.id
            for contact in profile.contact
            if name in {channel_name(own) for own in contact.channels}
        ]
        tell(f"{name:<16} {kinds[name]:<14} {', '.join(people) or 'nobody'}")
        channel.close()
    for problem in unusable(channels, profile.contact):
        tell(f"advice: {problem}")


@channel_app.command("test")
def try_channel(
    name: Annotated[str, typer.Argument(help="Name of the channel.")],
    contact: Annotated[str, typer.Argument(help="Id of the contact who gets the test.")],
    hub: HubOption = Path("hub.toml"),
    community: CommunityOption = Path("community.toml"),
    by: Annotated[
        str, typer.Option(help="Who tries it, for the text; by default this account.")
    ] = "",
    wait_s: Annotated[
        float, typer.Option("--wait", help="Seconds to wait for a delivery report.", min=0, max=600)
    ] = 0.0,
) -> None:
    """Send one test message; 1 if it was not accepted, or is known not to have arrived.

    A modem can be opened by one program: stop the hub first. Sirens make no noise and telephones
    do not ring for a test.
    """
    from alerts.channels.base import OutcomeKind  # noqa: PLC0415  # slow imports

    profile, channels = _open(hub, community)
    if name not in channels or contact not in {one.id for one in profile.contact}:
        known = ", ".join(channels) or "none"
        raise refuse(f"channel {name!r} or contact {contact!r} is unknown; channels: {known}")
    outcome, later = _try(channels[name], contact, profile, wait_s, by or account())
    tell(f"{outcome.kind}: {outcome.vendor_code} {outcome.detail}".strip())
    if later:
        tell(later)
    for channel in channels.values():
        channel.close()
    well = outcome.kind is OutcomeKind.ACCEPTED and not later.startswith("NOT")
    raise typer.Exit(0 if well else 1)


def _try(
    channel: Channel, contact: str, profile: Community, wait_s: float, by: str
) -> tuple[Outcome, str]:
    from alerts.channels.base import Outcome, OutcomeKind  # noqa: PLC0415  # slow imports
    from alerts.channels.sounder import OrdersStations  # noqa: PLC0415
    from alerts.journal import Head  # noqa: PLC0415
    from alerts.selftest import message_of_test  # noqa: PLC0415

    if isinstance(channel, OrdersStations):
        detail = "stations are tried with `safety-eye command STATION test OUTPUT`"
        return Outcome(OutcomeKind.PERMANENT, vendor_code="sounder", detail=detail), ""
    clock, reports = RunClock(), Reports()
    channel.start(reports)
    channel.wait_ready(_READY_S)
    note = message_of_test(profile.site, contact, clock.now_ms(), Head(0, ""), by)
    outcome = channel.send(note, clock.wall_ms() // 1000)
    if outcome.kind is not OutcomeKind.ACCEPTED or not wait_s:
        return outcome, ""
    reports.heard.wait(wait_s)
    return outcome, reports.said or "no report came"


def _open(hub: Path, community: Path) -> tuple[Community, dict[str, Channel]]:
    from alerts.channels import open_channels  # noqa: PLC0415  # slow imports
    from alerts.channels.entry import ChannelError  # noqa: PLC0415

    try:
        profile = load_community(community)
        return profile, open_channels(load_hub(hub).channel, profile.contact)
    except (ConfigurationError, ChannelError) as error:
        raise refuse(error) from error
