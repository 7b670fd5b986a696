"""example.com on Ringfence's internet: a page to find out from inside whether a host reaches the outside.

Called by the `web` listeners that `app` opens.
"""

from aiohttp import web

_PAGE = b"""<!doctype html>
<html><head><title>Example Domain</title></head>
<body><h1>Example Domain</h1><p>This is Ringfence's internet. Nothing left the machine.</p></body></html>
"""


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    """The page at any path, for reading only."""
    if request.method not in ("GET", "HEAD"):
        return web.Response(status=405, headers={"Allow": "GET, HEAD"})
    return web.Response(body=_PAGE, content_type="text/html", charset="utf-8")
