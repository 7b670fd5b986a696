"""What the log remembers, what pushes what out, and which calls are whose."""

from datetime import UTC, datetime

import pytest
from botocore.exceptions import ClientError
from daemon import ACCOUNT, local_daemon

from ringfence.core.call import Arrival
from ringfence.core.errors import ServiceError
from ringfence.gateway.authorization.decision_log import DecisionLog, claimed_key
from ringfence.protocol.message import HttpRequest

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HERE = Arrival("203.0.113.7")
DENIED = ServiceError("AccessDenied", "no", 403)


def test_denials_outlive_traffic() -> None:
    log = DecisionLog(calls=2, denials=1)
    log.refuse(log.begin("denied", NOW, HERE), DENIED)
    for number in range(5):
        log.begin(f"call {number}", NOW, HERE)
    assert log.find("call 2") is None
    assert log.find("call 4") is log.last()
    denied = log.last(denied=True)
    assert denied is not None
    assert denied is log.find("denied")
    log.refuse(log.begin("another", NOW, HERE), DENIED)
    assert log.find("denied") is None


def test_what_the_platform_does_is_not_the_last_call_but_may_be_the_last_denial() -> None:
    log = DecisionLog()
    assert log.last() is None
    assert log.last(denied=True) is None
    log.begin("theirs", NOW, HERE)
    own = log.begin("ours", NOW, Arrival(""))
    own.in_process = True
    log.refuse(own, DENIED)
    last, denied = log.last(), log.last(denied=True)
    assert last is not None
    assert denied is not None
    assert (last.request_id, denied.request_id) == ("theirs", "ours")


def test_a_probe_that_fails_is_no_denial_and_other_errors_are_none() -> None:
    log = DecisionLog()
    probe = log.begin("probe", NOW, HERE)
    probe.probe = True
    log.refuse(probe, DENIED)
    log.refuse(log.begin("absent", NOW, HERE), ServiceError("NoSuchBucket", "no", 404))
    assert log.last(denied=True) is None
    unproven = log.begin("unproven", NOW, HERE)
    unproven.authentic = False
    log.refuse(unproven, ServiceError("InvalidClientTokenId", "no", 403))
    assert log.last(denied=True) is unproven


def test_a_concealed_error_is_remembered() -> None:
    log = DecisionLog()
    call = log.begin("concealed", NOW, HERE)
    hidden = ServiceError("AccessDenied", "no", 403)
    hidden.__cause__ = ServiceError("NoSuchKey", "no", 404)
    log.refuse(call, hidden)
    assert call.refusal is not None
    assert call.refusal.instead_of == "NoSuchKey"


@pytest.mark.parametrize(
    ("query", "header", "key"),
    [
        ("", "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260301/us-west-2/s3/aws4_request, Signed…", "AKIAEXAMPLE"),
        ("X-Amz-Credential=AKIAEXAMPLE%2F20260301%2Fus-west-2", None, "AKIAEXAMPLE"),
        ("", "Bearer x", None),
        ("", None, None),
    ],
)
def test_the_key_that_an_unproven_request_names(query: str, header: str | None, key: str | None) -> None:
    headers = (("Authorization", header),) if header else ()
    assert claimed_key(HttpRequest("GET", "/", query, headers, b"")) == key


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


def test_every_answer_carries_the_id_by_which_its_decision_is_found(daemon):
    """In each protocol, of refusals and of results."""
    iam = daemon.client("iam")
    iam.create_user(UserName="nobody")
    made = iam.create_access_key(UserName="nobody")["AccessKey"]
    log, pair = daemon.app.decisions, (made["AccessKeyId"], made["SecretAccessKey"])
    for service, name, request in (
        ("ec2", "describe_vpcs", {}),
        ("iam", "list_users", {}),
        ("logs", "describe_log_groups", {}),
        ("s3", "list_buckets", {}),
        ("sagemaker", "list_models", {}),
    ):
        told = getattr(daemon.client(service), name)(**request)
        found = log.find(told["ResponseMetadata"]["RequestId"])
        assert (found.operation.lower(), found.denied) == (name.replace("_", ""), False)
        with pytest.raises(ClientError) as caught:
            getattr(daemon.client(service, pair), name)(**request)
        found = log.find(caught.value.response["ResponseMetadata"]["RequestId"])
        assert found.denied
        assert found is log.last(denied=True)
        assert found.deciding.decision.layer == "identity"
    with pytest.raises(ClientError) as caught:  # HEAD: the id is all that the answer has
        daemon.client("s3", pair).head_bucket(Bucket="bucket")
    assert log.find(caught.value.response["ResponseMetadata"]["RequestId"]).operation == "HeadBucket"


def test_credentials_that_the_platform_took_are_known_by_their_purpose(daemon):
    iam = daemon.client("iam")
    trust = (
        '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},'
        '"Action":"sts:AssumeRole"}]}'
    )
    iam.create_role(RoleName="app", AssumeRolePolicyDocument=trust)
    app = daemon.app
    before = app.decisions.last(denied=True)
    caller = app._caller.acting_for("SageMaker for endpoint `iris`")
    session = caller.assume(f"arn:aws:iam::{ACCOUNT}:role/app", "s", ("sagemaker.amazonaws.com", "ec2.amazonaws.com"))
    assert app.decisions.last(denied=True) is before  # the first service was only tried
    client = daemon.client(
        "sts", (session.access_key_id, session.secret_access_key), aws_session_token=session.session_token
    )
    told = client.get_caller_identity()
    found = app.decisions.find(told["ResponseMetadata"]["RequestId"])
    assert app.decisions.purpose_of(found) == "SageMaker for endpoint `iris`"
    assert not found.in_process
