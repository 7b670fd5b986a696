"""The daemon's configuration: one frozen value, made once from the command line, passed down."""

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path

DEFAULT_STATE = Path("/var/lib/ringfence")
# beside the daemon's own environment: `make studio` makes it
DEFAULT_STUDIO = Path(sys.prefix).with_name(".venv-studio")
# likewise `make pytorch`
DEFAULT_PYTORCH = Path(sys.prefix).with_name(".venv-pytorch")
DEFAULT_PORT = 4566
DEFAULT_REGION = "us-west-2"
# https://docs.aws.amazon.com/sagemaker/latest/dg/hosting-faqs.html (botocore's shape still says 6 MB)
DEFAULT_PAYLOAD_LIMIT = 25 * 1024 * 1024
DEFAULT_ACCOUNT = "123456789012"
# where the URL of the online store may be, which can have a password in it
ONLINE_STORE_VARIABLE = "RINGFENCE_ONLINE_STORE"
DEFAULT_OFFLINE_STORE_DELAY = 60.0  # AWS takes up to 15 minutes
DEFAULT_METRIC_PERIOD = 60
DEFAULT_SERVERLESS_IDLE = 300.0  # AWS does not say
DEFAULT_STUDIO_IDLE_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """`state`: absolute directory of everything that lasts. `host`, `port`: the API on this machine's loopback.

    `private_dns_per_zone`: an interface endpoint's private names fail in zones where it has no interface.
    `payload_limit`: bytes of the body of an InvokeEndpoint. `scratch`: `POST /moto-api/reset` throws everything away.
    `offline_store_delay`: seconds until a record that was put is in its group's offline store.
    `metric_period`: seconds of one datapoint of the platform's own metrics, and of target tracking's alarms; for tests.
    `online_store`: URL of the Redis or Valkey server that has Feature Store's online records; None for the store.
    `serverless_idle`: seconds that a serverless endpoint's container is kept without an invocation.
    `studio_idle_minute`: seconds of a minute of Studio's idle timeouts, which are an hour at least.
    `studio`: the Python environment with JupyterLab that Studio's apps run; it need not be there. `pytorch`: likewise
    that of the built-in PyTorch image.
    """

    state: Path
    port: int = DEFAULT_PORT
    host: str = "127.0.0.1"
    region: str = DEFAULT_REGION
    account: str = DEFAULT_ACCOUNT
    private_dns_per_zone: bool = False
    studio: Path = DEFAULT_STUDIO
    pytorch: Path = DEFAULT_PYTORCH
    payload_limit: int = DEFAULT_PAYLOAD_LIMIT
    offline_store_delay: float = DEFAULT_OFFLINE_STORE_DELAY
    metric_period: int = DEFAULT_METRIC_PERIOD
    online_store: str | None = None
    serverless_idle: float = DEFAULT_SERVERLESS_IDLE
    studio_idle_minute: float = DEFAULT_STUDIO_IDLE_MINUTE
    scratch: bool = False

    @property
    def prefix(self) -> str:
        """`rf` and six hex digits of the state directory: starts each name on this machine that daemons could share."""
        return "rf" + hashlib.sha256(str(self.state).encode()).hexdigest()[:6]

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def ca_bundle(self) -> Path:
        """Ringfence's certificate authority (public part), PEM."""
        return self.state / "ca" / "ca.pem"

    @property
    def blobs(self) -> Path:
        return self.state / "blobs"

    @property
    def images(self) -> Path:
        return self.state / "images"

    @property
    def instances(self) -> Path:
        """One directory an instance: bundle, model, log."""
        return self.state / "instances"

    @property
    def homes(self) -> Path:
        """Studio's file systems: a directory each, in it one for each user id."""
        return self.state / "homes"

    @property
    def volumes(self) -> Path:
        """Notebook instances' volumes: a file each, mounted while the instance runs."""
        return self.state / "volumes"

    @property
    def admin_file(self) -> Path:
        """JSON, mode 0600, written at first start: the root access key of the account."""
        return self.state / "admin.json"

    @property
    def scratch_file(self) -> Path:
        """Says that the state was scratch from its first start on."""
        return self.state / "scratch"

    @property
    def daemon_file(self) -> Path:
        """JSON, written when ready, removed at exit: pid, port, region, account."""
        return self.state / "daemon.json"
