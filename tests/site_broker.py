"""A real Mosquitto with the very configuration that `safety-eye broker new` writes for a site."""

from __future__ import annotations

import datetime as dt
import getpass
import signal
from pathlib import Path

from core.broker import BrokerAddress
from core.community import Community
from safety_eye.broker_kit import BrokerKit, new_kit
from tests.servers import Server, free_port, program

NOW = dt.datetime(2026, 11, 25, 3, 0, tzinfo=dt.UTC)


class SiteBroker(Server):
    """Mosquitto with TLS for stations and a door of its own for the hub."""

    name = "mosquitto"

    def __init__(self, directory: Path, community: Community) -> None:
        super().__init__(directory)
        self._community = community
        self._generation = 0
        self.kit: BrokerKit

    def command(self) -> list[str]:
        """Return the command line, with a fresh kit at the first start and on a new port."""
        path = program("mosquitto")
        if self._generation == 0 or self.kit.entry.port != self.port:
            self._generation += 1
            self.kit = new_kit(
                self.directory / f"kit-{self._generation}",
                self._community,
                ["localhost", "127.0.0.1"],
                NOW,
                port=self.port,
                hub_port=free_port(),
                run_as=getpass.getuser(),
                persistence=self.directory,
            )
        return [path, "-c", str(self.kit.directory / "mosquitto.conf")]

    def reload(self) -> None:
        """Read passwords and rules again, as `systemctl reload mosquitto` does."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def admit(self, user: str) -> BrokerAddress:
        """Give a station (or a device) a password and return how it comes in."""
        file = self.directory / f"{user}.password"
        file.write_text(self.kit.add(user) + "\n")
        self.reload()
        return self.door(user, file)

    def door(self, user: str = "", password_file: Path | None = None) -> BrokerAddress:
        """Return the stations' door as *user* sees it."""
        secret = str(password_file) if password_file is not None else ""
        return BrokerAddress("localhost", self.port, user, secret, str(self.kit.ca_file))

    @property
    def hub_door(self) -> BrokerAddress:
        """Return the hub's door with its credential."""
        secret = str(self.kit.directory / "hub.password")
        return BrokerAddress("127.0.0.1", self.kit.entry.hub_port, "hub", secret)
