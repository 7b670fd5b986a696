"""`ringfence explain call`: the deciding statement and key of each denial, with real clients on stamped sockets.

What a listener in a VPC would stamp is stamped here on loopback; `test_scenario_explain` is the same with real packets.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError
from click.testing import CliRunner, Result

from ringfence.cli.main import main
from ringfence.gateway.listen import Stamp
from tests.daemon import ACCOUNT, REGION, Daemon, listening, local_daemon
from tests.patience import eventually

EVERYBODY = {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}
SERVICE = {"Service": "sagemaker.amazonaws.com"}
IMAGE = "246618743249.dkr.ecr.us-west-2.amazonaws.com/sagemaker-scikit-learn:1.2-1-cpu-py3"
EC2_OF_HOSTING = [
    "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ec2:DescribeDhcpOptions", "ec2:DescribeSecurityGroups",
    "ec2:DescribeVpcEndpoints", "ec2:DescribeNetworkInterfaces", "ec2:CreateNetworkInterface",
    "ec2:CreateNetworkInterfacePermission", "ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission",
]  # fmt: skip


def policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(action: str | list[str], resource: str = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with local_daemon(tmp_path_factory.mktemp("state")) as running:
        yield running


@pytest.fixture(scope="module")
def vpc(daemon: Daemon) -> dict[str, str]:
    ec2 = daemon.client("ec2")
    made = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.modify_vpc_attribute(VpcId=made, EnableDnsHostnames={"Value": True})
    subnets = [
        ec2.create_subnet(VpcId=made, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{REGION}{zone}")
        for number, zone in ((1, "a"), (2, "b"))
    ]
    first, second = (subnet["Subnet"]["SubnetId"] for subnet in subnets)
    return {"id": made, "subnet": first, "second": second}


class Explained:
    """What the command printed."""

    def __init__(self, result: Result) -> None:
        self.exit_code = result.exit_code
        self.lines = result.output.splitlines()
        self.text = result.output

    @property
    def decided(self) -> str:
        """The one line that names the layer, the policy, the statement and the key."""
        (line,) = [line for line in self.lines if line.startswith(("denied: ", "allowed: ", "refused: "))]
        return line

    @property
    def remedy(self) -> str:
        return next(line for line in self.lines if line.startswith("to mend it: "))


@pytest.fixture
def explain(daemon: Daemon) -> Callable[..., Explained]:
    def run(*arguments: str) -> Explained:
        result = CliRunner().invoke(main, ["explain", "call", *arguments, "--state", str(daemon.state)])
        return Explained(result)

    return run


@pytest.fixture
def through(daemon: Daemon, vpc: dict[str, str]) -> Iterator[Callable[..., tuple[str, str]]]:
    """Make a VPC endpoint with this policy: the URL of a socket behind it, and its id. All are gone after the test."""
    ec2 = daemon.client("ec2")
    with ExitStack() as stack:

        def make(service: str, *statements: dict[str, Any]) -> tuple[str, str]:
            kind = {} if service == "s3" else {"VpcEndpointType": "Interface", "SubnetIds": [vpc["subnet"]]}
            id = ec2.create_vpc_endpoint(
                VpcId=vpc["id"],
                ServiceName=f"com.amazonaws.{REGION}.{service}",
                PolicyDocument=json.dumps({"Statement": list(statements)}),
                **kind,
            )["VpcEndpoint"]["VpcEndpointId"]
            stack.callback(ec2.delete_vpc_endpoints, VpcEndpointIds=[id])
            stamp = Stamp(f"the listener at 10.0.1.20:443 in {vpc['id']}", True, vpc["id"], id)
            return stack.enter_context(listening(daemon, stamp)), id

        yield make


@pytest.fixture
def user(daemon: Daemon, request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Give the test's user one policy and get a client of a service as that user."""
    iam = daemon.client("iam")
    iam.create_user(UserName="ana")
    key = iam.create_access_key(UserName="ana")["AccessKey"]

    def client(service: str, *statements: dict[str, Any], url: str | None = None) -> Any:
        if statements:
            iam.put_user_policy(UserName="ana", PolicyName="own", PolicyDocument=policy(*statements))
        options = {"endpoint_url": url} if url else {}
        return daemon.client(service, (key["AccessKeyId"], key["SecretAccessKey"]), **options)

    yield client
    for name in iam.list_user_policies(UserName="ana")["PolicyNames"]:
        iam.delete_user_policy(UserName="ana", PolicyName=name)
    iam.delete_access_key(UserName="ana", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="ana")


