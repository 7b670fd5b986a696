"""Idle shutdown of JupyterLab: what may be asked of it, and after how many idle minutes an app of these settings ends.

Pure. When an app is idle, `reconcile.studio.idle` says. Called by `studio_settings`.
https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-idle-shutdown.html
"""

from collections.abc import Sequence
from typing import Any

from ringfence.services.sagemaker.refusal import invalid, refuse_others

MEMBER = "AppLifecycleManagement"
_TIMEOUT, _LEAST, _MOST = "IdleTimeoutInMinutes", "MinIdleTimeoutInMinutes", "MaxIdleTimeoutInMinutes"
_USER = frozenset({"LifecycleManagement", _TIMEOUT, _LEAST, _MOST})
# "If no value is entered, this value defaults to 10,080"
# https://docs.aws.amazon.com/sagemaker/latest/dg/studio-updated-idle-shutdown-setup.html
_DEFAULT_MINUTES = 10_080


def check_idle_settings(lab: dict[str, Any], where: str) -> None:
    """Of a domain or a profile; `lab`: its JupyterLabAppSettings. The texts are ours."""
    given = _check_shape(lab, _USER, where)
    least, timeout, most = (given.get(member) for member in (_LEAST, _TIMEOUT, _MOST))
    ordered = [minutes for minutes in (least, timeout, most) if minutes is not None]
    if ordered != sorted(ordered):
        raise invalid(
            f"{where}.{MEMBER}.IdleSettings: {_LEAST} must not exceed {_TIMEOUT}, and that not {_MOST}: "
            f"{', '.join(str(minutes) for minutes in ordered)}."
        )


def check_space_idle_settings(lab: dict[str, Any], outer: Sequence[dict[str, Any]], where: str) -> None:
    """Of a space; `outer`: the JupyterLabAppSettings of its owner and domain, which say how far it may go."""
    minutes = _check_shape(lab, frozenset({_TIMEOUT}), where).get(_TIMEOUT)
    if minutes is None:
        return
    least, most = _nearest(outer, _LEAST), _nearest(outer, _MOST)
    if (least is not None and minutes < least) or (most is not None and minutes > most):
        allowed = " and ".join(
            f"{word} {bound}" for word, bound in (("at least", least), ("at most", most)) if bound is not None
        )
        raise invalid(f"{where}.{MEMBER}.IdleSettings.{_TIMEOUT} {minutes} is not allowed: it must be {allowed}.")


def settle_idle(own: dict[str, Any], outer: Sequence[dict[str, Any]]) -> int | None:
    """Minutes; None if idle apps stay. `own`: of a space, whose choice counts as far as it still may go."""
    if _nearest(outer, "LifecycleManagement") != "ENABLED":
        return None
    chosen = _nearest([own], _TIMEOUT)
    if chosen is None:
        return int(_nearest(outer, _TIMEOUT) or _DEFAULT_MINUTES)
    least, most = _nearest(outer, _LEAST) or chosen, _nearest(outer, _MOST) or chosen
    return int(min(max(chosen, least), most))


def _check_shape(lab: dict[str, Any], known: frozenset[str], where: str) -> dict[str, Any]:
    management = lab.get(MEMBER, {})
    refuse_others(management, frozenset({"IdleSettings"}), f"{where}.{MEMBER}.")
    given: dict[str, Any] = management.get("IdleSettings", {})
    refuse_others(given, known, f"{where}.{MEMBER}.IdleSettings.")
    return given


def _nearest(layers: Sequence[dict[str, Any]], member: str) -> Any:
    found = (layer.get(MEMBER, {}).get("IdleSettings", {}).get(member) for layer in layers)
    return next((value for value in found if value is not None), None)
