"""What one needs to be allowed to use a route: a name on each, which the OpenAPI description shows as x-permission.

There are no accounts yet, so everybody who reaches the server may use every route; which name each asks for is settled
here. Knows no users.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import params
from starlette.routing import BaseRoute

NAMES = {
    "health:read": "whether the program lives and tracks",
    "site:read": "what a site looks like",
    "floor:watch": "everybody on the floor, live",
    "frames:watch": "the cameras' pictures, live",
    "places:read": "zones and lines",
    "places:write": "draw, change and remove zones and lines",
    "analytics:read": "figures that name nobody",
    "analytics:write": "have figures made anew from the history",
    "identities:read": "where single people were, and what they are tagged with",
    "identities:write": "tag, merge and split people, and take that back",
    "replay:watch": "everybody on the floor, at any time of the past",
    "exports:read": "take what has been exported",
    "exports:write": "export history, stop exports, remove them",
}


@dataclass(frozen=True, slots=True)
class Permission:
    """A dependency of a route, which carries the name of the permission that the route asks for."""

    name: str

    async def __call__(self) -> None:
        """Let everybody pass: there are no accounts."""


def permission(name: str) -> params.Depends:
    """Return what a route lists among its dependencies.

    Raises:
        ValueError: no such permission.
    """
    if name not in NAMES:
        raise ValueError(f"there is no permission {name}")
    return params.Depends(Permission(name))


def permissions(dependencies: Iterable[params.Depends] | None) -> list[str]:
    """Return the names of the permissions among dependencies."""
    named = (dependency.dependency for dependency in dependencies or ())
    return [permit.name for permit in named if isinstance(permit, Permission)]


def permissions_of(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, list[str]]]:
    """Yield for each route that a router holds its path, and the permissions that it asks for; files have none."""
    for route in routes:
        router = getattr(route, "original_router", None)
        if router is not None:
            yield from permissions_of(router.routes)
        elif hasattr(route, "dependencies"):
            yield getattr(route, "path", ""), permissions(route.dependencies)
