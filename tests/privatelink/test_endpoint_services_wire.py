"""Endpoints of other kinds on real namespaces, and what a change of one does to those who are using it."""

import json
import time

import pytest
from daemon import running_daemon
from endpoint_place import Place

pytestmark = pytest.mark.root
REGION = "us-west-2"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Nothing of it has a way to the internet. The endpoints of the module are there once they are available."""
    with running_daemon(tmp_path_factory.mktemp("state")) as daemon:
        made = Place(daemon)
        ec2 = daemon.client("ec2")
        subnets = [subnet["SubnetId"] for subnet in made.subnets]
        inside = {"VpcId": made.vpc, "VpcEndpointType": "Interface", "SubnetIds": subnets}
        names = {
            "features": f"com.amazonaws.{REGION}.sagemaker.featurestore-runtime",
            "fips": f"com.amazonaws.{REGION}.sagemaker.api-fips",
            "studio": f"aws.sagemaker.{REGION}.studio",
            "logs": f"com.amazonaws.{REGION}.logs",
        }
        for short, name in names.items():
            setattr(made, short, ec2.create_vpc_endpoint(ServiceName=name, **inside)["VpcEndpoint"])
        options = {"PrivateDnsOnlyForInboundResolverEndpoint": True}
        made.buckets = ec2.create_vpc_endpoint(
            ServiceName=f"com.amazonaws.{REGION}.s3", PrivateDnsEnabled=True, DnsOptions=options, **inside
        )["VpcEndpoint"]
        tables = made.s3["RouteTableIds"]
        made.dynamodb = ec2.create_vpc_endpoint(
            VpcId=made.vpc, ServiceName=f"com.amazonaws.{REGION}.dynamodb", RouteTableIds=tables
        )["VpcEndpoint"]
        made.await_endpoints(ec2)
        yield made


@pytest.mark.statement("S2.40")
def test_the_feature_store_under_both_forms_of_its_name(place):
    """Names and certificates are right; the service itself says by its own protocol that it is not there."""
    shown = place.features["DnsEntries"][0]["DnsName"]
    template = shown.replace(".featurestore-runtime", ".api.featurestore-runtime")
    private = f"featurestore-runtime.sagemaker.{REGION}.amazonaws.com"
    code = f"""
found = {{}}
for name in {[shown, template, private]!r}:
    store = client("sagemaker-featurestore-runtime", endpoint_url="https://" + name)
    try:
        store.get_record(FeatureGroupName="g", RecordIdentifierValueAsString="1")
    except store.exceptions.ClientError as error:
        found[name] = [error.response["Error"]["Code"], error.response["Error"]["Message"], address(name)]
tell(found)
"""
    told = place.run(code)
    assert set(told) == {shown, template, private}
    for code_, message, addresses in told.values():
        assert code_ == "ResourceNotFound", message
        assert len(addresses) == 2 and all(address.startswith("10.0.") for address in addresses)


@pytest.mark.statement("S1.1", "S1.2", "S1.3", "S1.10", "S1.12", "S1.24")
def test_studios_host_is_the_endpoint_inside_and_public_outside(place):
    code = f"""
host = "d-0123456789ab.studio.{REGION}.sagemaker.aws"
try:
    urllib.request.urlopen("https://" + host + "/auth?token=x", timeout=60)
except urllib.error.HTTPError as error:
    tell([address(host), error.code, json.loads(error.read())])
"""
    inside, status, said = place.run(code)
    assert len(inside) == 2 and all(one.startswith("10.0.") for one in inside)
    assert status == 403 and "has expired or was opened already" in said["message"]
    outside, status, _ = place.run(code, "--internet")
    assert status == 403 and not outside[0].startswith("10.")


@pytest.mark.statement("S1.6", "S1.7")
def test_studios_endpoint_admits_the_groups_that_it_is_told_to(place):
    """HTTPS from the group of Studio's users and from no other, to the endpoint's interface in each subnet."""
    ec2 = place.daemon.client("ec2")
    studio, users, doors = (
        ec2.create_security_group(GroupName=name, Description=name, VpcId=place.vpc)["GroupId"]
        for name in ("studio", "users", "studio-doors")
    )
    default = place.studio["Groups"][0]["GroupId"]
    pair = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "UserIdGroupPairs": [{"GroupId": studio}]}
    ec2.authorize_security_group_ingress(GroupId=doors, IpPermissions=[pair])
    change = {"AddSecurityGroupIds": [doors], "RemoveSecurityGroupIds": [default]}
    ec2.modify_vpc_endpoint(VpcEndpointId=place.studio["VpcEndpointId"], **change)
    code = f"""
