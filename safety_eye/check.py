"""`safety-eye check FILE`: reads a configuration file and says what it means, before the night."""

from __future__ import annotations

import datetime as dt
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

from alerts.applying import file_version
from alerts.channels import open_channels
from alerts.channels.entry import ChannelError
from alerts.hooks import hook_problems, hook_secret
from alerts.ladder import FOREVER, ladders
from alerts.response_file import load_response
from alerts.retention import retention_problems
from alerts.routing import PUBLIC
from alerts.standards import standards_problems
from alerts.watchdog import Watchdog
from core.clock import RunClock
from core.community import Community, LimitEntry
from core.community_file import load_community
from core.configuration import ConfigurationError
from core.grade import WARNING_GRADES, Grade
from core.limits import LimitRule
from core.quantity import FACTS, Quantity
from edge.configuration import describe_station, load_station
from edge.drivers import DRIVERS
from edge.sensor_words import sensor_advice, sensor_notes
from ingest.history import capabilities_of
from safety_eye.calibration import calibration_advice
from safety_eye.hub import HubConfig, load_hub


def describe(file: Path, today: dt.date | None = None) -> list[str]:
    """Return lines about a community, response, hub or station file.

    Args:
        file: The file.
        today: For what is due; None leaves that out.

    Raises:
        ConfigurationError: The file can't be used; the message says what to mend.
    """
    try:
        keys = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(str(file), f"can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(str(file), f"not TOML: {error}") from error
    if "site" in keys:
        community = load_community(file)
        lines = [*describe_community(community, str(file)), _version_line(file)]
        return lines + [f"  advice: {text}" for text in calibration_advice(community, file, today)]
    if {"plan", "shift", "role"} & keys.keys():
        return [*_response_lines(file), _version_line(file)]
    if "station" in keys:
        return describe_station(load_station(file))
    return _hub_lines(file)


def _version_line(file: Path) -> str:
    return f"  version {file_version(file)} (before and after of a lesson)"


def describe_community(community: Community, file: str) -> list[str]:
    """Return what a profile means: who watches what, and which limits hold.

    Raises:
        ConfigurationError: A sensor names a driver that does not exist.
    """
    counts = {
        "zones": community.zone,
        "sensors": community.sensor,
        "stations": community.stations,
        "contacts": community.contact,
    }
    words = ", ".join(f"{len(entries)} {name}" for name, entries in counts.items())
    lines = [f"{file}: {community.site.name.en or community.site.name.zh}, {words}"]
    for sensor in community.sensor:
        if sensor.driver not in DRIVERS:
            raise ConfigurationError(
                file,
                f"sensor {sensor.id!r}: driver {sensor.driver!r} is not one of "
                f"{', '.join(sorted(DRIVERS))}",
            )
        for quantity in sensor.quantities:
            rules = community.rules_of(sensor, quantity)
            held = "; ".join(_rule_words(rule, FACTS[quantity].unit) for rule in rules)
            lines.append(
                f"  {sensor.id:<12} {sensor.zone:<14} {quantity:<18} {held or 'no limits here'}"
            )
        lines += [f"  {'':<12} {note}" for note in sensor_notes(sensor)]
    lines += _together_lines(community)
    lines += [f"  advice: {text}" for text in _advice(community)]
    return lines


def _together_lines(community: Community) -> list[str]:
    """Return what is judged from several sensors at once."""
    lines = [
        f"  {zone.id:<12} enclosed: who is inside is told from its people-in and people-out"
        for zone in community.zone
        if zone.enclosed
    ]
    return lines + [
        f"  neighbours   {entry.quantity}: {', '.join(entry.sensors)} should agree"
        for entry in community.neighbours
    ]


def _rule_words(rule: LimitRule, unit: str) -> str:
    sign = "≥" if rule.high else "≤"
    steps = [
        f"{grade.word} {sign} {limit:g}"
        for grade in WARNING_GRADES
        if (limit := rule.limit_of(grade)) is not None
    ]
    return f"{', '.join(steps)} {unit}"


def _advice(community: Community) -> list[str]:
    """Return what is allowed but unwise."""
    advice = []
    if not any(contact.channels for contact in community.contact):
        advice.append("no contact has a channel: nobody would be told")
    advice += [text for sensor in community.sensor for text in sensor_advice(sensor)]
    advice += [
        f"zone {zone.id} is enclosed, but no sensor counts {quantity} there"
        for zone in community.zone
        if zone.enclosed
        for quantity in (Quantity.PEOPLE_IN, Quantity.PEOPLE_OUT)
        if not any(quantity in one.quantities for one in community.sensor if one.zone == zone.id)
    ]
    advice += [
        f"limit {_name(limit)} has no local reason: plans are not copied"
        for limit in community.limit
        if not limit.reason
    ]
    advice += [
        f"limit {_name(limit)} was never reviewed"
        for limit in community.limit
        if limit.reviewed is None
    ]
    return advice


def _name(limit: LimitEntry) -> str:
    return f"{limit.zone}/{limit.quantity}"


def check_channels(config: HubConfig, file: str) -> None:
    """Open and close every channel: its secret is there, and its address may be called.

    Raises:
        ConfigurationError: One can't be used.
    """
    try:
        for channel in open_channels(config.channel).values():
            channel.close()
        Watchdog(config.watchdog, RunClock()).close()
    except ChannelError as error:
        raise ConfigurationError(file, str(error)) from error


def check_standards(config: HubConfig, file: str, community: Community | None = None) -> None:
    """Refuse what of CAP, hooks and retention can't be used; reads the secrets of the hooks.

    Args:
        config: The hub's.
        file: Its name, for the message.
        community: For zones; without it they are not looked at.

    Raises:
        ConfigurationError: The message says which.
    """
    if community is not None:
        wrong = standards_problems(config.standards, community)
    else:
        wrong = [problem for hook in config.hook for problem in hook_problems(hook)]
        wrong += retention_problems(config.retention)
    if wrong:
        raise ConfigurationError(file, "; ".join(wrong))
    try:
        for hook in config.hook:
            hook_secret(hook)
    except ChannelError as error:
        raise ConfigurationError(file, str(error)) from error


def _response_lines(file: Path) -> list[str]:
    """Return what a response means; it is checked against the community.toml beside it."""
    community = load_community(file.with_name("community.toml"))
    response = load_response(file, community)
    counts = f"{len(response.plan)} plans, {len(response.shift)} shifts"
    lines = [f"{file}: {counts}, {len(response.supply)} stocks"]
    lines += [
        f"  {plan.id:<24} {plan.hazard:<10} from {plan.grade:<7} "
        f"{plan.zone or 'the whole site':<16} {len(plan.step)} steps"
        for plan in response.plan
    ]
    lines += [f"  advice: nobody owns step {step}: give its role" for step in response.unowned]
    return [*lines, "  safety-eye plan lint says what would fail in the night"]


def _hub_lines(file: Path) -> list[str]:
    config = load_hub(file)
    check_channels(config, str(file))
    check_standards(config, str(file))
    history = config.history.kind if config.history is not None else "sqlite (embedded)"
    return [
        (
            f"{file}: broker {config.broker.kind} at {config.broker.host}:{config.broker.port}, "
            f"history {history}, page {config.http.url}"
        ),
        *(f"  channel {entry.name:<16} {entry.kind}" for entry in config.channel),
        *(f"  {line}" for line in _ladder_lines(config)),
        *(
            f"  hook    {hook.name:<16} {hook.kind} at {config.http.url}/api/v1/hooks/{hook.name}"
            for hook in config.hook
        ),
        *(f"  feed    {feed.url} every {feed.every_s:g} s" for feed in config.upstream.feed),
        *(f"  advice: {text}" for text in config.broker.address.advice),
        *(f"  advice: {text}" for text in _delivery_advice(config)),
        *(f"  advice: {text}" for text in _history_advice(config)),
    ]


def _ladder_lines(config: HubConfig) -> list[str]:
    """Return who is called when, for each grade, worst first."""
    lines = []
    for grade, ladder in sorted(ladders(config.escalation).items(), reverse=True):
        steps = "; ".join(
            f"{step.after_s / 60:g} min {'+'.join((*step.roles, *step.contacts))}"
            f" over {'+'.join(step.channels)}"
            for step in ladder.step
        )
        again = "until taken over" if ladder.repeat == FOREVER else f"{ladder.repeat} times again"
        lines.append(f"escalation {grade.word}: {steps}; {again}")
    return lines


def _history_advice(config: HubConfig) -> list[str]:
    """Return what this kind of history can't do."""
    if config.history is None:
        return []
    kind, can = f"history.kind {config.history.kind}", capabilities_of(config.history.kind)
    advice = []
    if not can.reads:
        advice.append(f"{kind} is written only: charts show live readings, nothing is backtested")
    if not can.reports_refusals:
        advice.append(f"{kind} may drop what it refuses without a word: the ledger calls it stored")
    if not can.proven:
        advice.append(f"{kind} was never tested against that server itself, only beside a stand-in")
    return advice


def _delivery_advice(config: HubConfig) -> list[str]:
    """Return what is allowed but unwise about reaching people."""
    advice = []
    if config.channel and not config.watchdog.url_file:
        advice.append("no [watchdog] url_file: if this hub stops, nobody outside notices")
    host = urlsplit(config.http.url).hostname or ""
    if config.channel and host in ("127.0.0.1", "localhost", "::1"):
        advice.append("http.public_url is not set: links in messages work on this machine only")
    red = ladders(config.escalation)[Grade.RED].announced
    if config.channel and not any(step.contacts or {*PUBLIC} & {*step.roles} for step in red):
        advice.append(
            "no step of [[escalation]] red at 0 s has roles = ['resident']: residents hear of a red"
            " only from people, where a plan has a roll_call (safety-eye plan lint --hub says where"
            " nobody tells them)"
        )
    if config.channel and not config.selftest.at:
        advice.append("[selftest] is off: a channel that fails is found when it is needed")
    return advice
