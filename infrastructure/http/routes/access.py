"""API keys of the tenant: give out, list, revoke. The key itself is in one answer, once."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Response

from domain.access import decider
from domain.access.commands import GrantAccess, Label, RevokeAccess
from domain.access.roles import KeyId, Principal, Role
from domain.shared.times import Instant
from infrastructure.access.keys import new_key
from infrastructure.http.bodies import JsonBody, decoded, decoded_exactly, made
from infrastructure.http.reading import PlainRead, json_response
from infrastructure.http.results import Written
from infrastructure.http.schemas import answers, body, exact_body
from infrastructure.http.writing import Write

router = APIRouter(prefix="/access/keys", tags=["access"])


class KeyWish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who gets a key, and what it may."""

    principal: Principal
    role: Role
    label: Label | None = None
    """What the key is for."""
    expires_at: Instant | None = None
    """Default: it does not expire."""
    reason: Annotated[str, msgspec.Meta(max_length=2000)] | None = None


class KeyGranted(Written, frozen=True, kw_only=True):
    """A key that was given out. It is shown here and never again: the service keeps its hash only."""

    key_id: KeyId
    key: str


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """A key that was given out; who gave or ended it, when and why: `GET /activity?resource_type=access`."""

    key_id: KeyId
    principal: str
    role: Role
    label: str | None
    expires_at: datetime | None
    state: Literal["live", "expired", "revoked"]


class KeyList(msgspec.Struct, frozen=True, kw_only=True):
    """All keys that the tenant has ever given out, oldest first."""

    items: tuple[KeyView, ...]


@router.post("", openapi_extra=exact_body(KeyWish), **answers(KeyGranted, 201, refusals=[409, 413, 415, 422]))
def grant_key(content: JsonBody, write: Write) -> Response:
    """Give out a key for the own tenant. Each call makes another key: an `Idempotency-Key` that was used is
    refused, because the first answer cannot be given again; revoke that key if its answer was lost.
    """
    wish, key = decoded_exactly(content, KeyWish), new_key()
    fields = {name: getattr(wish, name) for name in ("principal", "role", "label", "expires_at")}
    command = made(GrantAccess, key_id=key.key_id, secret_sha256=key.sha256, **fields)
    outcome = write.send(command, wish.reason)
    location = "/api/v1/access/keys"
    return write.answer(
        outcome, status=201, location=location, of=KeyGranted, key_id=key.key_id, key=key.text
    )


@router.get("", **answers(KeyList))
def list_keys(read: PlainRead) -> Response:
    """All keys of the own tenant: live, expired and revoked; neither keys nor hashes are shown."""
    loaded = read.service.log.load(read.tenant, decider.stream(read.tenant), decider.INITIAL, decider.evolve)
    now = datetime.now(UTC)
    return json_response(KeyList(items=tuple(_view(key, now) for key in loaded.state.keys.values())))


@router.post(
    "/{key_id}/revoke",
    openapi_extra=body(RevokeAccess, "key_id"),
    **answers(Written, refusals=[404, 409, 413, 415, 422]),
)
def revoke_key(key_id: str, content: JsonBody, write: Write) -> Response:
    """End a key of the own tenant at once and for good; needs a reason. The last operator key may go too."""
    command, reason = decoded(content, RevokeAccess, key_id=key_id)
    return write.answer(write.send(command, reason), location="/api/v1/access/keys")


def _view(key: decider.Key, now: datetime) -> KeyView:
    granted = key.granted
    return KeyView(
        key_id=granted.key_id,
        principal=granted.principal,
        role=granted.role,
        label=granted.label,
        expires_at=granted.expires_at,
        state="revoked" if key.revoked else "live" if key.is_live(now) else "expired",
    )
