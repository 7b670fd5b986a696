"""What a state directory gets at its first start: the account root's access key, the sealing key, the admin token.

Called by `app.daemon` before anything is served; later starts find everything as it was.
"""

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime

from ringfence.config import Config
from ringfence.core.ids import Entropy, principal_id
from ringfence.core.record import Reader, Record, Writer
from ringfence.iam.session_token import ensure_sealing_key, new_secret, sealing_key
from ringfence.resources.iam import AccessKey
from ringfence.store.database import Store

# What moto's decorators put into the environment of each test. Everybody knows it: only scratch states have it.
_MOTO_KEY = ("FOOBARKEY", "FOOBARSECRET")


@dataclass(frozen=True, slots=True)
class Admin:
    """What the admin file holds: the root's key for AWS clients, the token for the `ringfence` command."""

    access_key_id: str
    secret_access_key: str
    token: str


def prepare(store: Store, config: Config, now: datetime, entropy: Entropy) -> Admin:
    """Make what is missing. The admin file is the only place where the secrets can be read."""
    with store.transaction() as records:
        ensure_sealing_key(records, entropy)
        key = _ensure_root_key(records, config.account, now, entropy)
        if config.scratch:
            records.put(AccessKey(id=_MOTO_KEY[0], secret=_MOTO_KEY[1], account=config.account, created=now))
    told = _read(config)
    token = told.token if told else entropy(32).hex()
    admin = Admin(key.id, key.secret, token)
    if admin != told:
        _write(config, admin)
    return admin


def root_records(records: Reader, account: str) -> tuple[Record, ...]:
    """What a first start made and a reset keeps: the admin file and open sessions stay good."""
    keys = (key for key in records.all(AccessKey) if key.user_name is None and key.account == account)
    return (sealing_key(records), *keys)


class NotScratch(Exception):
    """The state directory has records that somebody made without calling it scratch."""


def mark_scratch(config: Config, store: Store) -> None:
    """Say on disk that all of this state may be thrown away; NotScratch if that was not said at its first start."""
    if store.revision and not config.scratch_file.exists():
        raise NotScratch(str(config.state))
    config.scratch_file.touch(mode=0o600)


def _ensure_root_key(records: Writer, account: str, now: datetime, entropy: Entropy) -> AccessKey:
    for key in records.all(AccessKey):
        if key.user_name is None and key.account == account and key.id != _MOTO_KEY[0]:
            return key
    made = AccessKey(id=principal_id("AKIA", entropy), secret=new_secret(entropy), account=account, created=now)
    records.put(made)
    return made


def _read(config: Config) -> Admin | None:
    try:
        return Admin(**json.loads(config.admin_file.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def _write(config: Config, admin: Admin) -> None:
    temporary = config.admin_file.with_suffix(".new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(asdict(admin), stream)
        stream.flush()
        os.fsync(stream.fileno())
    temporary.replace(config.admin_file)
