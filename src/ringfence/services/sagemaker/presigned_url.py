"""What presigned URLs to Studio and to notebook instances have in common: a token that is kept nowhere, and an end.

Called by the operations that make them. Not what opens them: `gateway.browser.opening`.
"""

import hashlib
from datetime import datetime, timedelta

from ringfence.core.call import Call
from ringfence.resources.notebook import NotebookSession, NotebookUrl
from ringfence.resources.opening import OpenSession, UnopenedUrl
from ringfence.resources.studio import PresignedUrl, StudioSession

# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedNotebookInstanceUrl.html
# https://docs.aws.amazon.com/sagemaker/latest/APIReference/API_CreatePresignedDomainUrl.html
OPENS_SECONDS = 300
SESSION_SECONDS = 43_200


def make_token(call: Call) -> tuple[str, str]:
    """A token for a new URL, and the digest by which it is known; what has expired is forgotten."""
    urls: list[UnopenedUrl] = [*call.records.all(PresignedUrl), *call.records.all(NotebookUrl)]
    sessions: list[OpenSession] = [*call.records.all(StudioSession), *call.records.all(NotebookSession)]
    for one in urls:
        if one.opens_until <= call.now:
            call.records.delete(one)
    for session in sessions:
        if session.until <= call.now:
            call.records.delete(session)
    token = call.entropy(32).hex()
    return token, digest_of(token)


def digest_of(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def opens_until(call: Call, seconds: int = OPENS_SECONDS) -> datetime:
    return call.now + timedelta(seconds=seconds)
