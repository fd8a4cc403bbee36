"""The proxy for a URL from the environment: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, also in lower case."""

from __future__ import annotations

import contextlib
from ipaddress import ip_address, ip_network
from urllib.request import getproxies_environment

from dynamic_dynamodb.output.urls import well_formed


def proxy_for(scheme: str, authority: str, host: str) -> str | None:
    """The URL of the proxy for this scheme and host, if one is set; `authority` is the host with its port.

    Raises ValueError if it is not clear where the proxy's user information ends.
    """
    proxies = getproxies_environment()
    proxy = proxies.get(scheme, "").strip()
    listed = (entry.strip().lower() for entry in proxies.get("no", "").split(","))
    if not proxy or any(_covers(entry, authority, host) for entry in listed):
        return None
    return well_formed(proxy if "://" in proxy else f"http://{proxy}")


def _covers(entry: str, authority: str, host: str) -> bool:
    """Whether an entry of NO_PROXY covers this host: `*`, a name or the end of one (perhaps with a port), a network."""
    name = entry.lstrip("*.")
    return (
        entry == "*"
        or any(name and f".{one}".endswith(f".{name}") for one in (host.lower(), authority.lower()))
        or _in_network(host, entry)
    )


def _in_network(host: str, network: str) -> bool:
    with contextlib.suppress(ValueError):  # a name, or not a network
        return ip_address(host) in ip_network(network, strict=False)
    return False
