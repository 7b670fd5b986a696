"""What the first start makes, and what later ones keep."""

import json
import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ringfence.app.first_start import prepare
from ringfence.config import Config
from ringfence.iam.session_token import sealing_key
from ringfence.resources.iam import AccessKey
from ringfence.store.database import open_store

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def store(tmp_path):
    opened = open_store(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def config(tmp_path):
    return Config(tmp_path)


def start(store, config):
    return prepare(store, config, NOW, os.urandom)


def test_a_key_of_the_root_and_a_token_that_only_the_owner_can_read(store, config):
    admin = start(store, config)
    assert json.loads(config.admin_file.read_text()) == {
        "access_key_id": admin.access_key_id,
        "secret_access_key": admin.secret_access_key,
        "token": admin.token,
    }
    assert config.admin_file.stat().st_mode & 0o777 == 0o600
    key = store.load(AccessKey, admin.access_key_id)
    assert (key.user_name, key.account, len(key.id), len(key.secret)) == (None, config.account, 20, 40)
    assert len(sealing_key(store.snapshot()).secret) == 32


def test_a_later_start_changes_nothing(store, config):
    first, revision = start(store, config), store.revision
    assert start(store, config) == first
    assert store.revision == revision


@pytest.mark.parametrize("content", [None, "", "{}", "[1]"])
def test_a_lost_or_broken_file_is_written_anew_with_the_same_key(store, config, content):
    first = start(store, config)
    config.admin_file.unlink()
    if content is not None:
        config.admin_file.write_text(content)
    second = start(store, config)
    assert (second.access_key_id, second.secret_access_key) == (first.access_key_id, first.secret_access_key)
    assert second.token != first.token


def test_no_two_state_directories_share_a_key(store, config, tmp_path):
    other = open_store(tmp_path / "other")
    try:
        assert start(other, Config(tmp_path / "other")) != start(store, config)
    finally:
        other.close()


def test_another_account_on_the_same_state_gets_a_root_of_its_own(store, config):
    first = start(store, config)
    second = start(store, replace(config, account="210987654321"))
    assert second.access_key_id != first.access_key_id
    assert start(store, config).access_key_id == first.access_key_id
