"""Logging in and out, and the first password."""

from __future__ import annotations

import ipaddress
from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field, SecretStr
from starlette.requests import HTTPConnection, Request

from pipeline import __version__
from pipeline.web.access import (
    Reader,
    Serving,
    client_of,
    cookie_name,
    of_this_site,
    service_of,
    who_asks,
)
from pipeline.web.accounts import LONGEST_MS, ConflictError
from pipeline.web.limiter import network
from pipeline.web.mistakes import RefusedError
from pipeline.web.passwords import digest
from pipeline.web.service import Service
from pipeline.web.who import Who

router = APIRouter(tags=["login"])


class Login(BaseModel):
    """A user and a password."""

    user: str = Field(max_length=64)
    password: SecretStr = Field(max_length=200)


class Leaving(BaseModel):
    """Which sessions end."""

    everywhere: bool = False


class NewPassword(BaseModel):
    """A password, and the one before it."""

    old: SecretStr = Field(max_length=200)
    new: SecretStr = Field(max_length=200)


def told(who: Who, service: Service) -> dict[str, Any]:
    """Who is logged in, as the API tells it."""
    return {
        "user": who.name,
        "role": who.role,
        "cameras": None if who.cameras is None else sorted(who.cameras),
        "scopes": None if who.scopes is None else sorted(who.scopes),
        "setup": False,
        "zone": service.zone.key,
        "version": __version__,
        "raw_live": who.may("operator", "live"),
    }


@router.get("/me")
def me(who: Reader, service: Serving) -> dict[str, Any]:
    """Who is logged in."""
    return told(who, service)


@router.post("/setup", status_code=201)
def setup(wanted: Login, request: Request, response: Response) -> dict[str, Any]:
    """The first user, from this machine alone."""
    service = service_of(request)
    _refuse_other_sites(request)
    if not service.accounts.empty:
        raise ConflictError("there is a user already; log in")
    if not _from_here(request):
        raise RefusedError(
            403,
            "role",
            "the first password is set on the machine itself: http://127.0.0.1, or with: "
            "threadline user add",
        )
    service.accounts.add(wanted.user, wanted.password.get_secret_value(), "admin")
    service.kept.note(wanted.user, client_of(request), "setup")
    return _begin(wanted.user, request, response)


@router.post("/login")
def login(wanted: Login, request: Request, response: Response) -> dict[str, Any]:
    """A session, by a cookie."""
    service, client = service_of(request), client_of(request)
    _refuse_other_sites(request)
    if service.accounts.empty:
        raise RefusedError(401, "setup", "nobody is set up yet; choose a password")
    keys = (f"user {wanted.user}", f"client {network(client)}")
    if wait_s := service.limiter.wait_s(*keys):
        raise RefusedError(429, "slow", f"too many tries; wait {wait_s:.0f} s", retry_s=wait_s)
    if not service.accounts.right(wanted.user, wanted.password.get_secret_value()):
        service.limiter.failed(*keys)
        service.kept.note(wanted.user[:64], client, "login.failed")
        raise RefusedError(401, "credentials", "user or password is wrong")
    service.limiter.passed(*keys)
    service.kept.note(wanted.user, client, "login")
    return _begin(wanted.user, request, response)


@router.post("/logout", status_code=204)
def logout(request: Request, response: Response, leaving: Leaving | None = None) -> None:
    """End this session, or all of this user."""
    who, service = who_asks(request), service_of(request)
    if who is not None and who.session is not None:
        service.accounts.end(who.session)
        if leaving is not None and leaving.everywhere:
            service.accounts.end_all(who.name)
        service.kept.note(who.name, client_of(request), "logout")
    response.delete_cookie(cookie_name(request), path="/")


@router.post("/password", status_code=204)
def password(wanted: NewPassword, request: Request, who: Reader, service: Serving) -> None:
    """Another password; all other sessions of this user end."""
    if who.session is None:
        raise RefusedError(403, "role", "a token has no password")
    keys = (f"user {who.name}",)
    if wait_s := service.limiter.wait_s(*keys):
        raise RefusedError(429, "slow", f"too many tries; wait {wait_s:.0f} s", retry_s=wait_s)
    if not service.accounts.right(who.name, wanted.old.get_secret_value()):
        service.limiter.failed(*keys)
        raise RefusedError(401, "credentials", "the old password is wrong")
    service.accounts.change(who.name, but=who.session, password=wanted.new.get_secret_value())
    service.kept.note(who.name, client_of(request), "password.changed")


def _begin(user: str, request: Request, response: Response) -> dict[str, Any]:
    """A new session; the one before it, which somebody else may have planted, ends."""
    service, name = service_of(request), cookie_name(request)
    if before := request.cookies.get(name):
        service.accounts.end(digest(before))
    secret = service.accounts.begin(user)
    response.set_cookie(
        name,
        secret,
        max_age=LONGEST_MS // 1000,
        path="/",
        secure=name.startswith("__Host-"),
        httponly=True,
        samesite="strict",
    )
    who = service.accounts.of_session(secret)
    assert who is not None
    return told(who, service)


def _refuse_other_sites(request: HTTPConnection) -> None:
    if of_this_site(request) is False:
        raise RefusedError(403, "origin", "asked by a page of another site; nothing was done")


def _from_here(request: HTTPConnection) -> bool:
    """Whether somebody on this machine asks, not through a proxy, and by a name that no other site
    can have."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    try:
        return ipaddress.ip_address(client_of(request)).is_loopback and request.url.hostname in (
            "127.0.0.1",
            "localhost",
            "::1",
        )
    except ValueError:
        return False
