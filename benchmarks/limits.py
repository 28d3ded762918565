"""What the rate limits cost: the same GET with limits on and off, side by side in one run.

Run it with make bench-limits; --rounds and --seconds set how long.
"""

import argparse
import statistics
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.hooks import cost
from benchmarks.load import Load, Request, Shape, load, write_requests
from tests.server import CUSTOMERS, Server, serve

HIGH = {"STRUERE_LIMIT_PER_KEY": "1000000/minute", "STRUERE_LIMIT_PER_ORGANIZATION": "1000000/minute"}
LEAST_RATE, MOST_P99 = 0.88, 1.5  # goals: of the throughput, and times the latency
MOST_IN_PROCESS = 40  # goal: microseconds of a request, with authentication


def main() -> None:
    """Print a line a round and the medians of the ratios; exit with 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="rounds, of both servers each; default 7")
    parser.add_argument("--seconds", type=int, default=3, help="seconds of each load; default 3")
    options = parser.parse_args()
    with ExitStack() as stack:
        servers = {
            limits: stack.enter_context(
                serve("--workers", "2", "--limits", limits, "--project", str(CUSTOMERS), variables=HIGH)
            )
            for limits in ("on", "off")
        }
        folder = Path(stack.enter_context(TemporaryDirectory()))
        requests = {limits: request_of_an_entity(server, folder / limits) for limits, server in servers.items()}
        rates, tails = [], []
        for number in range(options.rounds):
            order = ("on", "off") if number % 2 else ("off", "on")
            found = {limits: send(servers[limits], requests[limits], options.seconds) for limits in order}
            rates.append(found["on"].rate / found["off"].rate)
            tails.append(found["on"].p99 / found["off"].p99)
            print(f"round {number + 1}: on {shown(found['on'])}; off {shown(found['off'])}", flush=True)
    rate, tail = statistics.median(rates), statistics.median(tails)
    print(f"requests a second, on / off: {rate:.2f} (goal: at least {LEAST_RATE})")
    print(f"99th percentile, on / off: {tail:.2f} (goal: at most {MOST_P99})")
    in_process = cost()
    print(f"authentication and both limits, in-process: {in_process:.0f} µs (goal: at most {MOST_IN_PROCESS})")
    raise SystemExit(in_process > MOST_IN_PROCESS or rate < LEAST_RATE or tail > MOST_P99)


def request_of_an_entity(server: Server, file: Path) -> Path:
    """Write the request for an entity to a file, after a look at its answer."""
    entity = server.get("/v1/data/customer?limit=1")["data"][0]
    path = f"/v1/data/customer/{entity['id']}"
    if server.get(path) != entity:
        raise SystemExit("The server answers wrongly")
    return write_requests(file, [Request("GET", path)])


def send(server: Server, requests: Path, seconds: int) -> Load:
    """Load a server with its development key."""
    return load(server.url, {"Authorization": f"Bearer {server.key}"}, requests, Shape(200, '"id"'), seconds)


def shown(found: Load) -> str:
    """Return a load as people read it."""
    return f"{found.rate:.0f}/s, p99 {found.p99 / 1000:.1f} ms"


if __name__ == "__main__":
    main()
