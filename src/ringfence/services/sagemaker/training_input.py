"""The channels of a training job: what is valid, by AWS's rules, and what is refused. Called by `training_job`.

https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_Channel.html
https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_S3DataSource.html
"""

from typing import Any

from ringfence.services.sagemaker.job import check_s3_uri, check_unique
from ringfence.services.sagemaker.refusal import invalid, null_member, refuse_others

_CHANNEL = frozenset(
    {
        "ChannelName", "DataSource", "ContentType", "CompressionType", "RecordWrapperType", "InputMode",
        "ShuffleConfig",
    }
)  # fmt: skip
_SOURCE = frozenset({"S3DataType", "S3Uri", "S3DataDistributionType", "AttributeNames"})
# of ChannelName's pattern, but no names of a file
_NOT_A_NAME = (".", "..")


def check_channels(channels: list[dict[str, Any]], mode: str) -> None:
    """`mode`: the algorithm's. The texts are ours, after the pages above."""
    check_unique(channels, "ChannelName", "InputDataConfig")
    for index, channel in enumerate(channels):
        where = f"InputDataConfig[{index}]"
        refuse_others(channel, _CHANNEL, f"{where}.")
        if channel["ChannelName"] in _NOT_A_NAME:
            raise invalid(f"{where}.ChannelName: '{channel['ChannelName']}' cannot be the name of a directory.")
        refuse_others(channel["DataSource"], frozenset({"S3DataSource"}), f"{where}.DataSource.")
        if "S3DataSource" not in channel["DataSource"]:
            raise null_member(f"{where[0].lower()}{where[1:]}.dataSource.s3DataSource")
        data = channel["DataSource"]["S3DataSource"]
        refuse_others(data, _SOURCE, f"{where}.DataSource.S3DataSource.")
        check_s3_uri(data["S3Uri"], f"{where}.DataSource.S3DataSource.S3Uri")
        _check_mode(channel, data, channel.get("InputMode", mode), where)


def show_channels(spec: dict[str, Any]) -> dict[str, Any]:
    """InputDataConfig as a description shows it: with what was left out."""
    if "InputDataConfig" not in spec:
        return {}
    return {"InputDataConfig": [_show_channel(channel) for channel in spec["InputDataConfig"]]}


def _show_channel(channel: dict[str, Any]) -> dict[str, Any]:
    data = {"S3DataDistributionType": "FullyReplicated", **channel["DataSource"]["S3DataSource"]}
    unset = {"CompressionType": "None", "RecordWrapperType": "None"}
    return {**unset, **channel, "DataSource": {"S3DataSource": data}}


def _check_mode(channel: dict[str, Any], data: dict[str, Any], mode: str, where: str) -> None:
    if mode != "Pipe":
        for member in ("CompressionType", "RecordWrapperType"):
            if channel.get(member, "None") != "None":
                # "In File mode, leave this field unset or set it to None"
                raise invalid(f"{where}.{member} can only be used in Pipe input mode.")
    kind, place = data["S3DataType"], f"{where}.DataSource.S3DataSource"
    if kind not in ("S3Prefix", "ManifestFile", "AugmentedManifestFile"):
        raise invalid(f"Ringfence does not implement {place}.S3DataType {kind}.")
    if kind == "AugmentedManifestFile" and mode != "Pipe":
        raise invalid(f"{place}.S3DataType: AugmentedManifestFile can only be used in Pipe input mode.")
    if kind != "S3Prefix" and mode == "FastFile":
        raise invalid(f"{place}.S3DataType: FastFile input mode can only be used with S3Prefix.")
    if (kind == "AugmentedManifestFile") != bool(data.get("AttributeNames")):
        raise invalid(f"{place}.AttributeNames must be given with the S3DataType AugmentedManifestFile, and only then.")
