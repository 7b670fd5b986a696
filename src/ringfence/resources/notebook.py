"""Notebook instances, their lifecycle configurations, and who has a browser open on them.

What is named `…Status` the reconciler alone writes.
"""

from datetime import datetime

from ringfence.core.record import Record
from ringfence.resources.opening import OpenSession, UnopenedUrl
from ringfence.resources.sagemaker import SageMakerRecord

# Not 1000 as with AWS, which is somebody on many a machine; below those of Studio's users.
NOTEBOOK_UID = NOTEBOOK_GID = 200000


class NotebookInstance(SageMakerRecord, frozen=True, kw_only=True):
    """What the user wants. `launch` is another one with each start; `stopping`: the one of this launch is to end.

    `generation`: of what UpdateNotebookInstance changes. `host`: the first label of its name in the browser.
    `volume_id` names the directory that outlives its stops.
    """

    instance_type: str
    role_arn: str
    host: str
    volume_id: str
    launch: str
    modified: datetime
    subnet_id: str | None = None
    group_ids: tuple[str, ...] = ()
    direct_internet_access: str = "Enabled"  # or Disabled
    root_access: str = "Enabled"  # or Disabled
    volume_gb: int = 5
    lifecycle_config: str | None = None  # its name
    platform: str = ""
    metadata_version: str = "1"
    generation: int = 1
    stopping: bool = False
    deleting: bool = False

    @property
    def domain(self) -> str:
        """Its whole name in the browser."""
        return f"{self.host}.notebook.{self.region}.sagemaker.aws"


class NotebookInstanceStatus(Record, frozen=True, kw_only=True):
    """What the reconciler saw, of the `launch` and `generation` that it saw it of.

    `interface_id`: made once, kept while the instance is stopped. `created`: OnCreate has run to its end.
    """

    arn: str
    status: str  # Pending | InService | Stopped | Failed
    launch: str
    generation: int
    modified: datetime
    instance_id: str = ""
    interface_id: str | None = None
    failure_reason: str | None = None
    created: bool = False

    @property
    def key(self) -> str:
        return self.arn


class NotebookLifecycleConfig(SageMakerRecord, frozen=True, kw_only=True):
    """Base64 of shell scripts."""

    modified: datetime
    on_create: str | None = None
    on_start: str | None = None


class NotebookUrl(UnopenedUrl, frozen=True, kw_only=True):
    """`notebook`: its ARN; `volume_id` tells it from a later one of the same name."""

    notebook: str
    volume_id: str


class NotebookSession(OpenSession, frozen=True, kw_only=True):
    notebook: str
    volume_id: str


NotebookOpening = NotebookUrl | NotebookSession
