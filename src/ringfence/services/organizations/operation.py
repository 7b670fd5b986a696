"""Organizations' `@operation`: core's, plus who may call."""

import functools
from collections.abc import Callable
from typing import Literal

from ringfence.core import operation as core
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import ServiceError
from ringfence.services.organizations.lookup import own_organization

Handler = Callable[[Call, Request], Result]
Callers = Literal["management account", "member", "anybody"]


def operation(
    name: str,
    *,
    takes: str = "",
    on: core.Resources | tuple[str, ...] = (),
    keys: core.Keys | None = None,
    by: Callers = "management account",
) -> Callable[[Handler], Handler]:
    """Register the decorated handler. `by`: whose calls AWS takes; the rest is core's."""

    def register(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def checked(call: Call, request: Request) -> Result:
            if by != "anybody":
                organization = own_organization(call)
                if by == "management account" and organization.management != call.account:
                    raise ServiceError("AccessDeniedException", "You don't have permissions to access this resource.")
            return handler(call, request)

        core.operation(name, on=on, keys=keys, takes=takes)(checked)
        return checked

    return register
