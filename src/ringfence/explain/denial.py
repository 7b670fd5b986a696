"""A refused question in one sentence, and one remedy. Pure; called by explain.checks."""

from ringfence.explain.cause import TITLES, Cause, find_causes
from ringfence.explain.logged_call import Question
from ringfence.explain.remedy import find_remedies
from ringfence.iam.evaluate import Layer


def because(question: Question, layer: Layer | None = None) -> str:
    """What decided; of `layer`, if that would have refused it too."""
    causes = find_causes(question)
    cause = next((one for one in causes if one.layer == layer), causes[0] if causes else None)
    asked = question.request
    if cause is None:
        return f"{asked.action} on {asked.resource} is refused"
    return _words(cause, f"{asked.action} on {asked.resource}")


def _words(cause: Cause, what: str) -> str:
    article = "an" if TITLES[cause.layer][0] in "aeiou" else "a"
    if cause.denies and cause.finding is not None:
        return f"explicit deny in {article} {TITLES[cause.layer]}: {cause.finding}"
    near = f" ({cause.finding})" if cause.finding is not None else ""
    return f"no {TITLES[cause.layer]} allows {what}{near}"


def refusing(question: Question) -> tuple[Layer, ...]:
    """Every layer that would have to change."""
    return tuple(dict.fromkeys(cause.layer for cause in find_causes(question)))


def denies(question: Question) -> bool:
    """Whether it is refused in so many words, not for want of an Allow."""
    return any(cause.denies for cause in find_causes(question))


def mend(question: Question) -> str:
    return "; and ".join(find_remedies(question))