found = []
for one in address("d-0123456789ab.studio.{REGION}.sagemaker.aws"):
    try:
        socket.create_connection((one, 443), 2).close()
        found.append("connected")
    except OSError as error:
        found.append(type(error).__name__)
tell(found)
"""
    for subnet in place.subnets:
        where = ("--subnet", subnet["SubnetId"], "--security-group")
        assert place.run(code, *where, studio) == ["connected", "connected"]
        assert place.run(code, *where, users) == ["TimeoutError", "TimeoutError"]


@pytest.mark.statement("S0.40", "S0.41", "S3.47", "S3.48")
def test_a_service_out_of_reach_comes_within_by_its_interface_endpoint(place):
    """No way to the internet, the same program before and after."""
    code = """
try:
    tell(len(client("ec2").describe_vpcs()["Vpcs"]))
except Exception as error:
    tell(type(error).__name__)
"""
    assert place.run(code) in ("ConnectTimeoutError", "EndpointConnectionError")
    ec2 = place.daemon.client("ec2")
    subnets = [subnet["SubnetId"] for subnet in place.subnets]
    service = {"VpcEndpointType": "Interface", "ServiceName": f"com.amazonaws.{REGION}.ec2"}
    made = ec2.create_vpc_endpoint(VpcId=place.vpc, SubnetIds=subnets, **service)["VpcEndpoint"]
    place.await_endpoints(ec2)
    assert place.run(code) == 1
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made["VpcEndpointId"]])


def test_the_fips_names_of_the_api(place):
    code = f"""
fips = boto3.client("sagemaker", config=settings.merge(Config(use_fips_endpoint=True)))
tell([fips.meta.endpoint_url, fips.list_models()["Models"], address("api-fips.sagemaker.{REGION}.amazonaws.com")])
"""
    url, models, found = place.run(code)
    assert url == f"https://api-fips.sagemaker.{REGION}.amazonaws.com"
    assert models == [] and all(one.startswith("10.0.") for one in found)


def test_dynamodb_by_its_gateway_is_refused_in_its_own_words(place):
    """The route is the endpoint's: without it nothing would answer at all."""
    code = """
db = client("dynamodb")
try:
    db.list_tables()
except db.exceptions.ClientError as error:
    tell([error.response["Error"]["Code"], error.response["Error"]["Message"]])
except Exception as error:
    tell(type(error).__name__)
"""
    said = place.run(code)
    assert said[0] == "NotImplemented" and "dynamodb" in said[1]
    ec2 = place.daemon.client("ec2")
    tables = place.dynamodb["RouteTableIds"]
    ec2.modify_vpc_endpoint(VpcEndpointId=place.dynamodb["VpcEndpointId"], RemoveRouteTableIds=tables)
    assert place.run(code) == "ConnectTimeoutError"


