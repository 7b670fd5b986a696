"""The stores of a feature group as they are asked for: what Ringfence takes, and what it refuses aloud.

Called by `feature_group`. https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_OfflineStoreConfig.html
"""

from typing import Any

from ringfence.core.call import Request
from ringfence.services.sagemaker.refusal import invalid, refuse_others


def check_online(config: dict[str, Any] | None) -> None:
    if config is None:
        return
    refuse_others(config, frozenset({"EnableOnlineStore", "TtlDuration", "StorageType"}), "OnlineStoreConfig.")
    check_ttl(config.get("TtlDuration"))


def check_ttl(ttl: dict[str, Any] | None) -> None:
    if ttl is not None and not {"Unit", "Value"} <= ttl.keys():
        raise invalid("Validation Error: TtlDuration needs both Unit and Value.")


def check_offline(config: dict[str, Any] | None) -> None:
    """There is no Glue here: its table must not be asked for, as it is by default."""
    if config is None:
        return
    refuse_others(
        config, frozenset({"S3StorageConfig", "DisableGlueTableCreation", "DataCatalogConfig", "TableFormat"}),
        "OfflineStoreConfig.",
    )  # fmt: skip
    storage = config["S3StorageConfig"]
    refuse_others(storage, frozenset({"S3Uri"}), "OfflineStoreConfig.S3StorageConfig.")
    if not storage["S3Uri"].startswith("s3://"):
        raise invalid("Validation Error: OfflineStoreConfig.S3StorageConfig.S3Uri must start with s3://.")
    if config.get("TableFormat") == "Iceberg":
        raise invalid("Ringfence does not implement OfflineStoreConfig.TableFormat Iceberg.")
    if not config.get("DisableGlueTableCreation", False):
        raise invalid(
            "Ringfence does not implement AWS Glue: set OfflineStoreConfig.DisableGlueTableCreation to true. "
            "The Parquet files of the offline store are readable without a table."
        )


def check_together(request: Request) -> None:
    """What AWS wants of both stores."""
    online, offline = request.get("OnlineStoreConfig") or {}, request.get("OfflineStoreConfig")
    if not online.get("EnableOnlineStore", False) and offline is None:
        raise invalid("Validation Error: at least one of OnlineStoreConfig and OfflineStoreConfig must be enabled.")
    if offline is not None and "RoleArn" not in request:
        raise invalid("Validation Error: RoleArn is needed with an OfflineStoreConfig.")
    if offline is not None and online.get("StorageType") == "InMemory":
        # https://docs.aws.amazon.com/sagemaker/latest/dg/feature-store-storage-configurations-offline-store.html
        raise invalid("Validation Error: OfflineStoreConfig is not supported with the StorageType InMemory.")


def check_throughput(config: dict[str, Any] | None, online: bool) -> None:
    """Provisioned units are what is not throttled; nothing is throttled here."""
    if config is None:
        return
    read, write = config.get("ProvisionedReadCapacityUnits"), config.get("ProvisionedWriteCapacityUnits")
    if config.get("ThroughputMode") == "Provisioned":
        if write is None or (online and read is None):
            raise invalid("Validation Error: ThroughputMode Provisioned needs ProvisionedWriteCapacityUnits, and "
                          "ProvisionedReadCapacityUnits with an online store.")  # fmt: skip
    elif read is not None or write is not None:
        raise invalid("Validation Error: capacity units go with ThroughputMode Provisioned.")
