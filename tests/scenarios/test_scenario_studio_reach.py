"""What apps of Studio need in the VPC, and what is said when it is missing; endpoint policies on who starts and opens.

https://docs.aws.amazon.com/sagemaker/latest/dg/studio-notebooks-and-internet-access.html
"""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from demo.story import Story, expect
from ringfence.config import DEFAULT_STUDIO
from tests.patience import eventually
from tests.scenarios.studio import Studio

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(not DEFAULT_STUDIO.is_dir(), reason="JupyterLab is not installed: run `make studio`"),
]
OPEN = [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]
RIGHTS = ["sagemaker:CreateApp", "sagemaker:CreatePresignedDomainUrl"]
ADDRESS = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
    asked.connect(("10.0.0.2", 53))
    print(asked.getsockname()[0])
"""


@pytest.fixture(scope="module")
def lab(story: Story) -> Iterator[tuple[Studio, str]]:
    studio = Studio(story)
    try:
        studio.make_endpoint()
        studio.allow({"Effect": "Allow", "Action": RIGHTS, "Resource": "*"})
        domain = studio.make_domain("reach")
        studio.make_profile(domain, "bob")
        yield studio, domain
    finally:
        studio.clean()


def explained(studio: Studio, domain: str, *options: str) -> dict[str, Any]:
    done = studio.story.ringfence("explain", "app", domain, "bob", "default", "--json", *options)
    expect(done.returncode in (0, 1), done.stderr)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def faults(told: dict[str, Any]) -> list[str]:
    return [one["check"] for one in told["findings"] if one["mark"] == "wrong"]


def test_without_a_way_to_sagemaker_no_app_starts(lab: tuple[Studio, str], story: Story) -> None:
    studio, domain = lab
    ec2, door = story.client("ec2"), studio.door
    ec2.revoke_security_group_ingress(**door)
    try:
        made = studio.make_app(domain, "bob")
        assert made["Status"] == "Failed"
        assert made["FailureReason"] == (
            "SageMaker studio is unable to reach SageMaker Endpoint. Please ensure your VPC has connectivity to "
            "SageMaker via Internet or VPC Endpoint"
        )
        told = explained(studio, domain)
        assert {*faults(told)} == {"sagemaker"}
        shown = story.ringfence("explain", "app", domain, "bob", "default").stdout
        assert "the likely cause: the app does not reach api.sagemaker.us-west-2.amazonaws.com" in shown
    finally:
        ec2.authorize_security_group_ingress(**door)
        studio.delete_app(domain, "bob")


def test_without_nfs_no_app_starts(lab: tuple[Studio, str], story: Story) -> None:
    """The groups that SageMaker made are what lets the home directory be mounted."""
    studio, domain = lab
    ec2, group = story.client("ec2"), studio.nfs_groups(domain)["inbound"]
    nfs = {
        "GroupId": group["GroupId"],
        "IpPermissions": [one for one in group["IpPermissions"] if one["FromPort"] == 2049],
    }
    ec2.revoke_security_group_ingress(**nfs)
    try:
        made = studio.make_app(domain, "bob")
        assert made["Status"] == "Failed"
        assert "The home directory could not be mounted" in made["FailureReason"]
        assert {*faults(explained(studio, domain))} == {"home"}
    finally:
        ec2.authorize_security_group_ingress(**nfs)
        studio.delete_app(domain, "bob")


def test_an_idle_app_is_shut_down(lab: tuple[Studio, str], story: Story) -> None:
    """An hour of the daemon's takes three seconds here. That it reaches SageMaker is seen without a call: what `explain
    call` remembers of refused ones are the user's own."""
    studio, domain = lab
    bob = {"DomainId": domain, "UserProfileName": "bob"}

    def allow_idle(switch: str) -> None:
        idle = {"IdleSettings": {"LifecycleManagement": switch, "IdleTimeoutInMinutes": 60}}
        settings = {"JupyterLabAppSettings": {"AppLifecycleManagement": idle}}
        studio.sagemaker.update_user_profile(**bob, UserSettings=settings)
        studio.settle(lambda: studio.sagemaker.describe_user_profile(**bob))

    allow_idle("ENABLED")
    refused = story.ringfence("explain", "call", "--last", "--denied").stdout
    try:
        studio.sagemaker.create_app(**bob, AppType="JupyterLab", AppName="default")
        ended = studio.settle(
            lambda: studio.sagemaker.describe_app(**bob, AppType="JupyterLab", AppName="default"),
            ("Deleted", "Failed"),
        )
        assert ended["Status"] == "Deleted" and "FailureReason" not in ended, ended
        assert "LastHealthCheckTimestamp" in ended, "it served before"
        (told,) = [one for one in explained(studio, domain)["findings"] if one["check"] == "idle"]
        assert told["sentence"].startswith("it was shut down: idle for 60 minutes")
        shown = story.ringfence("explain", "call", "--last", "--denied").stdout
        assert shown == refused or "not proven" not in shown, shown
    finally:
        allow_idle("DISABLED")


@pytest.mark.statement("S1.15", "S1.16", "S1.17", "S1.18", "S1.19", "S1.20", "S1.21", "S1.22", "S1.23")
def test_endpoint_policies_say_whose_apps_are_started_and_opened(lab: tuple[Studio, str], story: Story) -> None:
    studio, domain = lab
    start = "arn:aws:sagemaker:us-west-2:123456789012"

    def create() -> str:
        code = (
            "import boto3; boto3.client('sagemaker', region_name='us-west-2').create_app("
            f"DomainId='{domain}', UserProfileName='bob', AppType='KernelGateway', AppName='default', "
            "ResourceSpec={'InstanceType': 'system'})"
        )
        try:
            return story.inside(sys.executable, "-c", code)
        except Exception as error:
            return str(error)

    with studio.endpoint_policy(
        [{**OPEN[0], "Action": "sagemaker:CreateApp", "Resource": f"{start}:user-profile/{domain}/*"}]
    ):
        assert "because no VPC endpoint policy allows the sagemaker:CreateApp action" in create()
        # there is no app to explain, and that is what is explained
        told = explained(studio, domain, "--type", "KernelGateway")
        assert told["status"] == "not there: this is what it would be"
        assert "studio-policy" in faults(told)
        assert any("sagemaker:CreateApp" in one["sentence"] for one in told["findings"] if one["mark"] == "wrong")
    with studio.endpoint_policy([{**OPEN[0], "Action": "sagemaker:CreateApp", "Resource": f"{start}:app/d-other/*"}]):
        assert "because no VPC endpoint policy allows the sagemaker:CreateApp action" in create()
    with studio.endpoint_policy([{**OPEN[0], "Action": "sagemaker:CreateApp", "Resource": f"{start}:app/{domain}/*"}]):
        assert create() == ""
        wanted = {"DomainId": domain, "UserProfileName": "bob"}
        with pytest.raises(
            Exception, match="because no VPC endpoint policy allows the sagemaker:CreatePresignedDomainUrl"
        ):
            studio.browse(make=wanted, keep=True)
    who = {"DomainId": domain, "UserProfileName": "bob", "AppType": "KernelGateway", "AppName": "default"}
    studio.settle(lambda: studio.sagemaker.describe_app(**who))
    other = [{**OPEN[0], "Action": "sagemaker:CreatePresignedDomainUrl", "Resource": f"{start}:user-profile/d-other/*"}]
    with studio.endpoint_policy(other), pytest.raises(Exception, match="no VPC endpoint policy allows"):
        studio.browse(make=wanted, keep=True)
    own = [{**OPEN[0], "Action": "sagemaker:CreatePresignedDomainUrl", "Resource": f"{start}:user-profile/{domain}/*"}]
    with studio.endpoint_policy(own):
        assert studio.browse(make=wanted, keep=True)["url"].startswith(f"https://{domain}.studio.")


STS = """
import boto3
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError
sts = boto3.client("sts", config=Config(connect_timeout={seconds}, retries={"total_max_attempts": 1}))
try:
    print(sts.get_caller_identity()["Arn"])
    print(sts.assume_role(RoleArn="{role}", RoleSessionName="cell")["AssumedRoleUser"]["Arn"])
except ConnectTimeoutError as error:
    print(error)
"""


@pytest.fixture
def other_role(lab: tuple[Studio, str], story: Story) -> Iterator[str]:
    """What the role of the apps may assume if it comes by an endpoint of the VPC."""
    studio, iam = lab[0], story.client("iam")
    condition = {"StringEquals": {"aws:SourceVpc": story.facts["vpc"]}}
    trust = {"Effect": "Allow", "Principal": {"AWS": studio.role}, "Action": "sts:AssumeRole", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    yield iam.create_role(RoleName="other", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.delete_role(RoleName="other")


def test_a_cell_reaches_sts_through_its_endpoint_alone(lab: tuple[Studio, str], other_role: str, story: Story) -> None:
    """Without it the call never arrives: `explain app` and `explain path` say which endpoint is missing."""
    studio, domain = lab
    before = [one["NetworkInterfaceId"] for one in interfaces(story, group_id=studio.group)]
    studio.make_profile(domain, "eve")
    assert studio.make_app(domain, "eve")["Status"] == "InService"
    wanted, cell = {"DomainId": domain, "UserProfileName": "eve"}, STS.replace("{role}", other_role)
    hasty, patient = cell.replace("{seconds}", "2"), cell.replace("{seconds}", "60")
    assert "Connect timeout on endpoint URL" in studio.browse(make=wanted, run=hasty)["output"]
    missing = f"create an interface endpoint for com.amazonaws.us-west-2.sts in {story.facts['vpc']}"
    explain_app = ("explain", "app", domain, "eve", "default")
    assert missing in story.ringfence(*explain_app).stdout
    after = [one["NetworkInterfaceId"] for one in interfaces(story, group_id=studio.group)]
    (own,) = set(after) - set(before)
    path = ("explain", "path", "--from", own, "--to", "sts.us-west-2.amazonaws.com")
    assert f"{story.facts['vpc']} has no interface endpoint of sts" in story.ringfence(*path).stdout
    endpoint = studio.make_endpoint("com.amazonaws.{region}.sts")
    account = "arn:aws:sts::123456789012:assumed-role"
    told = studio.browse(make=wanted, run=patient)["output"].split()
    assert told == [f"{account}/studio/SageMaker", f"{account}/other/cell"]
    assert endpoint in story.ringfence("explain", "call", "--last").stdout
    assert missing not in story.ringfence(*explain_app).stdout
    studio.delete_app(domain, "eve")


def test_a_jupyter_server_runs_its_kernels_in_the_gateway_that_its_groups_let_it_reach(
    lab: tuple[Studio, str], story: Story
) -> None:
    """TCP 8192-65535 within the group: with the rule the kernel runs on the other interface, without it nowhere."""
    studio, domain = lab
    gateway = {"DomainId": domain, "UserProfileName": "bob", "AppType": "KernelGateway", "AppName": "default"}
    if "default" not in [
        one["AppName"]
        for one in studio.sagemaker.list_apps(UserProfileNameEquals="bob")["Apps"]
        if one["Status"] == "InService"
    ]:
        studio.sagemaker.create_app(**gateway, ResourceSpec={"InstanceType": "ml.t3.medium"})
        studio.settle(lambda: studio.sagemaker.describe_app(**gateway))
    (first,) = eventually(lambda: interfaces(story, group_id=studio.group), lambda found: len(found) == 1)
    assert first["Description"].startswith(f"[DO NOT DELETE] ENI managed by SageMaker for Studio Domain({domain}) - ")
    assert studio.make_app(domain, "bob", "JupyterServer")["Status"] == "InService"
    wanted = {"DomainId": domain, "UserProfileName": "bob"}
    told = studio.browse(make=wanted, lab="/jupyter/default", run=ADDRESS)
    assert told["output"].strip() == first["PrivateIpAddress"]
    studio.delete_app(domain, "bob", "JupyterServer")
    studio.delete_app(domain, "bob", "KernelGateway")
    eventually(lambda: interfaces(story, group_id=studio.group), lambda left: not left)


OUTSIDE = """
import socket, boto3
def reaches(host, port=443):
    try:
        socket.create_connection((host, port), 2).close()
        return True
    except OSError:
        return False
def lists(**where):
    try:
        return len(boto3.client("sagemaker", **where).list_apps()["Apps"]) > 0
    except Exception as error:
        return type(error).__name__
print(reaches("example.com"), reaches("{address}"), lists())
"""


@pytest.fixture
def outside(lab: tuple[Studio, str], story: Story) -> Iterator[str]:
    """A domain with PublicInternetOnly, whose settings name no groups; what comes out of the VPC lists no apps."""
    studio, _ = lab
    iam = story.client("iam")
    condition = {"StringEquals": {"aws:SourceVpc": story.facts["vpc"]}}
    deny = {"Effect": "Deny", "Action": "sagemaker:ListApps", "Resource": "*", "Condition": condition}
    document = json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    iam.put_role_policy(RoleName="studio", PolicyName="outside", PolicyDocument=document)
    domain = studio.make_domain(
        "public", AppNetworkAccessType="PublicInternetOnly", DefaultUserSettings={"ExecutionRole": studio.role}
    )
    yield domain
    studio.delete_domain(domain)
    iam.delete_role_policy(RoleName="studio", PolicyName="outside")


def interfaces(story: Story, **filters: str) -> list[dict[str, Any]]:
    asked = [{"Name": name.replace("_", "-"), "Values": [value]} for name, value in filters.items()]
    found: list[dict[str, Any]] = story.client("ec2").describe_network_interfaces(Filters=asked)["NetworkInterfaces"]
    return found


def test_an_app_with_public_internet_only_has_its_home_in_the_vpc(
    lab: tuple[Studio, str], outside: str, story: Story
) -> None:
    """Its interface is for NFS; everything else goes by SageMaker's own network, a JupyterServer's kernels too."""
    studio, domain, ec2 = lab[0], outside, story.client("ec2")
    studio.make_profile(domain, "bob")
    nfs = studio.nfs_groups(domain)["outbound"]
    rules = {"GroupId": nfs["GroupId"], "IpPermissions": nfs["IpPermissionsEgress"]}
    ec2.revoke_security_group_egress(**rules)
    made = studio.make_app(domain, "bob", "KernelGateway")
    assert (made["Status"], "The home directory could not be mounted" in made["FailureReason"]) == ("Failed", True)
    assert {*faults(explained(studio, domain))} == {"home"}
    ec2.authorize_security_group_egress(**rules)
    studio.delete_app(domain, "bob", "KernelGateway")
    assert studio.make_app(domain, "bob", "KernelGateway")["Status"] == "InService"
    (own,) = interfaces(story, group_id=nfs["GroupId"])
    assert own["Description"].startswith(f"[DO NOT DELETE] ENI managed by SageMaker for Studio Domain({domain}) - ")
    assert ([one["GroupId"] for one in own["Groups"]], own["Status"]) == ([nfs["GroupId"]], "in-use")
    assert studio.make_app(domain, "bob", "JupyterServer")["Status"] == "InService"
    address = interfaces(story, interface_type="vpc_endpoint")[0]["PrivateIpAddress"]
    wanted = {"DomainId": domain, "UserProfileName": "bob"}
    cell = ADDRESS + OUTSIDE.replace("{address}", address)
    told = studio.browse(make=wanted, lab="/jupyter/default", run=cell)
    assert told["output"] == f"{own['PrivateIpAddress']}\nTrue False True\n"
    explanation = story.ringfence("explain", "app", domain, "bob", "default").stdout
    assert "by its interface goes what is for 10.0.0.0/16" in explanation
    assert "is not used: with PublicInternetOnly com.amazonaws.us-west-2.sagemaker.api" in explanation
    studio.delete_app(domain, "bob", "JupyterServer")
    studio.delete_app(domain, "bob", "KernelGateway")
    eventually(lambda: interfaces(story, group_id=nfs["GroupId"]), lambda left: not left)


def test_groups_of_the_settings_let_an_app_with_public_internet_only_into_the_vpc(
    lab: tuple[Studio, str], outside: str, story: Story
) -> None:
    """What is for the VPC's addresses leaves by the interface, so that calls there come from the VPC."""
    studio, domain = lab[0], outside
    settings = {"SecurityGroups": [studio.group]}
    studio.sagemaker.create_user_profile(DomainId=domain, UserProfileName="bob", UserSettings=settings)
    studio.settle(lambda: studio.sagemaker.describe_user_profile(DomainId=domain, UserProfileName="bob"))
    assert studio.make_app(domain, "bob")["Status"] == "InService"
    (api,) = story.client("ec2").describe_vpc_endpoints(
        Filters=[{"Name": "service-name", "Values": ["com.amazonaws.us-west-2.sagemaker.api"]}]
    )["VpcEndpoints"]
    address = interfaces(story, interface_type="vpc_endpoint")[0]["PrivateIpAddress"]
    name = f"https://{api['DnsEntries'][0]['DnsName']}"
    cell = f"{OUTSIDE.replace('{address}', address)}print(lists(endpoint_url='{name}'))"
    told = studio.browse(make={"DomainId": domain, "UserProfileName": "bob"}, run=cell)
    assert told["output"] == "True True True\nClientError\n"
    seen = story.ringfence("explain", "call", "--last", "--denied").stdout
    assert story.facts["vpc"] in seen
