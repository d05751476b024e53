"""Users and tokens, and what was done by whom."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, SecretStr

from pipeline.web.access import Admin, Serving, client_of
from pipeline.web.service import Service
from pipeline.web.who import Role, Scope

router = APIRouter(tags=["users"])
Cameras = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1000)]


class NewUser(BaseModel):
    """A user to be."""

    user: str = Field(max_length=64)
    password: SecretStr = Field(max_length=200)
    role: Role = "viewer"
    cameras: Cameras | None = None


class UserChange(BaseModel):
    """What changes of a user."""

    password: SecretStr | None = Field(None, max_length=200)
    role: Role | None = None
    cameras: Cameras | None = None


class NewToken(BaseModel):
    """A token to be."""

    name: str = Field(min_length=1, max_length=64)
    role: Role = "viewer"
    scopes: list[Scope] = Field(default=["read"], min_length=1, max_length=5)
    cameras: Cameras | None = None
    days: int | None = Field(365, ge=1, le=36_500)


@router.get("/users")
def users(who: Admin, service: Serving) -> dict[str, Any]:
    """All users."""
    return {"users": [_user(one, service) for one in service.accounts.users()]}


@router.post("/users", status_code=201)
def add_user(wanted: NewUser, request: Request, who: Admin, service: Serving) -> dict[str, Any]:
    """Add a user."""
    password = wanted.password.get_secret_value()
    service.accounts.add(wanted.user, password, wanted.role, wanted.cameras)
    service.kept.note(who.name, client_of(request), "user.added", wanted.user)
    return _found(wanted.user, service)


@router.patch("/users/{user}")
def change_user(
    user: str, wanted: UserChange, request: Request, who: Admin, service: Serving
) -> dict[str, Any]:
    """Change a user's password, role or cameras."""
    changes: dict[str, Any] = {
        key: getattr(wanted, key)
        for key in wanted.model_fields_set
        if key == "cameras" or getattr(wanted, key) is not None
    }
    if wanted.password is not None:
        changes["password"] = wanted.password.get_secret_value()
    service.accounts.change(user, **changes)
    what = f"{user}: {', '.join(sorted(changes))}"
    service.kept.note(who.name, client_of(request), "user.changed", what)
    return _found(user, service)


@router.delete("/users/{user}", status_code=204)
def remove_user(user: str, request: Request, who: Admin, service: Serving) -> None:
    """Remove a user."""
    service.accounts.remove(user)
    service.kept.note(who.name, client_of(request), "user.removed", user)


@router.get("/tokens")
def tokens(who: Admin, service: Serving) -> dict[str, Any]:
    """All tokens, without their secrets."""
    return {"tokens": [_dated(one, service) for one in service.accounts.tokens()]}


@router.post("/tokens", status_code=201)
def add_token(wanted: NewToken, request: Request, who: Admin, service: Serving) -> dict[str, Any]:
    """Add a token; it is shown this once."""
    number, secret = service.accounts.add_token(
        wanted.name, wanted.role, wanted.scopes, wanted.cameras, wanted.days
    )
    service.kept.note(who.name, client_of(request), "token.added", wanted.name)
    [found] = [one for one in service.accounts.tokens() if one["id"] == number]
    return {**_dated(found, service), "token": secret}


@router.delete("/tokens/{number}", status_code=204)
def remove_token(number: int, request: Request, who: Admin, service: Serving) -> None:
    """Remove a token."""
    service.accounts.remove_token(number)
    service.kept.note(who.name, client_of(request), "token.removed", str(number))


@router.get("/audit")
def audit(
    who: Admin,
    service: Serving,
    before: int | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> dict[str, Any]:
    """What was done, newest first."""
    rows = service.kept.audit(before, limit)
    found = [
        {
            "id": row["id"],
            "at": service.iso(row["at"]),
            "user": row["user"],
            "from": row["client"],
            "action": row["action"],
            "object": row["object"],
        }
        for row in rows
    ]
    return {"audit": found, "next": found[-1]["id"] if len(found) == limit else None}


def _found(name: str, service: Service) -> dict[str, Any]:
    [found] = [one for one in service.accounts.users() if one["name"] == name]
    return _user(found, service)


def _user(one: dict[str, Any], service: Service) -> dict[str, Any]:
    return {"user": one["name"], **{k: v for k, v in _dated(one, service).items() if k != "name"}}


def _dated(one: dict[str, Any], service: Service) -> dict[str, Any]:
    """Times as the API tells them."""
    times: dict[str, Any] = {
        key: None if one[key] is None else service.iso(one[key])
        for key in ("made", "seen", "used", "ends")
        if key in one
    }
    return {**one, **times}
