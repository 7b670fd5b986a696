"""Where the data of a job comes from and goes to, read off its request. Pure.

Called by `job_plan`; `reconcile` acts on it.
"""

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["S3Prefix", "ManifestFile", "AugmentedManifestFile"]
# Transform: sent to the containers object by object
Mode = Literal["File", "FastFile", "Pipe", "Transform"]

TRAINING_INPUT = "/opt/ml/input"
# https://docs.aws.amazon.com/sagemaker/latest/dg/model-checkpoints.html
CHECKPOINTS = "/opt/ml/checkpoints"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_DebugHookConfig.html
TENSORS = "/opt/ml/output/tensors"
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_TensorBoardOutputConfig.html
TENSORBOARD = "/opt/ml/output/tensorboard"


@dataclass(frozen=True, slots=True)
class Source:
    """Data that each host gets. `path`: in the container, the directory that it lies in, or what its FIFOs are named
    after.

    `sharded`: each host gets its share of the objects. `gzip`, `record_io`: how Pipe mode unpacks and wraps an object.
    `attributes`: what of each line of an augmented manifest is sent. `seed`: the order is shuffled by it. `optional`:
    it may be empty.
    """

    name: str
    uri: str
    path: str
    kind: Kind = "S3Prefix"
    mode: Mode = "File"
    sharded: bool = False
    gzip: bool = False
    record_io: bool = False
    attributes: tuple[str, ...] = ()
    seed: int | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Sink:
    """A directory of each host that is uploaded under the URI. `continuous`: already while the container runs."""

    name: str
    uri: str
    path: str
    continuous: bool = False


def read_channel(given: dict[str, Any], mode: Mode) -> Source:
    """A channel of InputDataConfig; `mode`: the algorithm's TrainingInputMode."""
    data, name = given["DataSource"]["S3DataSource"], given["ChannelName"]
    return Source(
        name,
        data["S3Uri"],
        f"{TRAINING_INPUT}/data/{name}",
        data["S3DataType"],
        given.get("InputMode", mode),
        data.get("S3DataDistributionType") == "ShardedByS3Key",
        given.get("CompressionType") == "Gzip",
        given.get("RecordWrapperType") == "RecordIO",
        tuple(data.get("AttributeNames", ())),
        given["ShuffleConfig"]["Seed"] if "ShuffleConfig" in given else None,
    )


def read_processing_input(given: dict[str, Any]) -> Source:
    data = given["S3Input"]
    sharded = data.get("S3DataDistributionType") == "ShardedByS3Key"
    return Source(given["InputName"], data["S3Uri"], data["LocalPath"], data["S3DataType"], sharded=sharded)


def read_transform(spec: dict[str, Any]) -> tuple[Source, Sink]:
    data = spec["TransformInput"]["DataSource"]["S3DataSource"]
    sink = Sink("output", spec["TransformOutput"]["S3OutputPath"], "")
    return Source("input", data["S3Uri"], "", data["S3DataType"], "Transform"), sink


def read_checkpoints(spec: dict[str, Any]) -> tuple[tuple[Source, ...], tuple[Sink, ...]]:
    """What CheckpointConfig brings back at the start, and sends while the job runs."""
    if "CheckpointConfig" not in spec:
        return (), ()
    config = spec["CheckpointConfig"]
    uri, path = config["S3Uri"], config.get("LocalPath", CHECKPOINTS).rstrip("/")
    name = "checkpoints"
    return (Source(name, uri, path, optional=True),), (Sink(name, uri, path, continuous=True),)


def read_debug_outputs(spec: dict[str, Any], job: str) -> tuple[Sink, ...]:
    """What debugger hooks and TensorBoard writers leave, uploaded as it is written. The names in S3 are (recalled)."""
    sinks = []
    if "DebugHookConfig" in spec:
        config = spec["DebugHookConfig"]
        uri = f"{config['S3OutputPath'].rstrip('/')}/{job}/debug-output"
        sinks.append(Sink("debug-output", uri, config.get("LocalPath", TENSORS).rstrip("/"), continuous=True))
    if "TensorBoardOutputConfig" in spec:
        config = spec["TensorBoardOutputConfig"]
        uri = f"{config['S3OutputPath'].rstrip('/')}/{job}/tensorboard-output"
        sinks.append(Sink("tensorboard-output", uri, config.get("LocalPath", TENSORBOARD).rstrip("/"), continuous=True))
    return tuple(sinks)
