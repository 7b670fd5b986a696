"""`python -m ringfence.app --state DIR`: the daemon in the foreground. `ringfence up` starts it so."""

import argparse
import asyncio
import errno
import logging
import os
import sqlite3
import sys
from pathlib import Path

from aiohttp.http_exceptions import HttpProcessingError

from ringfence.app.daemon import App, Machine, remove_everything, run
from ringfence.app.first_start import NotScratch
from ringfence.app.online_store import OnlineStoreUnusable
from ringfence.config import (
    DEFAULT_ACCOUNT,
    DEFAULT_METRIC_PERIOD,
    DEFAULT_OFFLINE_STORE_DELAY,
    DEFAULT_PAYLOAD_LIMIT,
    DEFAULT_PORT,
    DEFAULT_REGION,
    DEFAULT_SERVERLESS_IDLE,
    DEFAULT_STUDIO_IDLE_MINUTE,
    ONLINE_STORE_VARIABLE,
    Config,
)
from ringfence.dataplane.apply import Dataplane
from ringfence.runtime.oci import OciDriver
from ringfence.store.database import StoreLocked, open_store


def main(arguments: list[str] | None = None) -> int:
    given = _parse(arguments)
    start_logging()
    config = _configure(given)
    config.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        asyncio.run(_clean(config) if given.remove_everything else run(config, linux_machine(config), announce))
    except StoreLocked:
        print(f"ringfence: another daemon has `{config.state}`: see `ringfence status`", file=sys.stderr)
        return 1
    except OnlineStoreUnusable as error:
        print(f"ringfence: {error}", file=sys.stderr)
        return 1
    except NotScratch:
        print(
            f"ringfence: `{config.state}` was not made as scratch: give --scratch with a new --state", file=sys.stderr
        )
        return 1
    except sqlite3.DatabaseError as error:
        print(
            f"ringfence: could not read `{config.state}/records.sqlite` ({error}): put back a copy of the state "
            "directory, or start afresh with another --state",
            file=sys.stderr,
        )
        return 1
    except OSError as error:
        hint = ": choose another with --port" if error.errno == errno.EADDRINUSE else ""
        print(f"ringfence: could not start on {config.url}: {error}{hint}", file=sys.stderr)
        return 1
    return 0


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m ringfence.app", description=__doc__)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0: any free one")
    parser.add_argument("--region", default=DEFAULT_REGION)
    parser.add_argument("--account", default=DEFAULT_ACCOUNT)
    parser.add_argument("--private-dns-per-zone", action="store_true")
    parser.add_argument("--payload-limit", type=int, default=DEFAULT_PAYLOAD_LIMIT, help="bytes of an invocation")
    parser.add_argument("--offline-store-delay", type=float, default=DEFAULT_OFFLINE_STORE_DELAY)
    parser.add_argument("--metric-period", type=int, default=DEFAULT_METRIC_PERIOD)
    parser.add_argument("--serverless-idle", type=float, default=DEFAULT_SERVERLESS_IDLE)
    parser.add_argument("--studio-idle-minute", type=float, default=DEFAULT_STUDIO_IDLE_MINUTE)
    parser.add_argument("--scratch", action="store_true", help="let POST /moto-api/reset throw everything away")
    parser.add_argument("--remove-everything", action="store_true", help="what a killed daemon left, then exit")
    return parser.parse_args(arguments)


def _configure(given: argparse.Namespace) -> Config:
    return Config(
        given.state.resolve(),
        port=given.port,
        region=given.region,
        account=given.account,
        private_dns_per_zone=given.private_dns_per_zone,
        payload_limit=given.payload_limit,
        offline_store_delay=given.offline_store_delay,
        online_store=os.environ.pop(ONLINE_STORE_VARIABLE, None),
        metric_period=given.metric_period,
        serverless_idle=given.serverless_idle,
        studio_idle_minute=given.studio_idle_minute,
        scratch=given.scratch,
    )


def start_logging() -> None:
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Bytes that are no HTTP are the client's fault: answered with 400, not worth a traceback each.
    logging.getLogger("aiohttp.server").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
    )


def linux_machine(config: Config) -> Machine:
    """This machine: namespaces, nftables, an OCI runtime."""
    return Machine(Dataplane(config), OciDriver(config))


def announce(app: App) -> None:
    told = f"region {app.config.region}, account {app.config.account}"
    print(f"ringfence is ready at {app.url} ({told})", flush=True)


async def _clean(config: Config) -> None:
    store = open_store(config.state)
    try:
        await remove_everything(linux_machine(config))
        config.daemon_file.unlink(missing_ok=True)
    finally:
        store.close()


if __name__ == "__main__":
    sys.exit(main())
