"""What a Studio domain has in its VPC: two security groups for NFS, a mount target in each subnet. Called by `domain`.

Made with SageMaker's service-linked role, as AWS does: users need no EC2 permissions for it.
"""

from collections import Counter
from typing import Any

from ringfence.core import ids
from ringfence.core.errors import ServiceError
from ringfence.reconcile.instance import eni
from ringfence.reconcile.instance.end import remove_interface
from ringfence.reconcile.instance.eni import SESSION_NAME, tags_for
from ringfence.reconcile.parts import Parts
from ringfence.resources.ec2 import NetworkInterface, SecurityGroup
from ringfence.resources.instance import Instance
from ringfence.resources.studio import Domain, DomainStatus, MountTarget
from ringfence.services.ec2.network_interface import attach, detach
from ringfence.services.sagemaker.service_linked_role import role_arn

# NFS, and what Lustre needs: the groups of real domains have these rules
_PORTS = ((988, 988), (1018, 1023), (2049, 2049))
_DESCRIPTION = "[DO NOT DELETE] Security Group that allows {way} NFS traffic for SageMaker Notebooks Domain [{id}]"


class DomainNetwork:
    """Every step may be repeated: what is there is found and not made again."""

    def __init__(self, parts: Parts, domain: Domain) -> None:
        self._parts = parts
        self._domain = domain
        self._caller = parts.caller.acting_for(f"SageMaker for domain `{domain.id}`")

    def ensure_groups(self) -> tuple[str, str]:
        """The ids of the groups of the mount targets and of the apps; ServiceError if the VPC has no room."""
        inbound, outbound = (self._ensure_group(way) for way in ("inbound", "outbound"))
        for group, other, direction in ((inbound, outbound, "Ingress"), (outbound, inbound, "Egress")):
            shown = self._call("DescribeSecurityGroups", GroupIds=[group])["SecurityGroups"][0]
            if direction == "Egress" and any(one["IpProtocol"] == "-1" for one in shown["IpPermissionsEgress"]):
                self._call("RevokeSecurityGroupEgress", GroupId=group, IpPermissions=shown["IpPermissionsEgress"])
            have = shown["IpPermissions" if direction == "Ingress" else "IpPermissionsEgress"]
            if not any(one.get("FromPort") == _PORTS[-1][0] for one in have):
                self._call(f"AuthorizeSecurityGroup{direction}", GroupId=group, IpPermissions=_permissions(other))
        return inbound, outbound

    def ensure_mount_targets(self, status: DomainStatus) -> tuple[MountTarget, ...]:
        """One in each subnet of the domain, none elsewhere."""
        gone = tuple(one for one in status.mount_targets if one.subnet_id not in self._domain.subnet_ids)
        self.remove_mount_targets(gone)
        kept = [one for one in status.mount_targets if one not in gone]
        have = {one.subnet_id for one in kept}
        made = [
            self._make_mount_target(subnet_id, status.inbound_group_id or "")
            for subnet_id in self._domain.subnet_ids
            if subnet_id not in have
        ]
        return (*kept, *made)

    def remove_mount_targets(self, targets: tuple[MountTarget, ...]) -> None:
        for target in targets:
            with self._parts.store.transaction() as records:
                if (instance := records.get(Instance, target.id)) is not None:
                    records.delete(instance)
                if records.get(NetworkInterface, target.interface_id) is not None:
                    detach(records, target.interface_id)
                interface = records.get(NetworkInterface, target.interface_id)
            if interface is not None:
                remove_interface(self._parts, interface, self._domain.arn)

    def _ensure_group(self, way: str) -> str:
        domain = self._domain
        name = f"security-group-for-{way}-nfs-{domain.id}"
        for group in self._parts.store.snapshot().all(SecurityGroup):
            if (group.name, group.vpc_id) == (name, domain.vpc_id):
                return group.id
        created = self._call(
            "CreateSecurityGroup",
            GroupName=name,
            Description=_DESCRIPTION.format(way=way, id=domain.id),
            VpcId=domain.vpc_id,
            TagSpecifications=[tags_for("security-group", domain.arn)],
        )
        id: str = created["GroupId"]
        return id

    def _make_mount_target(self, subnet_id: str, group_id: str) -> MountTarget:
        parts, domain = self._parts, self._domain
        start = f"EFS mount target for {domain.file_system_id} (fsmt-"
        for interface in parts.store.snapshot().all(NetworkInterface):
            if interface.subnet_id == subnet_id and interface.description.startswith(start):
                id = interface.description.partition("(")[2].rstrip(")")
                return self._place(id, subnet_id, interface.id)
        id = ids.resource_id("fsmt", parts.edge.entropy)
        place = eni.Place((subnet_id,), (group_id,), domain.arn)
        role = self._caller.assume(role_arn(domain.account), SESSION_NAME, source_arn=domain.arn)
        description = f"EFS mount target for {domain.file_system_id} ({id})"
        try:
            made = eni.create_interface(self._caller, role.principal, place, Counter(), description)
        except eni.NoFreeAddresses:
            raise ServiceError(
                "InsufficientFreeAddressesInSubnet",
                f"There are not enough free addresses in subnet '{subnet_id}' to satisfy the requested number of "
                "instances.",
            ) from None
        except eni.IncompleteDhcpOptions as failure:
            raise ServiceError("ValidationException", failure.reason) from None
        return self._place(id, subnet_id, made)

    def _place(self, id: str, subnet_id: str, interface_id: str) -> MountTarget:
        """The namespace that the interface is in."""
        parts, domain = self._parts, self._domain
        with parts.store.transaction() as records:
            if records.get(Instance, id) is None:
                owner = eni.SERVICE_ACCOUNT
                attach(records, interface_id, id, parts.edge.now(), parts.edge.entropy, owner)
                records.put(
                    Instance(
                        id=id,
                        account=domain.account,
                        region=domain.region,
                        owner=domain.arn,
                        network="vpc",
                        network_interface_id=interface_id,
                    )
                )
        return MountTarget(id=id, subnet_id=subnet_id, interface_id=interface_id)

    def _call(self, operation: str, **request: Any) -> Any:
        role = self._caller.assume(role_arn(self._domain.account), SESSION_NAME, source_arn=self._domain.arn)
        return self._caller.call(role.principal, "ec2", operation, request)


def _permissions(group_id: str) -> list[dict[str, Any]]:
    return [
        {"IpProtocol": "tcp", "FromPort": first, "ToPort": last, "UserIdGroupPairs": [{"GroupId": group_id}]}
        for first, last in _PORTS
    ]
