"""`ringfence studio open`: a user profile's JupyterLab in a browser, from wherever the policies let it be opened."""

from pathlib import Path
from typing import Any

import click

from ringfence.cli.client import Daemon, client_of, connect, fail, state_option
from ringfence.cli.open_url import How, Wanted, how_options, open_url, stand_somewhere


@click.group()
def studio() -> None:
    """Studio's apps in a browser of this machine."""


@studio.command("open")
@state_option
@how_options
@click.argument("profile")
@click.option("--domain", metavar="DOMAIN-ID", help="Default: the one domain that has this profile.")
@click.option("--space", metavar="NAME", help="Open this space instead of the profile's own app.")
def open_(state: Path, question: dict[str, Any], how: How, profile: str, domain: str | None, space: str | None) -> None:
    """Open the JupyterLab of PROFILE by a presigned URL, in a browser that stands in a place of your choice.

    Without a place it stands on the internet; --subnet puts it into a VPC. The URL is made there too, by --role, or by
    your own AWS keys, or by those of `ringfence env`: what policies say of the place and of who asks is what happens.
    The browser has a profile of its own, which trusts Ringfence's authority and goes with the browser.
    """
    stand_somewhere(question)
    daemon = connect(state)
    found = _find_domain(daemon, profile, domain)
    _check_app(daemon, found, profile, space)
    request = {"DomainId": found, "UserProfileName": profile, **({"SpaceName": space} if space else {})}
    open_url(state, question, Wanted("create_presigned_domain_url", request), how)


def _find_domain(daemon: Daemon, profile: str, wanted: str | None) -> str:
    asked = {"UserProfileNameContains": profile, **({"DomainIdEquals": wanted} if wanted else {})}
    pages = client_of(daemon, "sagemaker").get_paginator("list_user_profiles").paginate(**asked)
    found = [one["DomainId"] for page in pages for one in page["UserProfiles"] if one["UserProfileName"] == profile]
    if not found:
        fail(f"there is no user profile `{profile}`: see `aws sagemaker list-user-profiles`", 64)
    if len(found) > 1:
        fail(f"several domains have a user profile `{profile}`: --domain {' or '.join(found)}", 64)
    return str(found[0])


def _check_app(daemon: Daemon, domain: str, profile: str, space: str | None) -> None:
    """A URL opens an app that runs; it does not start one."""
    whose = {"SpaceNameEquals": space} if space else {"UserProfileNameEquals": profile}
    pages = client_of(daemon, "sagemaker").get_paginator("list_apps").paginate(DomainIdEquals=domain, **whose)
    apps = [one for page in pages for one in page["Apps"] if one["AppType"] in ("JupyterLab", "JupyterServer")]
    if any(one["Status"] == "InService" for one in apps):
        return
    states = ", ".join(f"{one['AppType']} `{one['AppName']}` is {one['Status']}" for one in apps) or "there is none"
    owner = f"--space-name {space}" if space else f"--user-profile-name {profile}"
    fail(
        f"no app of `{space or profile}` is InService ({states}): `aws sagemaker create-app --domain-id {domain} "
        f"{owner} --app-type JupyterLab --app-name default`, or why: `ringfence explain app {domain} "
        f"{space or profile} default`"
    )
