"""The broker of a site as a directory: Mosquitto's configuration, certificates, who may enter.

```
DIR/mosquitto.conf  acl  hub-acl  passwords  hub-passwords  ca.crt  server.crt  server.key  kit.toml
DIR/hub.password          what hub.toml's broker.password_file names
DIR/authority/ca.key      signs the broker's certificate; belongs on a medium in a drawer
```
"""

from __future__ import annotations

import datetime as dt
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from core.community import Community
from core.configuration import read_toml
from core.drill import PREFIX, is_drill
from core.identity import is_slug
from core.topics import MAX_PAYLOAD_BYTES
from safety_eye.authority import days_left, make_root, make_server
from safety_eye.credentials import new_password, password_line, put_user, users_of
from safety_eye.installation import KitError, filled, write_anew, write_new
from safety_eye.profile_text import to_toml

HUB_USER = "hub"
# Room for the topic, the user properties and the fixed header of the largest payload.
_PACKET_OVERHEAD_BYTES = 4096
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,252})")
# When `check` begins to speak of the end of a certificate.
_WARN_DAYS = 365


class KitEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `kit.toml` remembers of a broker.

    Attributes:
        site: Slug of the site.
        names: Host names and addresses under which stations call it; the first is the usual one.
        port: TLS port for stations.
        hub_port: Port on 127.0.0.1 for the hub's programs.
        devices: Users that are devices of a `[[mapping]]`, not stations.
    """

    site: str
    names: tuple[str, ...]
    port: int = 8883
    hub_port: int = 1883
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BrokerKit:
    """A broker's directory."""

    directory: Path
    entry: KitEntry

    @property
    def passwords(self) -> Path:
        """Hashes of those who come through the stations' door."""
        return self.directory / "passwords"

    @property
    def ca_file(self) -> Path:
        """The root that stations trust."""
        return self.directory / "ca.crt"

    def add(self, user: str, *, replace: bool = False) -> str:
        """Give *user* a password; return it. Only its hash stays here.

        Raises:
            KitError: It is no slug, taken by the hub, or has a password already.
        """
        if not is_slug(user) or user == HUB_USER or is_drill(user):
            raise KitError(
                f"user {user!r}: expected the name of a station, not {HUB_USER!r} or {PREFIX!r}…"
            )
        password = new_password()
        put_user(self.passwords, password_line(user, password), replace=replace)
        return password

    def renew(self, now: dt.datetime) -> None:
        """Replace the broker's certificate and key; stations need nothing new.

        Raises:
            KitError: The authority's key is not here, or `openssl` refuses.
        """
        make_server(self.directory / "authority", self.directory, self.entry.names, now, "fresh")
        for suffix, mode in ((".key", 0o640), (".crt", 0o644)):
            fresh = self.directory / f"fresh{suffix}"
            write_anew(self.directory / f"server{suffix}", fresh.read_text(), mode)
            fresh.unlink()

    def describe(self, now: dt.datetime) -> list[str]:
        """Return what stands here, and what should be done.

        Raises:
            KitError: A file is missing.
        """
        entry, users = self.entry, users_of(self.passwords)
        lines = [
            (
                f"broker of {entry.site}: stations at {entry.names[0]}:{entry.port} (TLS), "
                f"the hub's programs at 127.0.0.1:{entry.hub_port}"
            ),
            f"  may enter: {', '.join(users) or 'nobody yet'}",
        ]
        for name in ("server.crt", "ca.crt"):
            days = days_left(self.directory / name, now)
            lines.append(f"  {name} is valid for {days} days")
            if days < _WARN_DAYS:
                lines.append(f"  advice: {name} ends soon; then no station gets in (broker renew)")
        if (self.directory / "authority/ca.key").exists():
            lines.append("  advice: move authority/ to a medium in a drawer; only renewal needs it")
        secrets = ("passwords", "hub-passwords", "server.key", "hub.password")
        return lines + [
            f"  advice: {name} can be read by everybody: chmod o-rwx {name}"
            for name in secrets
            if (self.directory / name).stat().st_mode & 0o007
        ]


