"""API keys: who may ask for what. The file holds names, scopes and salted digests; a key itself is shown once, when it is made.

A key is `bml_ID_SECRET`: the identifier finds the record, the secret is 32 random bytes, so that one salted SHA-256 is as hard to
turn back as any slower function would be.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from barmill.artefacts import readable_json, storage_errors, write_bytes
from barmill.errors import InputError
from barmill.serving.refusals import Refusal

Scope = Literal["forecast", "stream", "read", "manage"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
_KEY = re.compile(r"bml_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_FIELDS = {"name", "id", "scopes", "salt", "sha256"}


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody who asks: by which name, and for what."""

    name: str
    scopes: frozenset[str]


ANYBODY = Principal("", frozenset(SCOPES) - {"manage"})  # where no keys are asked for


class Known(Protocol):
    """Who knows keys: those of a file as it was once, or as it is now."""

    def principal(self, key: str) -> Principal:
        """Whose `key` it is. Raises Refusal (unauthorised)."""
        ...


@dataclass(frozen=True, slots=True)
class _Record:
    principal: Principal
    salt: bytes
    digest: bytes


_NOBODY = _Record(Principal("", frozenset()), b"\0" * 16, b"\0" * 32)  # compared with where the identifier is unknown: as long, and in vain


class Keys:
    """The keys of a file. Immutable; safe to share."""

    def __init__(self, records: Sequence[tuple[str, _Record]]) -> None:
        self._records = dict(records)

    def __len__(self) -> int:
        return len(self._records)

    @classmethod
    def read(cls, path: Path) -> "Keys":
        """The keys of `path`. Raises InputError naming what is wrong in it, never what a digest is."""
        return cls([_record(path, number, one) for number, one in enumerate(_entries(path))])

    def principal(self, key: str) -> Principal:
        """Whose `key` it is. Raises Refusal (unauthorised); takes as long for an unknown key as for a wrong one."""
        parts = _KEY.fullmatch(key)
        identifier, secret = parts.groups() if parts else ("", "")
        record = self._records.get(identifier, _NOBODY)
        same = hmac.compare_digest(_digest(record.salt, secret), record.digest)
        if not same or record is _NOBODY:
            raise Refusal("unauthorised", "unknown_key", "authorization", "is no key that is known", mend="Ask for a key.")
        return record.principal


def bearer(authorization: str | None, api_key: str | None) -> str:
    """The key in the headers `Authorization: Bearer KEY` or `X-API-Key: KEY`. Raises Refusal where there is none."""
    if authorization is not None:
        kind, _, key = authorization.partition(" ")
        if kind.lower() == "bearer" and key:
            return key.strip()
    elif api_key:
        return api_key
    mend = "Send the header 'Authorization: Bearer KEY'."
    raise Refusal("unauthorised", "no_key", "authorization", "is missing, or is no bearer's", mend=mend)


def add_key(path: Path, name: str, scopes: Sequence[str]) -> str:
    """A new key for `name`, written to `path` (which is made, readable by its owner alone). Returns the key, which is nowhere kept."""
    if not _NAME.fullmatch(name):
        raise InputError("name", f"'{name}' is no name of a key", expected="letters, digits and . _ @ -, at most 64")
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise InputError("scope", f"'{unknown[0]}'" if unknown else "none is given", expected=f"some of {', '.join(SCOPES)}")
    entries = _entries(path) if path.exists() else []
    if any(one.get("name") == name for one in entries):
        raise InputError(str(path), f"has a key of {name}", mend="Take another name, or remove the old one from the file first.")
    identifier, secret, salt = secrets.token_hex(8), secrets.token_urlsafe(32), os.urandom(16)
    ordered = [scope for scope in SCOPES if scope in scopes]
    entries.append({"name": name, "id": identifier, "scopes": ordered, "salt": salt.hex(), "sha256": _digest(salt, secret).hex()})
    owner = path.stat() if path.exists() else None
    write_bytes(path, readable_json({"keys": entries}))
    with storage_errors(path):
        path.chmod(0o600)
        if owner is not None and os.geteuid() == 0:  # else what root adds to could be read no longer by the server, which is not root
            os.chown(path, owner.st_uid, owner.st_gid)
    return f"bml_{identifier}_{secret}"


def _digest(salt: bytes, secret: str) -> bytes:
    return hashlib.sha256(salt + secret.encode()).digest()


def _entries(path: Path) -> list[dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), "cannot be read", mend="Make one: barmill serve-key NAME --keys FILE.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "is no JSON", mend="Make it anew: barmill serve-key NAME --keys FILE.") from error
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list) or not all(isinstance(one, dict) for one in keys):
        raise InputError(str(path), "is no file of keys", expected='{"keys": [{"name": ..., "scopes": [...], ...}]}')
    return keys


def _record(path: Path, number: int, entry: dict[str, Any]) -> tuple[str, _Record]:
    place = f"{path}:keys[{number}]"
    if set(entry) != _FIELDS:
        raise InputError(place, f"has {', '.join(sorted(map(str, entry)))}", expected=", ".join(sorted(_FIELDS)))
    scopes = entry["scopes"] if isinstance(entry["scopes"], list) else [entry["scopes"]]
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise InputError(f"{place}.scopes", f"'{unknown[0]}'", expected=f"some of {', '.join(SCOPES)}")
    try:
        salt, digest = bytes.fromhex(entry["salt"]), bytes.fromhex(entry["sha256"])
    except (TypeError, ValueError) as error:
        raise InputError(place, "salt or sha256 are not hexadecimal", mend="Make the key anew.") from error
    if len(digest) != 32 or len(salt) < 16:
        raise InputError(place, "salt or sha256 are too short", mend="Make the key anew.")
    return str(entry["id"]), _Record(Principal(str(entry["name"]), frozenset(scopes)), salt, digest)


__all__ = ["ANYBODY", "SCOPES", "Keys", "Known", "Principal", "Scope", "add_key", "bearer"]
