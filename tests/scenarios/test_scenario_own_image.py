"""A container image of the user's own, imported with the command and hosted: SageMaker's contract and nothing else."""

import base64
import json
import os
import subprocess
from pathlib import Path

import pytest

from demo.story import Story
from tests.patience import eventually
from tests.runtime.oci_image import shell_layer, write_layout
from tests.scenarios.hosting import Hosting, events_of

pytestmark = pytest.mark.root

NAME = "123456789012.dkr.ecr.us-west-2.amazonaws.com/own"
# `docker run IMAGE serve`: a server in the Perl that every Debian has, so that the image needs no download.
SERVE = r"""#!/bin/perl
use strict; use IO::Socket::INET;
$SIG{TERM} = sub { exit 0 };
my $server = IO::Socket::INET->new(LocalPort => 8080, Listen => 16, ReuseAddr => 1) or die "listen: $!";
print STDERR "model: ", join(" ", glob("/opt/ml/model/*")), "\n";
while (my $client = $server->accept) {
    my ($line, $length) = (scalar <$client>, 0);
    while (my $header = <$client>) {
        last if $header =~ /^\r?\n/;
        $length = $1 if $header =~ /^content-length: (\d+)/i;
    }
    my $body = ""; read($client, $body, $length) if $length;
    my ($status, $answer) = ("200 OK", "");
    if ($line =~ m{^POST /invocations}) { $answer = $body eq "fail" ? "no" : "you said $body, $ENV{COLOUR}"; }
    $status = "500 Internal Server Error" if $answer eq "no";
    print $client "HTTP/1.1 $status\r\nContent-Length: " . length($answer) . "\r\nConnection: close\r\n\r\n$answer";
    close $client;
}
"""


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("image")
    layer = shell_layer("perl")
    base = next(Path("/usr/lib").glob("*/perl-base"))
    for folder, _, files in os.walk(base):
        for file in files:
            path = Path(folder) / file
            layer.file(str(path).lstrip("/"), path.read_bytes())
    layer.file("bin/serve", SERVE.encode(), 0o755)
    write_layout(directory / "layout", [layer.finish()], {"Env": ["PATH=/bin", "COLOUR=blue"]})
    return directory / "layout"


@pytest.fixture(scope="module")
def image(story: Story, layout: Path) -> str:
    done = story.ringfence("image", "import", str(layout), f"{NAME}:1")
    assert done.returncode == 0, done.stderr
    assert f"{NAME}:1" in story.ringfence("image", "list").stdout
    return f"{NAME}:1"


