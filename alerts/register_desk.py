"""The counter of the registers: volunteers who have agreed, and what there is to take."""

from __future__ import annotations

from alerts.cycle_desk import person
from alerts.database import Database
from alerts.privacy import Privacy
from alerts.register import Volunteer
from alerts.register_file import Registers, check_registers, parse_registers
from alerts.register_store import RegisterStore, Taken
from alerts.response import Supply
from alerts.store import Store
from core.clock import Clock
from core.community import Community


class RegisterDesk:
    """Registers of one site.

    Args:
        supplies: What response.toml says there is; the register begins with it.
        database: Open and up to date.
        store: For the names of people.
        community: The profile.
        clock: Clock of the run.
    """

    def __init__(
        self,
        supplies: tuple[Supply, ...],
        database: Database,
        store: Store,
        community: Community,
        clock: Clock,
    ) -> None:
        self._store = store
        self._community = community
        self._clock = clock
        self._registers = RegisterStore(database, community.site.id)
        self._registers.begin_with(supplies, clock.now_ms())

    def volunteers(self) -> list[Volunteer]:
        """Return the volunteers who have agreed."""
        return self._registers.volunteers()

    def supplies(self) -> list[Supply]:
        """Return every stock."""
        return self._registers.supplies()

    def take_register(self, data: bytes, file: str, who: str) -> Taken:
        """Take volunteers or supplies from a CSV or TOML file.

        Raises:
            ConfigurationError: It can't be used; the message says what to mend.
            IncidentError: Nobody says who.
        """
        given = parse_registers(data, file, self._community)
        return self._registers.take(given, self._clock.now_ms(), person(self._store, who))

    def keep_volunteer(self, volunteer: Volunteer, who: str) -> Taken:
        """Write one volunteer.

        Raises:
            ConfigurationError: It can't be used; the message says what to mend.
            IncidentError: Nobody says who.
        """
        given = Registers(volunteer=(volunteer,))
        check_registers(given, self._community, "volunteer")
        return self._registers.take(given, self._clock.now_ms(), person(self._store, who))

    def withdraw(self, volunteer: str) -> None:
        """A volunteer takes the consent back.

        Raises:
            RegisterError: There is no such volunteer.
        """
        self._registers.withdraw(volunteer)

    def erase_volunteer(self, volunteer: str) -> None:
        """Forget a volunteer's name and number; no import brings them back.

        Raises:
            RegisterError: There is no such volunteer.
        """
        who = self._registers.person_of(volunteer)
        Privacy(self._store.database, self._community, self._clock).erase(who)

    def count_supply(self, supply: str, quantity: float, who: str) -> Supply:
        """Write how much of a stock there is now.

        Raises:
            RegisterError: There is no such stock, or it is not a quantity.
            IncidentError: Nobody says who.
        """
        by = person(self._store, who)
        return self._registers.count(supply, quantity, self._clock.now_ms(), by)
