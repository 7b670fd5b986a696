"""IAM's `@operation`: core's, plus the loud refusal of a parameter that the operation does not list in `takes`."""

import functools
from collections.abc import Callable

from ringfence.core import operation as core
from ringfence.core.call import Call, Request, Result
from ringfence.core.errors import not_implemented

Handler = Callable[[Call, Request], Result]


def operation(
    name: str,
    *,
    takes: str = "",
    on: tuple[str, ...] | core.Resources = (),
    keys: core.Keys | None = None,
    also: tuple[tuple[str, tuple[str, ...] | core.Resources], ...] = (),
) -> Callable[[Handler], Handler]:
    """Register the decorated handler of IAM's operation `name`. `takes`: its parameters, parted by spaces."""
    known = frozenset(takes.split())

    def register(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def checked(call: Call, request: Request) -> Result:
            for member in request:
                if member not in known:
                    raise not_implemented(f"the parameter {member} of {name}")
            return handler(call, request)

        core.operation(name, on=on, keys=keys, also=also)(checked)
        return checked

    return register
