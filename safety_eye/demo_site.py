"""The files of the demo's site: the very ones that a real hub and real stations would have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec

from alerts.channels.entry import ChannelEntry
from alerts.database import open_database
from alerts.ladder import DEFAULTS, Step
from alerts.register_file import Registers, load_registers
from alerts.register_store import RegisterStore
from alerts.response import Response, within_zones
from alerts.response_file import FILE
from alerts.routing import PUBLIC
from core.broker import BrokerAddress
from core.clock import RunClock
from core.community import Community
from core.community_file import load_community
from core.grade import Grade
from edge.configuration import PortEntry, StationConfig, StationEntry
from edge.simulator import PortPlan, ports_of
from safety_eye.house import House
from safety_eye.hub import HubConfig, load_hub
from safety_eye.hub_state import state_url
from safety_eye.profile_text import to_toml
from safety_eye.siren import NO_SIREN, siren_of

SAMPLE = Path(__file__).parent / "sample" / "community.toml"


# The usual ladder of red, and residents are told with it: not waking the house is a choice that a
# place may make, but no example to follow.
RED = msgspec.structs.replace(
    DEFAULTS[Grade.RED],
    step=tuple(
        sorted((*DEFAULTS[Grade.RED].step, Step(0.0, PUBLIC)), key=lambda step: step.after_s)
    ),
)
# Whom the contacts of the sample are told by; residents read apart from the duty.
_CHANNELS = ("duty-webhook", "residents-webhook")


def webhook_channels(state: Path, url: str, secret: str) -> tuple[ChannelEntry, ...]:
    """Return channels to a receiver on this machine; their secret goes into a file of *state*."""
    secret_file = state / "webhook.secret"
    secret_file.touch(mode=0o600)
    secret_file.write_text(secret)
    return tuple(
        ChannelEntry(
            name=name,
            kind="webhook",
            url=url,
            secret_file=str(secret_file),
            allow_private=True,
        )
        for name in _CHANNELS
    )


def write_hub(
    state: Path, community: Community, response: Response, config: HubConfig, clock: RunClock
) -> House:
    """Write community.toml, response.toml and hub.toml into *state*; return the house they make."""
    profile, hub = state / "community.toml", state / "hub.toml"
    profile.write_text(to_toml(community), encoding="utf-8")
    hub.write_text(to_toml(config), encoding="utf-8")
    plans = within_zones(response, frozenset(zone.id for zone in community.zone))
    (state / FILE).write_text(to_toml(plans), encoding="utf-8")
    return House(profile, hub, load_hub(hub), state, clock)


def register_people(house: House, file: Path) -> None:
    """Take the volunteers of the sample into the register, as `safety-eye people import` does."""
    community = load_community(house.community)
    zones = {zone.id for zone in community.zone}
    given = load_registers(file, load_community(file.with_name("community.toml")))
    here = tuple(one for one in given.volunteer if not one.zones or zones & set(one.zones))
    database = open_database(state_url(house.config, house.state))
    try:
        RegisterStore(database, community.site.id).take(Registers(volunteer=here))
    finally:
        database.close()


def write_stations(
    house: House, community: Community, relays: Mapping[str, int]
) -> dict[str, Path]:
    """Write one station.toml each, as an installer would; return them by station.

    Args:
        house: The run.
        community: Which sensors hang on which station.
        relays: Port of the broker's relay for stations whose uplink will be cut.
    """
    plans = ports_of(community)
    files = {}
    for station in community.stations:
        own = [plan for plan in plans if plan.station == station]
        config = _station(house, community, station, own, relays)
        files[station] = house.state / "stations" / station / "station.toml"
        files[station].parent.mkdir(parents=True, exist_ok=True)
        files[station].write_text(to_toml(config), encoding="utf-8")
    return files


def _station(
    house: House,
    community: Community,
    station: str,
    plans: list[PortPlan],
    relays: Mapping[str, int],
) -> StationConfig:
    sensors = tuple(entry for entry in community.sensor if entry.station == station)
    zones = {entry.zone for entry in sensors}
    # A station whose cable will be cut shows what it does then.
    alone = siren_of(community, sensors, house.clock) if station in relays else NO_SIREN
    return StationConfig(
        station=StationEntry(id=station, site=community.site.id, clock="trusted"),
        broker=BrokerAddress(port=relays.get(station, house.broker.port)),
        port=tuple(
            PortEntry(id=plan.port, path=str(house.state / "ports" / plan.link), baud=plan.baud)
            for plan in plans
        ),
        sensor=sensors,
        limit=tuple(entry for entry in community.limit if entry.zone in zones),
        mandate=alone.mandate,
        output=alone.outputs,
        act=alone.acts,
    )