def _refused_unless_by(vpce: str) -> str:
    rule = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::mine/*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": vpce}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [rule]})


def test_s3_by_its_interface_endpoint_and_who_gets_its_private_names(place):
    """The names under the endpoint's own always lead there; S3's usual ones when they are not for resolvers alone."""
    s3, ec2 = place.daemon.client("s3"), place.daemon.client("ec2")
    own = place.buckets["DnsEntries"][0]["DnsName"].removeprefix("*.")
    by_name = f"""
try:
    mine = client("s3", endpoint_url="https://bucket.{own}")
    tell([mine.get_object(Bucket="mine", Key="k")["Body"].read().decode(), address("mine.bucket.{own}")])
except Exception as error:
    tell(str(error))
"""
    by_default = """
try:
    tell([client("s3").get_object(Bucket="mine", Key="k")["Body"].read().decode(),
          address("mine.s3.us-west-2.amazonaws.com")])
except Exception as error:
    tell(str(error))
"""
    s3.put_bucket_policy(Bucket="mine", Policy=_refused_unless_by(place.buckets["VpcEndpointId"]))
    try:
        text, addresses = place.run(by_name)
        assert text == "private" and all(address.startswith("10.0.") for address in addresses)
        assert "AccessDenied" in place.run(by_default)  # the gateway takes S3's usual names
        options = {"PrivateDnsOnlyForInboundResolverEndpoint": False}
        ec2.modify_vpc_endpoint(VpcEndpointId=place.buckets["VpcEndpointId"], DnsOptions=options)
        text, addresses = place.run(by_default)
        assert text == "private" and all(address.startswith("10.0.") for address in addresses)
    finally:
        s3.delete_bucket_policy(Bucket="mine")


def test_access_points_are_refused_by_name(place):
    own = place.buckets["DnsEntries"][0]["DnsName"].removeprefix("*.")
    code = f"""
try:
    urllib.request.urlopen("https://ap-123456789012.accesspoint.{own}/k", timeout=60)
except urllib.error.HTTPError as error:
    tell([error.code, error.read().decode()])
"""
    status, text = place.run(code)
    assert status == 501 and "<Code>NotImplemented</Code>" in text and "s3-accesspoint" in text


_KEPT = f"""
import botocore.auth, botocore.awsrequest, botocore.session
host = "logs.{REGION}.amazonaws.com"
key = botocore.session.get_session().get_credentials()
connection = http.client.HTTPSConnection(host, timeout=60, context=ssl.create_default_context(
    cafile=os.environ["AWS_CA_BUNDLE"]))
connection.connect()
mine = connection.sock.getsockname()[1]
for line in sys.stdin:
    headers = {{"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}}
    request = botocore.awsrequest.AWSRequest("POST", f"https://{{host}}/", headers=headers, data=b"{{}}")
    botocore.auth.SigV4Auth(key, "logs", "{REGION}").add_auth(request)
    try:
        connection.request("POST", "/", b"{{}}", dict(request.headers))
        response = connection.getresponse()
        text = response.read().decode()
        tell([response.status, connection.sock is not None and connection.sock.getsockname()[1] == mine, text])
    except OSError as error:
        tell([0, False, type(error).__name__])
"""


def test_changes_leave_open_connections_alone_and_a_policy_holds_from_the_next_request(place):
    """One connection through all of it: subnets, groups, private DNS, another endpoint's end, the policy."""
    ec2, id = place.daemon.client("ec2"), place.logs["VpcEndpointId"]
    mine = [{"Name": "vpc-id", "Values": [place.vpc]}]
    third = ec2.create_subnet(VpcId=place.vpc, CidrBlock="10.0.3.0/24", AvailabilityZone=f"{REGION}c")
    third = third["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="doors", Description="doors", VpcId=place.vpc)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpProtocol="tcp", FromPort=443, ToPort=443, CidrIp="10.0.0.0/8")
    default = next(
        one["GroupId"]
        for one in ec2.describe_security_groups(Filters=mine)["SecurityGroups"]
        if one["GroupName"] == "default"
    )
    nobody = json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*", "Action": "*", "Resource": "*"}]})
    with place.talk(_KEPT) as inside:
        assert inside.ask()[:2] == [200, True]
        for change in (
            {"AddSubnetIds": [third]},
            {"AddSecurityGroupIds": [group]},
            {"RemoveSecurityGroupIds": [default]},
            {"RemoveSubnetIds": [third]},
            {"PrivateDnsEnabled": False},
        ):
            ec2.modify_vpc_endpoint(VpcEndpointId=id, **change)
            _settle(place)
            assert inside.ask()[:2] == [200, True], change
        ec2.delete_vpc_endpoints(VpcEndpointIds=[place.fips["VpcEndpointId"]])
        ec2.modify_vpc_endpoint(VpcEndpointId=id, PolicyDocument=nobody)
        status, same, text = inside.ask()
        assert (status, same) == (400, True) and "VPC endpoint policy" in text
        ec2.modify_vpc_endpoint(VpcEndpointId=id, ResetPolicy=True)
        assert inside.ask()[:2] == [200, True]
        _settle(place)
        assert inside.ask()[:2] == [200, True]
    ec2.delete_subnet(SubnetId=third)


def _settle(place):
    """A session is told of its instance once everything before it is applied."""
    place.run('tell("here")', "--subnet", place.subnets[1]["SubnetId"])
    time.sleep(0.2)
