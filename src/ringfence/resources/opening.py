"""What presigned URLs to apps and notebook instances have in common: a secret, and whose policies decide."""

from datetime import datetime

from ringfence.core.call import Principal
from ringfence.core.record import Record


class Opening(Record, frozen=True, kw_only=True):
    """`digest`: SHA-256 of a secret that is kept nowhere. `principal`: who made the URL; its policies are asked again
    at each use, with the opener's network."""

    digest: str
    account: str
    region: str
    principal: Principal

    @property
    def key(self) -> str:
        return self.digest


class UnopenedUrl(Opening, frozen=True, kw_only=True):
    """A URL that nobody has opened yet: the secret is its token. `seconds`: how long a session of it lasts."""

    opens_until: datetime
    seconds: int


class OpenSession(Opening, frozen=True, kw_only=True):
    """A browser that opened a URL: the secret is its cookie."""

    until: datetime
