"""What a writing route works with: who sends, under which key and condition, and the answer's headers."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from fastapi import Depends, Header, Request, Response

from application.bus import Sender, overrides
from application.ports import Outcome
from domain.access.roles import Role, includes
from domain.shared.command import Command
from domain.shared.ids import command_id_of_key
from infrastructure.access.identity import Identity
from infrastructure.bootstrap import Service
from infrastructure.http.errors import RequestParameterMalformed
from infrastructure.http.reading import identity_of, json_response
from infrastructure.http.results import Written
from infrastructure.http.route_roles import OVERRIDE_ROLE

W = TypeVar("W", bound=Written)

Key = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern="^[\x21-\x7e]{1,200}$",
        description="Send the same key to repeat safely: the first outcome comes back.",
    ),
]
Match = Annotated[
    str | None,
    Header(alias="If-Match", max_length=64, description='The ETag that must be current, such as "5".'),
]
_ETAG = re.compile('"([0-9]{1,15})"')


@dataclass(frozen=True, slots=True)
class Writer:
    """One request that writes."""

    service: Service
    identity: Identity
    command_id: UUID
    is_fresh: bool
    """The command id comes from no key: nobody can have used it before."""
    correlation_id: UUID
    expected: int | None
    require: Callable[[Identity, Role, str], None]
    """The entrance's own, for what only the body tells."""
    causation_id: UUID | None = None

    def send(
        self, command: Command, reason: str | None = None, *, target: str | None = None, dry_run: bool = False
    ) -> Outcome:
        """Put the command on the bus; blocks. `target` is the `type:id` that `If-Match` speaks of.

        Raises the RuleBroken that refused it.
        """
        if overrides(command):
            self.require(self.identity, OVERRIDE_ROLE, f"{command.TYPE} with override")
        sender = Sender(
            tenant=self.identity.tenant,
            actor=self.identity.actor,
            may_override=includes(self.identity.role, OVERRIDE_ROLE),
            command_id=self.command_id,
            looks_first=not self.is_fresh,
            reason=reason,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            expected_versions=self._expected(target),
        )
        return self.service.bus.send(command, sender, dry_run=dry_run)

    def answer(
        self,
        outcome: Outcome,
        *,
        status: int = 200,
        location: str | None = None,
        of: type[W] | type[Written] = Written,
        **more: Any,
    ) -> Response:
        """What became of it: nothing new is 200; Location, ETag (of the first resource), X-Log-Position."""
        written = of(
            command_id=self.command_id,
            outcome="accepted" if outcome.kind == "accepted" else "unchanged",
            position=outcome.position,
            refs=outcome.refs,
            stream_versions=outcome.versions,
            repeated=outcome.repeated,
            **more,
        )
        headers = {"X-Log-Position": str(outcome.position)}
        if location is not None:
            headers["Location"] = location
        if outcome.refs:
            headers["ETag"] = f'"{outcome.versions[outcome.refs[0]]}"'
        return json_response(written, 200 if outcome.kind == "unchanged" else status, headers)

    def _expected(self, target: str | None) -> dict[str, int]:
        if self.expected is None:
            return {}
        if target is None:
            raise RequestParameterMalformed("If-Match has no meaning here: nothing exists yet")
        return {target: self.expected}


async def writer(request: Request, key: Key = None, match: Match = None) -> Writer:
    """Who sends, under which key and condition."""
    service, identity = request.app.state.service, identity_of(request)
    command_id = command_id_of_key(identity.tenant, identity.principal, key) if key else uuid4()
    correlation_id = request.scope["correlation_id"]
    require = request.app.state.entrance.require
    expected = _stream_version(match)
    causation_id = _causation(request.headers.get("X-Causation-Id"))
    return Writer(service, identity, command_id, key is None, correlation_id, expected, require, causation_id)


def _causation(text: str | None) -> UUID | None:
    """What this command follows from; what is no UUID is no cause, as it is with correlation ids."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None


def _stream_version(match: str | None) -> int | None:
    if match is None or match == "*":
        return None
    found = _ETAG.fullmatch(match)
    if not found:
        raise RequestParameterMalformed(
            f'If-Match {match!r} is not an ETag such as "5"', parameter="If-Match"
        )
    return int(found[1])


Write = Annotated[Writer, Depends(writer)]
