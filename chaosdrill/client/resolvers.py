"""The resolvers that users can name: where a lookup runs and which name server it queries. Pure."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass

from chaosdrill.errors import BadInput, Problem, problem

PLACES = ("client", "here", "system")
DNS_PORT = 53
_WITH_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")


@dataclass(frozen=True)
class LookupPlace:
    """The place where a lookup runs, and the name server that it queries; None: the default one there.

    :param place: ``client``: the client host; ``here``: this machine, where the topology may name a server; ``system``:
        this machine's own resolver, regardless of the topology.
    """

    place: str
    nameserver: str | None = None
    port: int = DNS_PORT

    def __str__(self) -> str:
        asked = "" if self.nameserver is None else f"{self.nameserver}:{self.port} from "
        return asked + ("the client host" if self.place == "client" else self.place)


CLIENT, HERE = LookupPlace("client"), LookupPlace("here")


def resolver_of(seen_from: str, nameserver: str | None) -> LookupPlace:
    """Return the resolver for the arguments of an activity.

    :param seen_from: client, here or system.
    :param nameserver: IP address of the name server, with ``:port`` appended where the port is not 53.
    :raises BadInput: with all problems of the arguments.
    """
    problems = _of_place(seen_from)
    found = None if nameserver is None else _server(nameserver)
    if nameserver is not None and found is None:
        problems.append(_no_server("nameserver", nameserver))
    if problems:
        raise BadInput(problems)
    return LookupPlace(seen_from, *(found or ()))


def resolvers_of(seen_from: str, resolvers: Sequence[str], name_server: str | None = None) -> list[LookupPlace]:
    """Return the resolvers for the arguments of an activity.

    :param seen_from: where lookups through the name servers among them run.
    :param resolvers: each is client, here, system, or a name server's address.
    :param name_server: must be None: it cannot be combined with several resolvers.
    :raises BadInput: with all problems of the arguments.
    """
    problems = _of_place(seen_from)
    if isinstance(resolvers, str) or not resolvers:
        text = f"resolvers is {resolvers!r}: write a list such as [client, here, 10.0.0.2]"
        raise BadInput([*problems, problem("argument-invalid", text)])
    if name_server is not None:
        text = "nameserver and resolvers: write one of them; a name server may stand in the list, too"
        problems.append(problem("argument-invalid", text))
    servers = {text: _server(str(text)) for text in resolvers if text not in PLACES}
    problems += [_no_server("resolvers:", str(text)) for text, server in servers.items() if server is None]
    if problems:
        raise BadInput(problems)
    return [
        LookupPlace(text) if text in PLACES else LookupPlace(seen_from, *(servers[text] or ())) for text in resolvers
    ]


def _of_place(seen_from: str) -> list[Problem]:
    if seen_from in PLACES:
        return []
    text = f"seen_from: {seen_from!r} is no place to resolve names: write {', '.join(PLACES[:-1])} or {PLACES[-1]}"
    return [problem("argument-invalid", text)]


def _no_server(what: str, server: str) -> Problem:
    places = f", or {', '.join(PLACES)}" if what == "resolvers:" else ""
    text = f"{what} {server!r} is no name server: write its IP address, such as 10.0.0.2 or 10.0.0.2:5353{places}"
    return problem("argument-invalid", text)


def _server(text: str) -> tuple[str, int] | None:
    """Return the address and port of a name server; None when the text is not one.

    A scope ID (``fe80::1%eth0``) is refused: it may be any text, and names an interface of one machine only.
    """
    if "%" in text:
        return None
    address, port = text, DNS_PORT
    if found := _WITH_PORT.fullmatch(text):
        address, port = found.group(1) or found.group(2), int(found.group(3))
    try:
        return (str(ipaddress.ip_address(address)), port) if 0 < port < 65536 else None
    except ValueError:
        return None
