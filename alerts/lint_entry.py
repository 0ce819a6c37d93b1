"""Which entry a finding of the lint is about: by ids for programs, by names for people. Pure."""

from __future__ import annotations

from collections.abc import Callable

from alerts.response import Response
from core.community import Community, Name
from core.finding import Hazard
from core.quantity import Quantity
from core.wording import HAZARDS, QUANTITIES

# From the outside inward: kind of entry and its id, e.g. ("plan", "flood-garage"), ("step", "out").
Entry = tuple[tuple[str, str], ...]
# Kinds that are plain from what stands before them; their id alone stands for them.
_BARE = frozenset({"hazard", "item", "public", "contacts"})
_KINDS = {
    "plan": ("预案", "plan"),
    "step": ("步骤", "step"),
    "public": ("对居民的话", "words for residents"),
    "role": ("角色", "role"),
    "zone": ("区域", "zone"),
    "limit": ("限值", "limit"),
    "contacts": ("联系人", "contacts"),
    "contact": ("联系人", "contact"),
    "supply": ("物资", "supply"),
    "item": ("物资", "supply"),
    "volunteer": ("志愿者", "volunteer"),
}


def entry_ids(entry: Entry) -> str:
    """Return where to look in the file.

    >>> entry_ids((("plan", "flood-garage"), ("step", "out")))
    'plan flood-garage: step out'
    """
    return ": ".join(name if kind in _BARE else f"{kind} {name}" for kind, name in entry)


def entry_words(entry: Entry, response: Response, community: Community) -> Name:
    """Return what people call it, in both languages; what has no name keeps its id."""

    def said(language: str) -> str:
        names = _Names(entry, response, community, language)
        return " · ".join(names.part(kind, name) for kind, name in entry)

    return Name(zh=said("zh"), en=said("en"))


class _Names:
    """What the parts of one entry are called in one language."""

    def __init__(
        self, entry: Entry, response: Response, community: Community, language: str
    ) -> None:
        self._plan = response.plan_of(dict(entry).get("plan", ""))
        self._response, self._community = response, community
        self._zh = language == "zh"
        self._language = language

    def part(self, kind: str, name: str) -> str:
        if kind == "hazard":
            return self._pick(HAZARDS[Hazard(name)])
        word = self._pick(_KINDS[kind])
        ways: dict[str, Callable[[str], str]] = {
            "plan": self._of_plan,
            "step": self._of_step,
            "public": lambda _: "",
            "role": lambda role: self._response.role_name(role, self._language),
            "zone": lambda zone: self._community.place(zone, self._language),
            "limit": self._of_limit,
            "contacts": lambda _: "",
            "contact": self._community.contact_name,
            "supply": self._of_supply,
            "item": self._of_item,
            # A name of the register is private: it stays there.
            "volunteer": lambda volunteer: volunteer,
        }
        return f"{word} {ways[kind](name)}".rstrip()

    def _pick(self, words: tuple[str, str]) -> str:
        return words[0 if self._zh else 1]

    def _of_plan(self, plan: str) -> str:
        return (self._plan.name.in_language(self._language) if self._plan else "") or plan

    def _of_step(self, step: str) -> str:
        steps = [one.id for one in self._plan.step] if self._plan else []
        return f"{steps.index(step) + 1}" if step in steps else step

    def _of_limit(self, limit: str) -> str:
        zone, _, quantity = limit.partition("/")
        words = self._pick(QUANTITIES[Quantity(quantity)])
        return f"{self._community.place(zone, self._language)} {words}"

    def _of_supply(self, supply: str) -> str:
        found = next((one for one in self._response.supply if one.id == supply), None)
        return (found.name.in_language(self._language) if found else "") or supply

    def _of_item(self, item: str) -> str:
        found = next((one for one in self._response.supply if one.item == item), None)
        return (found.name.in_language(self._language) if found else "") or item
