"""The escalation ladder: who is asked next, and when, until somebody takes an incident over. Pure.

A ladder is configured per grade (`[[escalation]]` of hub.toml) or taken from `DEFAULTS`. A copy of
it is written into the journal when an incident is announced, so that a change of the configuration
never moves the ground under an incident that is open (Grafana OnCall does the same; channels
reference 2.1). Its steps at 0 s are the announcement itself; the others are climbed one by one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

from core.grade import WARNING_GRADES, Grade

# Which of a contact's channels a step uses, beside names of channels.
ALL, FIRST = "all", "first"
# `repeat` of a ladder that is climbed again and again until somebody takes the incident over.
FOREVER = -1
# In a fast run steps would come at once: at least so far apart, wall milliseconds.
STEP_WALL_MS = 2_000


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One rung: whom to tell, over what.

    Attributes:
        after_s: Run seconds after the announcement.
        roles: Contacts with one of these roles.
        contacts: Further contacts, by id.
        channels: `all` of a contact's channels at once, the `first` with the others as a fallback,
            or names of channels (a contact that has none of them is told over all of its own).
    """

    after_s: float
    roles: tuple[str, ...] = ()
    contacts: tuple[str, ...] = ()
    channels: tuple[str, ...] = (ALL,)


class Ladder(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One `[[escalation]]`: the steps of one grade. Times are run seconds.

    Attributes:
        grade: blue, yellow, orange or red.
        step: In the order of their times; the first ones, at 0 s, are the announcement.
        repeat: How often the steps after 0 s are gone through again; -1: until somebody takes over.
        repeat_after_s: From the last step to the next round.
        remind_after_s: Who has taken it over is asked "still on it?" after so long without a sign;
            0 for never.
        lapse_after_s: Without an answer for so long, nobody has it any more and the ladder begins
            again.
    """

    grade: str
    step: tuple[Step, ...]
    repeat: int = 0
    repeat_after_s: float = 600.0
    remind_after_s: float = 0.0
    lapse_after_s: float = 600.0

    @property
    def announced(self) -> tuple[Step, ...]:
        """The steps that are the announcement itself."""
        return tuple(step for step in self.step if step.after_s <= 0)

    @property
    def rungs(self) -> tuple[Step, ...]:
        """The steps that are climbed."""
        return tuple(step for step in self.step if step.after_s > 0)

    def rung(self, index: int) -> tuple[Step, float] | None:
        """Return rung number *index* (counting on through the rounds) and its time after the start.

        >>> ladder = Ladder("red", (Step(0), Step(180), Step(300)), repeat=1, repeat_after_s=60)
        >>> [ladder.rung(index)[1] for index in range(4)], ladder.rung(4)
        ([180, 300, 540, 660], None)
        """
        rungs = self.rungs
        if not rungs:
            return None
        around, place = divmod(index, len(rungs))
        if self.repeat != FOREVER and around > self.repeat:
            return None
        lap_s = rungs[-1].after_s + self.repeat_after_s
        return rungs[place], rungs[place].after_s + around * lap_s


class Climb(msgspec.Struct, frozen=True, omit_defaults=True):
    """How far up its ladder an incident is; part of its state, folded from the journal.

    Attributes:
        ladder: The copy that this incident was announced with.
        began_at: Run time (ms) from which the steps count.
        taken: Rungs climbed so far, all rounds together.
        taken_at: Run time (ms) of the last one, or of the announcement.
    """

    ladder: Ladder
    began_at: int
    taken: int = 0
    taken_at: int = 0

    def due_at(self, speed: float) -> int | None:
        """Return when (run ms) the next rung is due; None above the last one.

        Where rounds were missed (the hub was off, the incident was shelved, the clock jumped) the
        first round is caught up at once, because it has people who know nothing yet; the others are
        not: one person would get every call of a night within minutes. And no rung is further from
        the one before than the ladder says, also when the clock was set back.
        """
        found = self.ladder.rung(self.taken)
        if found is None:
            return None
        before = self.ladder.rung(self.taken - 1) if self.taken else None
        after_before = self.taken_at + round((found[1] - (before[1] if before else 0.0)) * 1000)
        due = self.began_at + round(found[1] * 1000)
        late = self.taken >= len(self.ladder.rungs) and due < self.taken_at
        if self.taken_at and (late or due > after_before):
            due = after_before
        return max(due, self.taken_at + round(STEP_WALL_MS * speed))

    def climbed(self, index: int, at: int) -> Climb:
        """Return the state after rung *index* was climbed."""
        return msgspec.structs.replace(self, taken=index + 1, taken_at=at)

    def again(self, at: int) -> Climb:
        """Return a ladder that starts over: its first rung is due now."""
        rungs = self.ladder.rungs
        lead_ms = round(rungs[0].after_s * 1000) if rungs else 0
        return Climb(self.ladder, at - lead_ms, 0, 0)

    def onto(self, ladder: Ladder, at: int) -> Climb:
        """Return the climb on another ladder (of a lower grade) without starting over."""
        passed_s = (at - self.began_at) / 1000
        taken = 0
        while (found := ladder.rung(taken)) is not None and found[1] <= passed_s:
            taken += 1
        return Climb(ladder, self.began_at, taken, at)


# Red as channels reference 2.2 gives it: at once over everything, 3 min the same again, 5 min the
# deputy, 10 min the leader, and round again. Deputies and leaders of orange and red get the
# announcement over their first channel at once, so that a call does not find them unprepared.
# Sirens of the building (contacts with role sounder) sound with the announcement of red. Where
# nobody has taken a red over in 10 min, the street office is told, too. Orange takes twice as long;
# yellow and blue wait for people who are at work. The times of orange, yellow and blue, and those
# of the reminder (30 min, with OnCall's choice of 1 to 60 min in mind), are our choice.
DEFAULTS: dict[Grade, Ladder] = {
    Grade.RED: Ladder(
        grade="red",
        step=(
            Step(0.0, ("duty", "sounder")),
            Step(0.0, ("deputy", "leader"), channels=(FIRST,)),
            Step(180.0, ("duty",)),
            Step(300.0, ("duty", "deputy")),
            Step(600.0, ("duty", "deputy", "leader", "street-office")),
        ),
        repeat=FOREVER,
        repeat_after_s=300.0,
        remind_after_s=1800.0,
        lapse_after_s=600.0,
    ),
    Grade.ORANGE: Ladder(
        grade="orange",
        step=(
            Step(0.0, ("duty",)),
            Step(0.0, ("deputy", "leader"), channels=(FIRST,)),
            Step(300.0, ("duty",)),
            Step(600.0, ("duty", "deputy")),
            Step(1200.0, ("duty", "deputy", "leader")),
        ),
        repeat=5,
        repeat_after_s=600.0,
        remind_after_s=3600.0,
        lapse_after_s=900.0,
    ),
    Grade.YELLOW: Ladder(
        grade="yellow",
        step=(
            Step(0.0, ("duty",), channels=(FIRST,)),
            Step(1800.0, ("duty",)),
            Step(3600.0, ("deputy",), channels=(FIRST,)),
        ),
        repeat=1,
        repeat_after_s=7200.0,
        remind_after_s=14_400.0,
        lapse_after_s=3600.0,
    ),
    Grade.BLUE: Ladder(
        grade="blue",
        step=(
            Step(0.0, ("duty",), channels=(FIRST,)),
            Step(14_400.0, ("duty",), channels=(FIRST,)),
        ),
    ),
}


def ladders(entries: Iterable[Ladder]) -> dict[Grade, Ladder]:
    """Return the ladder of each grade: the configured one, else the default."""
    return DEFAULTS | {Grade[entry.grade.upper()]: entry for entry in entries}


def problems(entries: Collection[Ladder]) -> list[str]:
    """Return what is wrong with configured ladders, in words; empty if nothing is."""
    words = [grade.word for grade in WARNING_GRADES]
    grades = [entry.grade for entry in entries]
    found = []
    for entry in entries:
        where = f"escalation {entry.grade!r}"
        times = [step.after_s for step in entry.step]
        # Written so that NaN is refused, too.
        rules = (
            (entry.grade in words, f"grade: expected one of {', '.join(words)}"),
            (grades.count(entry.grade) == 1, "a second one for this grade"),
            (bool(times) and times[0] == 0, "step: the first needs after_s = 0: the announcement"),
            (times == sorted(times), "step: after_s: expected in the order of time"),
            (all(0 <= at <= 86_400 for at in times), "step: after_s: expected 0 to 86400 s"),
            (FOREVER <= entry.repeat <= 100, "repeat: expected -1 (until taken over) to 100"),
            (30 <= entry.repeat_after_s <= 86_400, "repeat_after_s: expected 30 to 86400 s"),
            (0 <= entry.remind_after_s <= 86_400, "remind_after_s: expected 0 (never) to 86400 s"),
            (60 <= entry.lapse_after_s <= 86_400, "lapse_after_s: expected 60 to 86400 s"),
            (
                all(step.roles or step.contacts for step in entry.step),
                "step: expected roles or contacts",
            ),
            (all(step.channels for step in entry.step), "step: channels: expected at least one"),
        )
        found += [f"{where}: {why}" for holds, why in rules if not holds]
    return found
