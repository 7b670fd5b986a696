"""What was allowed within this second is allowed again, if all that it was decided by is the same.

Not a rule of its own: nothing is decided here, and nothing that was denied is remembered. Who calls a model calls it
again and again; gathering the policies and evaluating them is a fifth of such a call. Used by `gateway.perform`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from operator import attrgetter

from ringfence.core.call import Call, Principal, Request
from ringfence.core.operation import Operation
from ringfence.explain.logged_call import Question
from ringfence.gateway.authorization.authorize import authorize

# INVARIANT: all that a principal is, so that whoever differs in any of it is decided on anew.
_identify = attrgetter(*(one.name for one in fields(Principal) if one.name != "tags"))


@dataclass(slots=True)
class StandingDecisions:
    """The questions that allowed a call, by what they were decided by, until a second passes or a record changes."""

    _moment: tuple[int, int] = (0, 0)
    _allowed: dict[tuple[object, ...], list[Question]] = field(default_factory=dict)

    def authorize(
        self, operation: Operation, call: Call, request: Request, commits: int, note: Callable[[Question], None]
    ) -> None:
        """As `authorize` does. `commits`: of the store, to which the call has written nothing yet."""
        if operation.decided_by is None:
            authorize(operation, call, request, note)
            return
        moment = int(call.now.timestamp()), commits
        if moment != self._moment:
            self._moment = moment
            self._allowed.clear()
        key = _key(operation, call, request)
        questions = self._allowed.get(key)
        if questions is None:
            questions = []
            try:
                # the clock's keys have seconds, and so has what is remembered
                authorize(operation, replace(call, now=call.now.replace(microsecond=0)), request, questions.append)
                self._allowed[key] = questions
            finally:
                for question in questions:
                    note(question)
            return
        for question in questions:
            note(question)


def _key(operation: Operation, call: Call, request: Request) -> tuple[object, ...]:
    """All that `authorize` can see but the records and the time. The members are texts, which its model says."""
    who = call.principal
    return (
        operation.service,
        operation.name,
        call.region,
        call.account,
        call.arrival,
        _identify(who),
        tuple(who.tags.items()),
        tuple(call.facts.items()),
        tuple(request.get(member) for member in operation.decided_by or ()),
    )
