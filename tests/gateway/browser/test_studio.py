"""Presigned URLs and sessions of Studio against a clock, other domains and other networks; what passes to an app."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from direct_calls import ACCOUNT, Aws

from ringfence.core.call import Arrival, Principal
from ringfence.core.errors import ServiceError
from ringfence.core.results import Forward, ForwardReply
from ringfence.gateway.browser.proxy_headers import confine
from ringfence.gateway.browser.studio import Asked, Studio
from ringfence.gateway.invocation.upstream import Flow
from ringfence.gateway.perform import Gateway
from ringfence.resources.iam import User
from ringfence.resources.studio import (
    App,
    AppStatus,
    Domain,
    HomeStatus,
    PresignedUrl,
    Space,
    StudioSession,
    UserProfile,
)
from ringfence.store.blobs import BlobStore

DOMAIN = "d-0123456789ab"
EVERYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
HOST = f"{DOMAIN}.studio.us-west-2.sagemaker.aws"
PREFIX = f"arn:aws:sagemaker:us-west-2:{ACCOUNT}"
NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
OUTSIDE = Arrival("203.0.113.7", tls=True)


class Door:
    """Studio over a real store, with a clock that is set. `url` makes a presigned URL's token."""

    def __init__(self, directory: Path) -> None:
        self.aws = Aws(directory)
        self.now = NOW

        async def forward(_: Forward) -> ForwardReply:
            raise AssertionError("no container is called")

        async def open_flow(_: Forward) -> tuple[ForwardReply, Flow | None]:
            raise AssertionError("no container is called")

        gateway = Gateway(
            region="us-west-2",
            store=self.aws.store,
            blobs=BlobStore(directory / "blobs"),
            services=frozenset({"sagemaker"}),
            forward=forward,
            open_flow=open_flow,
            now=lambda: self.now,
            entropy=self.aws.entropy,
        )
        self.gateway = gateway
        self.studio = Studio(gateway)

    def put(self, *records: Any) -> None:
        with self.aws.store.transaction() as transaction:
            for record in records:
                transaction.put(record)

    def url(self, **changes: Any) -> str:
        self.aws.now = self.now - timedelta(seconds=1)  # a call takes one
        made = self.aws("sagemaker", "CreatePresignedDomainUrl", DomainId=DOMAIN, UserProfileName="ann", **changes)
        return str(made["AuthorizedUrl"].partition("?token=")[2])

    def asked(self, host: str = HOST) -> Asked:
        return Asked(host, OUTSIDE, {})

    def refused(self, token: str, host: str = HOST) -> int:
        with pytest.raises(ServiceError) as refusal:
            self.studio.open(self.asked(host), token)
        return refusal.value.status

    def judged(self, cookie: str | None, host: str = HOST) -> int:
        try:
            self.studio.judge(self.asked(host), cookie)
        except ServiceError as error:
            return error.status
        return 200


@pytest.fixture
def door(tmp_path: Path) -> Door:
    made = Door(tmp_path)
    own: dict[str, Any] = {"account": ACCOUNT, "region": "us-west-2", "created": NOW}
    domain = Domain(
        id=DOMAIN, name="team", arn=f"{PREFIX}:domain/{DOMAIN}", file_system_id="fs-0", auth_mode="IAM", vpc_id="vpc-1",
        subnet_ids=("subnet-a",), access="VpcOnly", modified=NOW, spec={"DefaultUserSettings": {}}, **own,
    )  # fmt: skip
    arn = f"{PREFIX}:user-profile/{DOMAIN}/ann"
    profile = UserProfile(name="ann", arn=arn, domain_id=DOMAIN, uid=200001, modified=NOW, spec={}, **own)
    made.put(domain, profile, HomeStatus(arn=arn, status="InService", generation=1, modified=NOW))
    return made


