"""The certificate authority, with OpenSSL's own verification as the judge."""

import ssl
import stat

import pytest

from ringfence.privatelink.authority import Authority, is_ours, names_of, open_authority


def shake_hands(authority: Authority, host: str, default: str = "localhost") -> str:
    """A TLS handshake in memory; the subject that the client saw. Raises what the client's verification raises."""
    server_in, server_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context(cafile=str(authority.bundle)).wrap_bio(server_out, server_in, False, host)
    server = authority.context(default).wrap_bio(server_in, server_out, server_side=True)
    for _ in range(5):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    certificate = client.getpeercert()
    assert certificate
    return str(dict(pair[0] for pair in certificate["subject"])["commonName"])


@pytest.mark.parametrize(
    "host",
    [
        "runtime.sagemaker.us-west-2.amazonaws.com",
        "api.sagemaker.us-west-2.amazonaws.com",
        "vpce-0123456789abcdef0-abcdefgh.runtime.sagemaker.us-west-2.vpce.amazonaws.com",
        "vpce-0123456789abcdef0-abcdefgh-us-west-2a.runtime.sagemaker.us-west-2.vpce.amazonaws.com",
        "s3.us-west-2.amazonaws.com",
        "bucket.s3.us-west-2.amazonaws.com",
        "bucket.s3.amazonaws.com",
        "s3-us-west-2.amazonaws.com",
        "bucket.s3-us-west-2.amazonaws.com",
        "bucket.s3.dualstack.us-west-2.amazonaws.com",
        "bucket.vpce-0123456789abcdef0-abcdefgh.s3.us-west-2.vpce.amazonaws.com",
        "mine.bucket.vpce-0123456789abcdef0-abcdefgh.s3.us-west-2.vpce.amazonaws.com",
        "sts.amazonaws.com",
        "d-abc.studio.us-west-2.sagemaker.aws",
        "example.com",
        "localhost",
        "bucket.localhost",
    ],
)
def test_each_name_verifies(tmp_path, host):
    shake_hands(open_authority(tmp_path), host)


def test_a_foreign_name_is_not_vouched_for(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(open_authority(tmp_path), "www.python.org")


def test_a_dotted_bucket_does_not_match_as_at_aws(tmp_path):
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(open_authority(tmp_path), "a.b.s3.us-west-2.amazonaws.com")


def test_the_authority_is_kept_and_its_key_is_private(tmp_path):
    first = open_authority(tmp_path).bundle.read_bytes()
    assert open_authority(tmp_path).bundle.read_bytes() == first
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600


def test_another_daemons_authority_is_not_trusted(tmp_path):
    mine, theirs = open_authority(tmp_path / "a"), open_authority(tmp_path / "b")
    mine.bundle = theirs.bundle
    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(mine, "sts.amazonaws.com")


def test_all_buckets_share_one_certificate(tmp_path):
    assert names_of("a.s3.us-west-2.amazonaws.com") == names_of("b.s3.us-west-2.amazonaws.com")
    assert not is_ours("-bad.amazonaws.com")
    assert not is_ours("evilamazonaws.com")