@contextmanager
def a_role(daemon: Daemon, trust: dict[str, Any], *statements: dict[str, Any]) -> Iterator[str]:
    iam = daemon.client("iam")
    element = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName="execution", AssumeRolePolicyDocument=policy(element))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName="execution", PolicyName="own", PolicyDocument=policy(*statements))
    try:
        yield arn
    finally:
        for name in iam.list_role_policies(RoleName="execution")["PolicyNames"]:
            iam.delete_role_policy(RoleName="execution", PolicyName=name)
        iam.delete_role(RoleName="execution")


def refused(call: Callable[..., Any], **request: Any) -> str:
    """The request id of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**request)
    identifier: str = caught.value.response["ResponseMetadata"]["RequestId"]
    return identifier


# The whole screen


def test_the_whole_decision_is_on_the_screen(user: Any, through: Any, explain: Any, vpc: Any) -> None:
    url, vpce = through("sagemaker.runtime", EVERYBODY)
    wants = {"StringEquals": {"aws:SourceVpce": "vpce-0other"}}
    runtime = user("sagemaker-runtime", allow("sagemaker:InvokeEndpoint", Sid="Mine", Condition=wants), url=url)
    identifier = refused(runtime.invoke_endpoint, EndpointName="iris", Body=b"")
    told = explain(identifier)
    assert told.exit_code == 1
    assert f"by arn:aws:iam::{ACCOUNT}:user/ana (access key AKIA" in told.text
    assert f"asked: sagemaker:InvokeEndpoint on arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/iris" in told.text
    where = f"the listener at 10.0.1.20:443 in {vpc['id']}"
    assert any(line.split() == ["aws:SourceVpce", "=", vpce, *f"({where})".split()] for line in told.lines), told.text
    assert "aws:SourceIp" not in told.text
    assert "inline policy `own` of user `ana`, statement 1 `Mine` (Allow) does not apply" in told.decided
    assert f"StringEquals aws:SourceVpce [vpce-0other] is not met: aws:SourceVpce is {vpce}" in told.decided
    assert "call through vpce-0other" in told.remedy
    assert "because no identity-based policy allows the sagemaker:InvokeEndpoint action" in told.text
    assert f"VPC endpoint policy: policy of VPC endpoint {vpce}" in told.text


def test_json_says_the_same(user: Any, explain: Any) -> None:
    identifier = refused(user("ec2").delete_vpc, VpcId="vpc-0123")
    told = json.loads(explain("--denied", "--json").text)
    assert told["request_id"] == identifier
    assert told["outcome"] == "denied"
    assert told["error"]["code"] == "UnauthorizedOperation"
    (question,) = told["questions"]
    assert (question["action"], question["layer"], question["explicit"]) == ("ec2:DeleteVpc", "identity", False)
    assert {"key": "aws:username", "values": ["ana"], "source": "the caller's identity"} in question["context"]
    assert told["remedies"] == [
        f"add ec2:DeleteVpc on arn:aws:ec2:{REGION}:{ACCOUNT}:vpc/vpc-0123 to an identity-based policy of user `ana`"
    ]


def test_an_allowed_call_names_what_allowed_it(user: Any, explain: Any) -> None:
    answer = user("ec2", allow("ec2:Describe*", Sid="Look")).describe_vpcs()
    told = explain(answer["ResponseMetadata"]["RequestId"])
    assert told.exit_code == 0
    assert told.decided == (
        "allowed: by identity-based policy: inline policy `own` of user `ana`, statement 1 `Look` (Allow)"
    )
    assert explain().lines[0] == told.lines[0] == explain("--last").lines[0]


def test_policies_are_shown_as_they_were(user: Any, explain: Any) -> None:
    identifier = refused(user("ec2", allow("ec2:DescribeVpcs", Sid="Then")).describe_subnets)
    before = explain(identifier).lines
    user("ec2", allow("ec2:*", Sid="Now")).describe_subnets()
    assert explain(identifier).lines == before


def test_what_is_no_denial(daemon: Daemon, explain: Any) -> None:
    told = explain(refused(daemon.client("ec2").delete_vpc, VpcId="vpc-0123"))
    assert (told.exit_code, told.decided) == (0, "refused: the policies allow it, the operation refuses it")
    told = explain(refused(daemon.client("sagemaker").describe_model, ModelName="no-model"))
    assert told.exit_code == 0


def test_some_of_many_deletions(daemon: Daemon, user: Any, explain: Any) -> None:
    """DeleteObjects answers 200 whatever is among its errors: the last of these is told."""
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="parted", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ("mine/a", "theirs/a"):
        s3.put_object(Bucket="parted", Key=name)
    mine = user("s3", allow("s3:DeleteObject", "arn:aws:s3:::parted/mine/*"))
    answer = mine.delete_objects(Bucket="parted", Delete={"Objects": [{"Key": "mine/a"}, {"Key": "theirs/a"}]})
    told = explain(answer["ResponseMetadata"]["RequestId"])
    assert (
        "denied in part, 1 of 2: no identity-based policy allows s3:DeleteObject on arn:aws:s3:::parted/theirs/a"
        in told.text
    )
    assert explain("--denied").lines[0] == told.lines[0]
    assert told.remedy
    s3.delete_object(Bucket="parted", Key="theirs/a")
    s3.delete_bucket(Bucket="parted")


def test_who_is_not_proven(daemon: Daemon, explain: Any) -> None:
    told = explain(refused(daemon.client("sts", ("AKIANOBODYNOBODYNOBO", "x")).get_caller_identity))
    assert told.exit_code == 1
    assert "the request names access key AKIANOBODYNOBODYNOBO" in told.text
    assert "ringfence env" in told.remedy
    own = daemon.env["AWS_ACCESS_KEY_ID"]
    told = explain(refused(daemon.client("s3", (own, "wrong")).list_buckets))
    assert "the access key's own secret" in told.remedy


def test_unknown_calls_and_contradictions(explain: Any) -> None:
    told = explain("no-such-id")
    assert told.exit_code == 64
    assert "explain path" in told.text  # a call that never came has no decision
    assert explain("some-id", "--last").exit_code == 64


def test_an_encoded_message_has_awss_shape(daemon: Daemon, user: Any) -> None:
    deny = {"Sid": "Never", "Effect": "Deny", "Action": "ec2:DeleteVpc", "Resource": "*"}
    with pytest.raises(ClientError) as caught:
        user("ec2", allow("ec2:*"), deny).delete_vpc(VpcId="vpc-0123")
    sealed = caught.value.response["Error"]["Message"].rpartition(" ")[2]
    told = json.loads(daemon.client("sts").decode_authorization_message(EncodedMessage=sealed)["DecodedMessage"])
    assert (told["allowed"], told["explicitDeny"], told["failures"]) == (False, True, {"items": []})
    (matched,) = told["matchedStatements"]["items"]
    assert (matched["statementId"], matched["effect"]) == ("Never", "DENY")
    assert matched["actions"] == {"items": [{"value": "ec2:DeleteVpc"}]}
    assert told["context"]["action"] == "ec2:DeleteVpc"
    items = {item["key"]: item["values"]["items"] for item in told["context"]["conditions"]["items"]}
    assert items["aws:username"] == [{"value": "ana"}]
    refused(user("sts").decode_authorization_message, EncodedMessage=sealed)  # it takes a permission


# Row 3 of the failures that users meet: the execution role lacks EC2 permissions


def test_role_without_ec2_permissions(daemon: Daemon, explain: Any, vpc: dict[str, str]) -> None:
    sagemaker, ec2 = daemon.client("sagemaker"), daemon.client("ec2")
    group = ec2.create_security_group(GroupName="model", Description="model", VpcId=vpc["id"])["GroupId"]
    lacking = [action for action in EC2_OF_HOSTING if action != "ec2:CreateNetworkInterface"]
    with a_role(daemon, SERVICE, allow(lacking)) as role:
        sagemaker.create_model(
            ModelName="m",
            PrimaryContainer={"Image": IMAGE},
            ExecutionRoleArn=role,
            VpcConfig={"Subnets": [vpc["subnet"], vpc["second"]], "SecurityGroupIds": [group]},
        )
        variant = {"VariantName": "v", "ModelName": "m", "InitialInstanceCount": 1, "InstanceType": "ml.m5.large"}
        sagemaker.create_endpoint_config(EndpointConfigName="c", ProductionVariants=[variant])
        sagemaker.create_endpoint(EndpointName="row-three", EndpointConfigName="c")
        told = _await_denial(explain, "made by SageMaker for endpoint `row-three`")
        eventually(lambda: sagemaker.describe_endpoint(EndpointName="row-three")["EndpointStatus"], "Failed".__eq__)
        sagemaker.delete_endpoint(EndpointName="row-three")
    assert told.exit_code == 1
    assert "no identity-based policy allows ec2:CreateNetworkInterface" in told.decided
    assert "add ec2:CreateNetworkInterface on" in told.remedy
    assert told.remedy.endswith("to an identity-based policy of role `execution`")
    assert "from inside AWS: by no address and no VPC endpoint" in told.text


def _await_denial(explain: Any, text: str) -> Explained:
    told: Explained = eventually(lambda: explain("--denied"), lambda told: text in told.text, pause=0.1)
    return told


# Row 6: the role, its trust, and a bucket policy that only admits a VPC endpoint


@pytest.fixture
def archive(daemon: Daemon) -> Iterator[str]:
    s3 = daemon.client("s3")
    s3.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_object(Bucket="models", Key="model.tar.gz", Body=b"x")
    yield "s3://models/model.tar.gz"
    s3.delete_bucket_policy(Bucket="models")
    s3.delete_object(Bucket="models", Key="model.tar.gz")
    s3.delete_bucket(Bucket="models")


def _create_model(daemon: Daemon, role: str, data: str) -> str:
    container = {"Image": IMAGE, "ModelDataUrl": data}
    sagemaker = daemon.client("sagemaker")
    return refused(sagemaker.create_model, ModelName="m6", PrimaryContainer=container, ExecutionRoleArn=role)


def test_role_that_does_not_trust_sagemaker(daemon: Daemon, explain: Any, archive: str) -> None:
    with a_role(daemon, {"Service": "ec2.amazonaws.com"}, allow("s3:*")) as role:
        told = explain(_create_model(daemon, role, archive))
    assert told.exit_code == 1
    assert "trust policy of role `execution`, statement 1 (Allow) does not apply" in told.decided
    assert "it names Service ec2.amazonaws.com, not sagemaker.amazonaws.com" in told.decided
    assert 'allow sts:AssumeRole to {"Service": "sagemaker.amazonaws.com"}' in told.remedy


def test_role_that_may_not_read_the_data(daemon: Daemon, explain: Any, archive: str) -> None:
    with a_role(daemon, SERVICE, allow("s3:GetObject", "arn:aws:s3:::others/*")) as role:
        told = explain(_create_model(daemon, role, archive))
    assert "it is about arn:aws:s3:::others/*, not arn:aws:s3:::models/model.tar.gz" in told.decided
    assert "add s3:GetObject on arn:aws:s3:::models/model.tar.gz" in told.remedy


def test_bucket_that_only_admits_an_endpoint(daemon: Daemon, explain: Any, archive: str) -> None:
    only = {
        "Sid": "Only from my endpoint",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::models/*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1a2b3c4d"}},
    }
    daemon.client("s3").put_bucket_policy(Bucket="models", Policy=policy(only))
    with a_role(daemon, SERVICE, allow("s3:*")) as role:
        told = explain(_create_model(daemon, role, archive))
    assert "explicit deny in resource-based policy: policy of bucket `models`" in told.decided
    assert "statement 1 `Only from my endpoint` (Deny) applies" in told.decided
    assert "StringNotEquals aws:SourceVpce [vpce-1a2b3c4d] is met: aws:SourceVpce is absent" in told.decided
    assert "the call was made inside AWS, by no network path" in told.decided
    assert "so that it spares aws:PrincipalArn" in told.remedy, "no path through an endpoint leads to such a call"


# Row 10: STS from a VPC


def test_sts_over_the_internet_where_an_endpoint_is_wanted(daemon: Daemon, user: Any, explain: Any) -> None:
    wants = {"StringEquals": {"aws:SourceVpc": "vpc-1a2b3c4d"}}
    with a_role(daemon, {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ana"}) as role:
        sts = user("sts", allow("sts:AssumeRole", role, Condition=wants))
        daemon.client("iam").update_assume_role_policy(
            RoleName="execution",
            PolicyDocument=policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}),
        )
        told = explain(refused(sts.assume_role, RoleArn=role, RoleSessionName="ana"))
    assert "StringEquals aws:SourceVpc [vpc-1a2b3c4d] is not met: aws:SourceVpc is absent" in told.decided
    assert "internet path" in told.decided
    assert "STS's API through a VPC endpoint would have it" in told.decided
    assert "call through a VPC endpoint in vpc-1a2b3c4d" in told.remedy


def test_sts_endpoint_whose_policy_lacks_assume_role(daemon: Daemon, user: Any, explain: Any, through: Any) -> None:
    url, vpce = through("sts", {**EVERYBODY, "Action": "sts:GetCallerIdentity"})
    with a_role(daemon, {"AWS": ACCOUNT}) as role:
        sts = user("sts", allow("sts:AssumeRole", role), url=url)
        told = explain(refused(sts.assume_role, RoleArn=role, RoleSessionName="ana"))
    assert "no VPC endpoint policy allows sts:AssumeRole" in told.decided
    assert f"let the policy of VPC endpoint {vpce} (interface endpoint in vpc-" in told.remedy
    assert "in which no Allow statement is about the action" in told.remedy


# Row 11: the VPC endpoint's policy


RUNTIME = "arn:aws:sagemaker:*:*:endpoint"
BEA = f"arn:aws:iam::{ACCOUNT}:user/bea"


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({**EVERYBODY, "Resource": f"{RUNTIME}/iris"}, f"it is about {RUNTIME}/iris, not arn:aws:sagemaker:"),
        ({**EVERYBODY, "Resource": f"{RUNTIME}-config/*"}, f"it is about {RUNTIME}-config/*, not"),
        ({**EVERYBODY, "Principal": {"AWS": BEA}}, f"it names AWS {BEA}, not arn:aws:iam::{ACCOUNT}:user/ana"),
        ({**EVERYBODY, "Effect": "Deny", "Action": "sagemaker:CreateModel"}, "no Allow statement is about the action"),
        ({**EVERYBODY, "Effect": "Deny", "Sid": "No"}, "explicit deny in VPC endpoint policy"),
    ],
)
def test_endpoint_policy(statement: Any, said: str, user: Any, explain: Any, through: Any) -> None:
    url, vpce = through("sagemaker.runtime", statement)
    runtime = user("sagemaker-runtime", allow("sagemaker:*"), url=url)
    told = explain(refused(runtime.invoke_endpoint, EndpointName="other", Body=b""))
    assert "VPC endpoint policy" in told.decided
    assert said in told.decided
    assert vpce in told.remedy


def test_gateway_endpoint_policy_that_names_a_principal(user: Any, explain: Any, through: Any) -> None:
    url, _ = through("s3", {**EVERYBODY, "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:user/ana"}})
    told = explain(refused(user("s3", allow("s3:*"), url=url).list_buckets))
    assert "names principals by `*` alone, narrowed by aws:PrincipalArn" in told.decided
    assert "(gateway endpoint in vpc-" in told.remedy


def test_a_sid_that_aws_might_not_store(daemon: Daemon, user: Any, explain: Any) -> None:
    """AWS's own SageMaker pages have such identity policies, so they are taken; bucket policies may have them."""
    iam = user("iam", allow("iam:GetUser", Sid="Enable SageMaker Studio Access"))
    told = explain(refused(iam.list_roles))
    assert any(
        line.startswith("beware: ") and "may refuse to store `Enable SageMaker Studio Access`" in line
        for line in told.lines
    )
    iam = user("iam", allow("iam:GetUser", Sid="EnableSageMakerStudioAccess"))
    assert "beware" not in explain(refused(iam.list_roles)).text