def test_own_image_serves_and_its_errors_are_model_errors(story: Story, hosting: Hosting, image: str) -> None:
    container = {"Image": image, "Environment": {"COLOUR": "green"}}
    told = hosting.create("own", container=container, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    runtime = story.client("sagemaker-runtime")
    answer = runtime.invoke_endpoint(EndpointName="own", Body=b"hello")
    assert answer["Body"].read() == b"you said hello, green"
    assert answer["InvokedProductionVariant"] == "one"
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        runtime.invoke_endpoint(EndpointName="own", Body=b"fail")
    assert caught.value.response["OriginalStatusCode"] == 500
    assert "Received server error (500) from primary with message" in caught.value.response["Error"]["Message"]
    _log_names_the_model(story)


@pytest.mark.statement("S2.23", "S4.5")
def test_an_image_pushed_to_ecr_is_pulled_with_the_execution_role(story: Story, hosting: Hosting, layout: Path) -> None:
    ecr = story.client("ecr")
    repository = ecr.create_repository(repositoryName="team/pushed")["repository"]
    _push(story, layout, "team/pushed:1")
    container, role = {"Image": f"{repository['repositoryUri']}:1"}, story.facts["roles"]["execution"]
    told = hosting.create("refused", container=container, VpcConfig=hosting.vpc_config())
    assert "the execution role used to create the model has permissions to access them" in told["FailureReason"]
    explained = story.ringfence("explain", "endpoint", "refused").stdout
    assert "may not pull" in explained and "ecr:GetAuthorizationToken" in explained
    _allow_pull(story, role)
    told = hosting.create("pulled", container=container, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "InService", told.get("FailureReason")
    (deployed,) = told["ProductionVariants"][0]["DeployedImages"]
    (pushed,) = ecr.describe_images(repositoryName="team/pushed")["imageDetails"]
    assert deployed["ResolvedImage"] == f"{repository['repositoryUri']}@{pushed['imageDigest']}"
    answer = story.client("sagemaker-runtime").invoke_endpoint(EndpointName="pulled", Body=b"hello")
    assert answer["Body"].read() == b"you said hello, blue"
    assert "ok" in story.ringfence("explain", "endpoint", "pulled").stdout
    ecr.delete_repository(repositoryName="team/pushed", force=True)


def _push(story: Story, layout: Path, name: str) -> None:
    """As Docker manifests, which ECR must keep as they are."""
    host = story.environment["AWS_ENDPOINT_URL"].removeprefix("http://")
    token = story.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    credentials = base64.b64decode(token).decode()
    command = ["skopeo", "--insecure-policy", "copy", "--format", "v2s2", "--dest-tls-verify=false", "--dest-creds"]
    subprocess.run(
        [*command, credentials, f"oci:{layout}", f"docker://{host}/{name}"],
        check=True,
        capture_output=True,
        timeout=240,
    )


def _allow_pull(story: Story, role: str) -> None:
    """The token by the role's own policy, the image by the repository's."""
    statement = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    story.client("iam").put_role_policy(RoleName=role.rpartition("/")[2], PolicyName="ecr", PolicyDocument=document)
    actions = ["ecr:BatchGetImage", "ecr:BatchCheckLayerAvailability", "ecr:GetDownloadUrlForLayer"]
    statement = {"Effect": "Allow", "Principal": {"AWS": role}, "Action": actions}
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    story.client("ecr").set_repository_policy(repositoryName="team/pushed", policyText=document)


def _log_names_the_model(story: Story) -> None:
    """Logs are shipped as they come, a moment after the container wrote them."""
    found = eventually(
        lambda: events_of(story, "own"), lambda events: any("model.joblib" in event["message"] for event in events)
    )
    assert found[0]["logStreamName"].startswith("one/i-")


@pytest.mark.parametrize(
    ("container", "reason"),
    [
        ({"Image": f"{NAME}:none"}, "make sure all images included in the model for the production variant one exist"),
        ({"Environment": {"SAGEMAKER_PROGRAM": "absent.py"}}, "did not pass the ping health check"),
    ],
)
def test_failures_in_awss_words(hosting: Hosting, container: dict[str, object], reason: str) -> None:
    told = hosting.create("failing", container=container, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    assert reason in told["FailureReason"]


def test_image_without_serve_cannot_start(story: Story, hosting: Hosting, tmp_path: Path) -> None:
    write_layout(tmp_path / "layout", [shell_layer().finish()], {"Env": ["PATH=/bin"]})
    assert story.ringfence("image", "import", str(tmp_path / "layout"), f"{NAME}:bare").returncode == 0
    told = hosting.create("bare", container={"Image": f"{NAME}:bare"}, VpcConfig=hosting.vpc_config())
    assert told["EndpointStatus"] == "Failed"
    expected = "Please ensure the model container for variant one starts correctly when invoked with 'docker run"
    assert expected in told["FailureReason"]
    assert story.ringfence("image", "rm", f"{NAME}:bare").returncode == 0
    assert story.ringfence("image", "rm", f"{NAME}:bare").returncode == 1


def test_what_is_no_image_is_refused(story: Story, tmp_path: Path) -> None:
    (tmp_path / "text.tar").write_text("not an archive")
    done = story.ringfence("image", "import", str(tmp_path / "text.tar"), f"{NAME}:text")
    assert done.returncode == 1
    assert done.stderr.startswith("ringfence: ")
