"""AWS calls that the platform makes itself, in process: with a role's session or as a service, never around the rules.

The real `reconcile.ports.Caller`. Each call is authorized, handled and committed as one from a socket; it has no
address and crosses no endpoint, which its Arrival says.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from ringfence.core.call import Arrival, Principal, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.core.ids import uuid4
from ringfence.core.results import Forward
from ringfence.gateway.perform import Caller, Gateway, find_operation, perform

SAGEMAKER = "sagemaker.amazonaws.com"
# Who gives a command in a subnet its role: an instance profile, a task, or a SageMaker app or job, whichever it is for.
COMPUTE = ("sagemaker.amazonaws.com", "ecs-tasks.amazonaws.com", "ec2.amazonaws.com")


@dataclass(frozen=True, slots=True)
class RoleSession:
    """Credentials of an assumed role, and the principal that calls made with them have."""

    principal: Principal
    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: datetime


class PlatformCaller:
    """Calls through the gateway's own authorization; synchronous. `purpose` is for `ringfence explain call`."""

    def __init__(self, gateway: Gateway, purpose: str = "the platform") -> None:
        self._gateway = gateway
        self._purpose = purpose

    def acting_for(self, purpose: str) -> "PlatformCaller":
        """The same caller, whose calls are logged as made by this: "SageMaker for endpoint `iris`"."""
        return PlatformCaller(self._gateway, purpose)

    def call(self, principal: Principal, service: str, operation: str, request: Request) -> Result:
        """The operation's result; raises ServiceError as a client would see it."""
        return self._call(principal, service, operation, request, probe=False)

    def _call(self, principal: Principal, service: str, operation: str, request: Request, *, probe: bool) -> Result:
        gateway, arrival = self._gateway, Arrival(source_ip="")
        logged = gateway.decisions.begin(uuid4(gateway.entropy), gateway.now(), arrival)
        logged.service, logged.purpose, logged.in_process, logged.probe = service, self._purpose, True, probe
        try:
            result = perform(
                gateway, find_operation(service, operation), request, Caller(principal, arrival, {}), logged
            )
        except ServiceError as error:
            gateway.decisions.refuse(logged, error)
            raise
        finally:
            gateway.decisions.end(logged)
        if isinstance(result, Forward):
            raise TypeError(f"{service}:{operation} needs a container: it cannot be called in process")
        return result

    def assume(
        self,
        role_arn: str,
        session_name: str,
        services: tuple[str, ...] = (SAGEMAKER,),
        source_arn: str | None = None,
    ) -> RoleSession:
        """Assume a role as the first of these services that it trusts; raises ServiceError if there is none."""
        account = role_arn.split(":")[4] if role_arn.count(":") >= 5 else ""
        *others, last = (service_principal(service, account, source_arn) for service in services)
        for service in others:
            with suppress(ServiceError):
                return self._assume(role_arn, session_name, service, probe=True)
        return self._assume(role_arn, session_name, last, probe=False)

    def _assume(self, role_arn: str, session_name: str, service: Principal, *, probe: bool) -> RoleSession:
        request: Request = {"RoleArn": role_arn, "RoleSessionName": session_name}
        result = self._call(service, "sts", "AssumeRole", request, probe=probe)
        credentials, assumed = result["Credentials"], result["AssumedRoleUser"]
        self._gateway.decisions.remember_credentials(credentials["AccessKeyId"], self._purpose)
        principal = Principal(
            kind="role",
            account=service.account,
            arn=assumed["Arn"],
            id=assumed["AssumedRoleId"],
            role_arn=role_arn,
            session_name=session_name,
            token_issued=self._gateway.now(),
            access_key_id=credentials["AccessKeyId"],
        )
        return RoleSession(
            principal,
            credentials["AccessKeyId"],
            credentials["SecretAccessKey"],
            credentials["SessionToken"],
            credentials["Expiration"],
        )


def service_principal(name: str, account: str, source_arn: str | None = None) -> Principal:
    """An AWS service that acts for an account of ours, on behalf of one of its resources if it says which."""
    return Principal(kind="service", account=account, arn=name, id=name, service=name, source_arn=source_arn)