@pytest.mark.parametrize("seconds", [5, 300])
def test_a_url_opens_once_and_for_so_long(door: Door, seconds: int) -> None:
    token = door.url(ExpiresInSeconds=seconds)
    late = door.url(ExpiresInSeconds=seconds)
    door.now = NOW + timedelta(seconds=seconds - 1)
    opened = door.studio.open(door.asked(), token)
    assert (opened.location, opened.seconds) == ("/jupyterlab/default/lab", 43_200)
    assert door.refused(token) == 403
    door.now = NOW + timedelta(seconds=seconds)
    assert door.refused(late) == 403


def test_a_session_lasts_so_long(door: Door) -> None:
    opened = door.studio.open(door.asked(), door.url(SessionExpirationDurationInSeconds=1800))
    door.now = NOW + timedelta(seconds=1799)
    assert door.judged(opened.cookie) == 200
    door.now = NOW + timedelta(seconds=1800)
    assert door.judged(opened.cookie) == 401


def test_neither_is_of_use_on_another_name(door: Door) -> None:
    token = door.url()
    for host in (
        "d-ba9876543210.studio.us-west-2.sagemaker.aws",
        f"{DOMAIN}.studio.eu-west-1.sagemaker.aws",
        "localhost",
    ):
        assert door.refused(token, host) in (403, 404)
    cookie = door.studio.open(door.asked(), token).cookie
    assert door.judged(cookie, "d-ba9876543210.studio.us-west-2.sagemaker.aws") == 401
    assert door.judged(cookie, "evil.example") == 404
    # the port that browsers leave out, and names in capitals, are the same host
    assert door.judged(cookie, f"{HOST.upper()}:443") == 200
    assert [door.judged(one) for one in (None, "", token, "x" * 64)] == [401] * 4


def test_secrets_are_kept_as_digests_alone(door: Door) -> None:
    token = door.url()
    cookie = door.studio.open(door.asked(), door.url()).cookie
    kept = ""
    with door.aws.store.transaction() as records:
        kept += repr([*records.all(PresignedUrl), *records.all(StudioSession)])
    assert token not in kept
    assert cookie not in kept


def test_a_deleted_profile_closes_what_it_has_open(door: Door) -> None:
    token = door.url()
    cookie = door.studio.open(door.asked(), door.url()).cookie
    door.aws("sagemaker", "DeleteUserProfile", DomainId=DOMAIN, UserProfileName="ann")
    assert (door.refused(token), door.judged(cookie)) == (403, 401)


def test_a_session_sees_its_own_apps_only(door: Door) -> None:
    cookie = door.studio.open(door.asked(), door.url()).cookie
    session = door.studio.judge(door.asked(), cookie)
    for owner, instance in (("ann", "i-ann"), ("bob", "i-bob")):
        arn = f"{PREFIX}:app/{DOMAIN}/{owner}/JupyterLab/{'default' if owner == 'ann' else 'other'}"
        app = App(
            name=arn.rpartition("/")[2], account=ACCOUNT, region="us-west-2", arn=arn, created=NOW, domain_id=DOMAIN,
            owner=owner, in_space=False, type="JupyterLab", launch="1", instance_type="ml.t3.medium", role_arn="r",
            spec={},
        )  # fmt: skip
        status = AppStatus(arn=arn, launch="1", status="InService", modified=NOW, instance_id=instance)
        door.put(app, status)
    assert door.studio.find_app(session, "/jupyterlab/default/lab") == "i-ann"
    for path in (
        "/jupyterlab/other/lab",
        "/jupyter/default/lab",
        "/jupyterlab/../x",
        "/",
        "/jupyterlab/default%2f/lab",
    ):
        with pytest.raises(ServiceError) as refusal:
            door.studio.find_app(session, path)
        assert refusal.value.status == 404
    assert door.studio.home(session) == "/jupyterlab/default/lab"


