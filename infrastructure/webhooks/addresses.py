"""Where a webhook may go: the host is resolved once, and the very address that was judged is connected to."""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from infrastructure.webhooks.errors import WebhookAddressPrivate, WebhookNotDelivered, WebhookUrlMalformed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_IPV4_BITS = 0xFFFFFFFF


@dataclass(frozen=True)
class Target:
    """A judged address, and the name that it has to prove."""

    url: str
    """With the address in the place of the host."""
    host: str
    authority: str
    """The `Host` header."""


def checked_url(url: str, *, allow_private: bool = False) -> SplitResult:
    """The parts of an address; raises WebhookUrlMalformed. Plain http only where private addresses may be."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise WebhookUrlMalformed(f"the webhook's address cannot be read: {error}") from None
    schemes = ("https", "http") if allow_private else ("https",)
    if parts.scheme not in schemes or not parts.hostname or port == 0:
        raise WebhookUrlMalformed(f"the webhook's address has the scheme {parts.scheme!r} or no host")
    if parts.username is not None or parts.password is not None:
        raise WebhookUrlMalformed("the webhook's address holds credentials")
    return parts


def resolved(host: str, port: int) -> Sequence[str]:
    """All addresses of a host. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def target_of(url: str, *, allow_private: bool = False, resolve: Resolve = resolved) -> Target:
    """Where to send, resolved now. Raises WebhookAddressPrivate if any address is not public,
    WebhookNotDelivered if there is none, WebhookUrlMalformed.
    """
    parts = checked_url(url, allow_private=allow_private)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        found = [ipaddress.ip_address(text.partition("%")[0]) for text in resolve(host, port)]
    except (OSError, ValueError) as error:
        raise WebhookNotDelivered(f"{host} has no address: {error}") from None
    if not found:
        raise WebhookNotDelivered(f"{host} has no address")
    private = [one for one in found if not is_public(one)]
    if private and not allow_private:
        raise WebhookAddressPrivate(f"{host} has the address {private[0]}", host=host)
    literal = f"[{found[0]}]" if found[0].version == 6 else str(found[0])  # noqa: PLR2004 - IPv6
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    name = f"[{host}]" if ":" in host else host
    authority = name if parts.port is None else f"{name}:{port}"
    return Target(url=f"{parts.scheme}://{literal}:{port}{path}", host=host, authority=authority)


def is_public(address: Address) -> bool:
    """Whether an address, and every IPv4 address that it stands for, is a public one of one machine."""
    return all(one.is_global and not one.is_multicast and not one.is_reserved for one in _meant(address))


def _meant(address: Address) -> Iterator[Address]:
    """The address itself, or the IPv4 addresses inside of it (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        yield address
        return
    inner = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        inner.append(ipaddress.IPv4Address(int(address) & _IPV4_BITS))
    embedded = [one for one in inner if one is not None]
    yield from embedded or [address]
