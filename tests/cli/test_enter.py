"""What a command in an instance is given: environment and files, without entering anything."""

from pathlib import Path

from ringfence.cli.enter import Place, entering, environment


def test_a_role_replaces_every_identity_of_the_caller() -> None:
    current = {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "s",
        "AWS_SESSION_TOKEN": "t",
        "AWS_PROFILE": "p",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
        "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:4566",
        "https_proxy": "http://proxy",
    }
    made = environment(current, region="eu-west-1", ca_bundle="/ca.pem", credentials_uri="/v2/credentials/x")
    assert made["PATH"] == "/bin"
    assert made["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] == "/v2/credentials/x"
    assert made["AWS_REGION"] == made["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert made["AWS_CA_BUNDLE"] == made["SSL_CERT_FILE"] == "/ca.pem"
    gone = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"}
    assert not (gone | {"AWS_ENDPOINT_URL_S3", "https_proxy"}) & set(made)


def test_without_a_role_the_callers_keys_stay() -> None:
    made = environment({"AWS_ACCESS_KEY_ID": "AKIA"}, region="eu-west-1", ca_bundle="/ca.pem", credentials_uri=None)
    assert made["AWS_ACCESS_KEY_ID"] == "AKIA"
    assert "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" not in made


def test_the_files_name_the_instances_resolvers(tmp_path: Path) -> None:
    place = Place("/run/netns/x", "10.0.0.2 10.0.0.53", "us-west-2.compute.internal", "ip-10-0-1-5", "10.0.1.5")
    entering(place, tmp_path)
    assert (tmp_path / "resolv.conf").read_text().splitlines()[:3] == [
        "nameserver 10.0.0.2",
        "nameserver 10.0.0.53",
        "search us-west-2.compute.internal",
    ]
    assert "10.0.1.5 ip-10-0-1-5" in (tmp_path / "hosts").read_text()
    assert "hosts: files dns" in (tmp_path / "nsswitch.conf").read_text()


def test_no_resolver_is_no_nameserver(tmp_path: Path) -> None:
    entering(Place("/run/netns/x", "", ".", "localhost", "127.0.0.1"), tmp_path)
    assert "nameserver" not in (tmp_path / "resolv.conf").read_text()