def open_kit(directory: Path) -> BrokerKit:
    """Return the broker of a directory.

    Raises:
        ConfigurationError: There is none, or its `kit.toml` is damaged.
    """
    return BrokerKit(directory.resolve(), read_toml(directory / "kit.toml", KitEntry))


def new_kit(
    directory: Path,
    community: Community,
    names: Sequence[str],
    now: dt.datetime,
    *,
    port: int = 8883,
    hub_port: int = 1883,
    run_as: str = "mosquitto",
    persistence: Path = Path("/var/lib/mosquitto"),
) -> BrokerKit:
    """Write a broker's directory.

    Raises:
        KitError: It exists, `openssl` is missing, or a name is none.
    """
    for name in names:
        if _HOST.fullmatch(name) is None:
            raise KitError(f"name {name!r}: expected a host name or an address")
    if not names:
        raise KitError("a broker needs a name under which stations call it (--name)")
    directory = directory.resolve()
    _make_directory(directory)
    try:
        return _fill(directory, community, names, now, port, hub_port, run_as, persistence)
    except BaseException:
        # Half a broker is worse than none: the next attempt would refuse to overwrite it.
        shutil.rmtree(directory, ignore_errors=True)
        raise


def _fill(
    directory: Path,
    community: Community,
    names: Sequence[str],
    now: dt.datetime,
    port: int,
    hub_port: int,
    run_as: str,
    persistence: Path,
) -> BrokerKit:
    make_root(_made(directory / "authority"), community.site.id, now)
    shutil.copyfile(directory / "authority/ca.crt", directory / "ca.crt")
    make_server(directory / "authority", directory, names, now)
    devices = tuple(sorted({entry.sensor for entry in community.mapping}))
    kit = BrokerKit(directory, KitEntry(community.site.id, tuple(names), port, hub_port, devices))
    configuration = filled(
        "mosquitto/mosquitto.conf.template",
        directory=directory,
        persistence=f"{persistence}/",
        port=port,
        hub_port=hub_port,
        run_as=run_as,
        packet_bytes=MAX_PAYLOAD_BYTES + _PACKET_OVERHEAD_BYTES,
    )
    write_new(directory / "kit.toml", to_toml(kit.entry))
    write_new(directory / "mosquitto.conf", configuration)
    acl, hub_acl = _rules(community)
    write_new(directory / "acl", acl, 0o640)
    write_new(directory / "hub-acl", hub_acl, 0o640)
    write_new(kit.passwords, "", 0o640)
    password = new_password()
    write_new(directory / "hub.password", password + "\n", 0o600)
    write_new(directory / "hub-passwords", password_line(HUB_USER, password) + "\n", 0o640)
    _hand_over(directory, run_as)
    return kit


def _rules(community: Community) -> tuple[str, str]:
    """Return the rules of both doors, with the devices of the profile's mappings."""
    site = community.site.id
    acl = filled("mosquitto/acl.template", site=site)
    hub_acl = filled("mosquitto/hub-acl.template", site=site)
    for entry in community.mapping:
        acl += f"user {entry.sensor}\ntopic write {entry.topic}\n"
        hub_acl += f"topic read {entry.topic}\n"
    return acl, hub_acl


def _make_directory(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        taken = any(directory.iterdir())
    except OSError as error:
        raise KitError(f"{directory}: {error.strerror}") from error
    if taken:
        raise KitError(f"{directory}: is not empty; nothing is overwritten")
    directory.chmod(0o750)


def _made(directory: Path) -> Path:
    directory.mkdir(mode=0o700)
    return directory


def _hand_over(directory: Path, run_as: str) -> None:
    """Let the broker's user read what it needs; only root can give files away."""
    (directory / "server.key").chmod(0o640)
    (directory / "server.crt").chmod(0o644)
    (directory / "ca.crt").chmod(0o644)
    if os.geteuid() != 0:
        return
    for name in ("", "server.key", "passwords", "acl", "hub-passwords", "hub-acl"):
        try:
            shutil.chown(directory / name, group=run_as)
        except LookupError:
            return
