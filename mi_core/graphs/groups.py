"""Groups of nodes as text: one a line, `name: node, node`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mi_core.errors import InputError, shortened

HOW = "write one group per line, as “capitals: L2F306@5, L2F23@5”"


def parse(text: str) -> dict[str, list[str]]:
    """By its name the members of each group.

    Raises:
        InputError: A line is no group, a name is given twice, or a node is in two groups.
    """
    found: dict[str, list[str]] = {}
    seen: set[str] = set()
    for line in filter(None, map(str.strip, text.splitlines())):
        name, colon, rest = line.partition(":")
        members = [member.strip() for member in rest.split(",") if member.strip()]
        if not colon or not name.strip() or not members:
            raise InputError(f"“{shortened(line, 40)}” is no group: {HOW}.", "groups")
        if name.strip() in found:
            raise InputError(f"There are two groups called “{shortened(name.strip(), 40)}”: rename one.", "groups")
        if twice := next((member for member in members if member in seen or members.count(member) > 1), None):
            raise InputError(f"{shortened(twice, 40)} is in two groups: take it out of one.", "groups")
        seen |= set(members)
        found[name.strip()] = members
    return found


def spelled(groups: Mapping[str, Sequence[str]]) -> str:
    """As `parse` reads them."""
    return "\n".join(f"{name}: {', '.join(members)}" for name, members in groups.items())