def test_landing_uris(door: Door) -> None:
    token = door.url(LandingUri="app:JupyterServer:tree/x")
    assert door.studio.open(door.asked(), token).location == "/jupyter/default/tree/x"
    with pytest.raises(ServiceError, match=r"app:Canvas:"):
        door.url(LandingUri="app:Canvas:")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("_xsrf=2|a; Path=/jupyterlab/default/", "_xsrf=2|a; SameSite=Lax; Path=/b/; Secure"),
        ("a=1; Domain=sagemaker.aws; Path=/; HttpOnly", "a=1; HttpOnly; SameSite=Lax; Path=/b/; Secure"),
        ("a=1; samesite=None; SECURE", "a=1; samesite=None; Path=/b/; Secure"),
        ("__Host-StudioSession=stolen; Path=/; Secure", None),
        ("__secure-x=1; Secure", None),
    ],
)
def test_cookies_of_apps_stay_in_their_path(given: str, kept: str | None) -> None:
    assert confine(given, "/b/") == kept


def test_a_private_space_that_is_made_again_by_another_is_closed(door: Door) -> None:
    """Also to a session that was opened when it was one's own."""
    own: dict[str, Any] = {"account": ACCOUNT, "region": "us-west-2", "created": NOW}
    arn = f"{PREFIX}:space/{DOMAIN}/desk"
    space = Space(name="desk", arn=arn, domain_id=DOMAIN, uid=200002, modified=NOW, spec={}, owner="ann", **own)
    door.put(space)
    token = door.url(SpaceName="desk")
    cookie = door.studio.open(door.asked(), door.url(SpaceName="desk")).cookie
    assert door.judged(cookie) == 200
    door.put(msgspec.structs.replace(space, owner="bob"))
    assert (door.judged(cookie), door.refused(token)) == (403, 403)
    with pytest.raises(ServiceError, match="is private and not of UserProfile"):
        door.url(SpaceName="desk")
    door.put(msgspec.structs.replace(space, spec={"SpaceSharingSettings": {"SharingType": "Shared"}}, owner="bob"))
    assert door.judged(cookie) == 200
    # gone, and what was open of it with it
    door.aws("sagemaker", "DeleteSpace", DomainId=DOMAIN, SpaceName="desk")
    assert (door.judged(cookie), door.refused(token)) == (401, 403)


def test_what_was_opened_ends_with_who_opened_it(door: Door) -> None:
    """A user's policies, then the user: asked at each use, never remembered."""
    user = User(name="eve", account=ACCOUNT, id="AIDAEVE", created=NOW, policies={"all": EVERYTHING})
    door.put(user)
    cookie = door.studio.open(door.asked(), door.url()).cookie
    with door.aws.store.transaction() as records:
        (session,) = records.all(StudioSession)
        eve = Principal(kind="user", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:user/eve", id="AIDAEVE")
        records.put(msgspec.structs.replace(session, principal=eve))
    assert door.judged(cookie) == 200
    door.put(msgspec.structs.replace(user, policies={}))
    assert door.judged(cookie) == 403
    door.put(user)
    assert door.judged(cookie) == 200
    with door.aws.store.transaction() as records:
        records.delete(user)
    assert door.judged(cookie) == 403
    # a namesake is another person
    door.put(msgspec.structs.replace(user, id="AIDAOTHER"))
    assert door.judged(cookie) == 403


@pytest.mark.parametrize("change", [{"deleting": "Delete"}, None])
def test_a_domain_that_goes_closes_its_doors(door: Door, change: dict[str, Any] | None) -> None:
    cookie = door.studio.open(door.asked(), door.url()).cookie
    with door.aws.store.transaction() as records:
        (domain,) = records.all(Domain)
        records.delete(domain)
        if change:
            records.put(msgspec.structs.replace(domain, **change))
    assert door.judged(cookie) == 403


@pytest.mark.parametrize("landing", ["app:JupyterLab:a\r\nSet-Cookie: x=1", "app:JupyterLab:ü", "https://evil.example"])
def test_landing_uris_stay_on_the_host(door: Door, landing: str) -> None:
    with pytest.raises(ServiceError, match="does not implement the LandingUri"):
        door.url(LandingUri=landing)
    token = door.url(LandingUri="app:JupyterLab://evil.example/")
    assert door.studio.open(door.asked(), token).location == "/jupyterlab/default/evil.example/"
