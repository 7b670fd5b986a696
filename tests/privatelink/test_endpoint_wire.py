"""PrivateLink on real namespaces: what a process in a subnet reaches, under which name, and as whom it arrives."""

import json

import pytest
from daemon import running_daemon
from endpoint_place import Place

from tests.patience import eventually

pytestmark = pytest.mark.root


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    with running_daemon(tmp_path_factory.mktemp("state")) as daemon:
        yield Place(daemon)


@pytest.mark.statement("S1.4")
def test_the_private_name_leads_to_the_endpoints_interfaces(place):
    code = """
tell({"sts": address("sts.us-west-2.amazonaws.com"), "who": client("sts").get_caller_identity()["Account"]})
"""
    told = place.run(code)
    assert told == {"sts": place.addresses, "who": "123456789012"}
    # the same code outside reaches the public endpoint
    assert place.run(code, "--internet")["sts"] != place.addresses


def test_both_resolvers_answer_by_udp_and_tcp(place):
    code = """
query = dns.message.make_query("sts.us-west-2.amazonaws.com", "A")
tell([
    sorted(item.address for item in ask(query, server, timeout=60).answer[0])
    for server in ("10.0.0.2", "169.254.169.253") for ask in (dns.query.udp, dns.query.tcp)
])
"""
    assert place.run(code) == [place.addresses] * 4


def test_tls_verifies_under_every_name_of_the_endpoint(place):
    names = [entry["DnsName"] for entry in place.sts["DnsEntries"]] + ["sts.us-west-2.amazonaws.com"]
    code = f"""
found = {{}}
for name in {names!r}:
    found[name] = client("sts", endpoint_url="https://" + name).get_caller_identity()["Account"]
tell(found)
"""
    told = place.run(code)
    assert len(told) == 4
    assert set(told.values()) == {"123456789012"}


def test_an_endpoint_serves_its_own_service_only(place):
    code = f"""
import botocore.auth, botocore.awsrequest, botocore.session
host = "logs.us-west-2.amazonaws.com"
headers = {{"X-Amz-Target": "Logs_20140328.DescribeLogGroups", "Content-Type": "application/x-amz-json-1.1"}}
request = botocore.awsrequest.AWSRequest("POST", f"https://{{host}}/", headers=headers, data=b"{{}}")
key = botocore.session.get_session().get_credentials()
botocore.auth.SigV4Auth(key, "logs", "us-west-2").add_auth(request)
context = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
def exchange(address):
    channel = context.wrap_socket(socket.create_connection((address, 443), 5), server_hostname=host)
    connection = http.client.HTTPConnection(host)
    connection.sock = channel
    connection.request("POST", "/", b"{{}}", dict(request.headers) | {{"Host": host}})
    response = connection.getresponse()
    return response.status, response.read().decode()
tell(exchange("{place.addresses[0]}"))
"""
    status, text = place.run(code)
    assert (status, place.sts["VpcEndpointId"] in text) == (404, True), text
    assert "it does not serve logs" in text


@pytest.mark.statement("S0.35")
def test_the_forms_of_s3_urls_through_the_gateway_endpoint(place):
    """Virtual host, path and the legacy dash form over plain http."""
    code = """
found = []
for style, url in (("virtual", None), ("path", None), ("path", "http://s3-us-west-2.amazonaws.com")):
    chosen = settings.merge(Config(s3={"addressing_style": style}))
    s3 = boto3.client("s3", config=chosen, endpoint_url=url)
    found.append(s3.get_object(Bucket="mine", Key="k")["Body"].read().decode())
tell(found)
"""
    assert place.run(code) == ["private"] * 3


def test_who_came_through_which_endpoint_is_told_by_the_socket_not_by_headers(place):
    s3 = place.daemon.client("s3")
    rule = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:GetObject",
        "Resource": "arn:aws:s3:::mine/*",
        "Condition": {"StringNotEquals": {"aws:SourceVpce": place.s3["VpcEndpointId"]}},
    }
    s3.put_bucket_policy(Bucket="mine", Policy=json.dumps({"Version": "2012-10-17", "Statement": [rule]}))
    code = f"""
def forge(request, **_):
    request.headers.add_header("X-Forwarded-For", "10.0.1.9")
    request.headers.add_header("X-Amz-Source-Vpce", "{place.s3["VpcEndpointId"]}")
s3 = client("s3")
s3.meta.events.register("before-sign.s3", forge)
try:
    tell(s3.get_object(Bucket="mine", Key="k")["Body"].read().decode())
except Exception as error:
    tell(str(error))
"""
    try:
        assert place.run(code) == "private"
        assert "AccessDenied" in place.run(code, "--internet")
    finally:
        s3.delete_bucket_policy(Bucket="mine")


def test_a_role_behind_the_credentials_endpoint(place):
    iam = place.daemon.client("iam")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "sagemaker.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    iam.create_role(RoleName="Runner", AssumeRolePolicyDocument=json.dumps(trust))
    code = """
for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ.pop(name, None)
other = urllib.request.Request("http://169.254.170.2/v2/credentials/guess")
try:
    status = urllib.request.urlopen(other, timeout=60).status
except urllib.error.HTTPError as error:
    status = error.code
tell([client("sts").get_caller_identity()["Arn"], status])
"""
    arn, status = place.run(code, "--subnet", place.subnets[1]["SubnetId"], "--role", "Runner")
    assert arn.startswith("arn:aws:sts::123456789012:assumed-role/Runner/")
    assert status == 404


def test_nothing_answers_without_an_endpoint(place):
    """The public endpoint of another service is out of reach of a private subnet."""
    code = """
settings = settings.merge(Config(connect_timeout=3))
try:
    client("ec2").describe_vpcs()
    tell("reached")
except Exception as error:
    tell(type(error).__name__)
"""
    assert place.run(code) in ("ConnectTimeoutError", "EndpointConnectionError")


def test_an_endpoint_that_is_deleted_answers_no_more(place):
    ec2 = place.daemon.client("ec2")
    ec2.delete_vpc_endpoints(VpcEndpointIds=[place.sts["VpcEndpointId"]])
    named = [{"Name": "service-name", "Values": ["com.amazonaws.us-west-2.sts"]}]
    eventually(lambda: ec2.describe_vpc_endpoints(Filters=named)["VpcEndpoints"], lambda left: not left)
    assert place.run('tell(address("sts.us-west-2.amazonaws.com"))') != place.addresses
