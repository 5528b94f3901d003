"""The breaks that are, or were, in force in a lab."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaosdrill.errors import LabError
from chaosdrill.lab.misbehaviours import all_breaks
from chaosdrill.lab.misbehaviours.model import ActiveBreak, Lab


@dataclass
class _Entry:
    name: str
    options: Mapping[str, Any]
    begun: ActiveBreak
    since_ns: int
    until_ns: int | None
    not_mended: str = ""

    def in_force(self) -> bool:
        return self.until_ns is None or time.time_ns() < self.until_ns

    def described(self) -> dict[str, Any]:
        named = "".join(f":{key}={value}" for key, value in self.options.items())
        return {
            "name": self.name,
            "options": dict(self.options),
            "text": self.name + named,
            "says": all_breaks()[self.name].says,
            "in_force": self.in_force(),
            "since_ns": self.since_ns,
            "until_ns": self.until_ns,
            "not_mended": self.not_mended,
        }


class InForce:
    """The breaks of a lab, to apply and to undo, and their record, so that a broken lab is never mistaken for a clean
    one.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._entries: list[_Entry] = []
        self._changing = asyncio.Lock()

    async def begin(self, name: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """Apply a break.

        :param options: all of its options.
        :returns: ``{"name", "options", "said", "facts"}``.
        :raises LabError: when it cannot be applied, or is already in force.
        """
        async with self._changing:
            if any(one.name == name and one.options == options and one.in_force() for one in self._entries):
                raise LabError(f"{name} is in force already: repair it first with `chaosdrill lab break --clear`")
            since_ns = time.time_ns()
            begun = await all_breaks()[name].begin(self._lab, **options)
            until_ns = None if begun.lasts_s is None else since_ns + round(begun.lasts_s * 1e9)
            self._entries.append(_Entry(name, dict(options), begun, since_ns, until_ns))
        return {"name": name, "options": dict(options), "said": begun.said, "facts": dict(begun.facts)}

    async def clear(self) -> list[dict[str, Any]]:
        """Undo the breaks in force, latest first.

        :returns: each of them, with what could not be undone.
        """
        mended = []
        async with self._changing:
            for entry in reversed([one for one in self._entries if one.in_force()]):
                try:
                    entry.not_mended = await entry.begun.mend()
                except (LabError, OSError) as error:
                    entry.not_mended = f"it could not be repaired: {error}"
                entry.until_ns = min(time.time_ns(), entry.until_ns or 2**63)
                mended.append(entry.described())
        return mended

    def described(self) -> list[dict[str, Any]]:
        """Return every break since the start of the lab, oldest first."""
        return [entry.described() for entry in self._entries]
