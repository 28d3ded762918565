"""struere-local beside what people would use instead, on the same work as far as each can do it, and bare Flask."""

from contextlib import ExitStack
from pathlib import Path

from benchmarks import cache, options, results
from benchmarks.contender import Server
from benchmarks.flask_floor import FlaskFloor
from benchmarks.peers.datasette import Datasette
from benchmarks.peers.json_server import JsonServer0, JsonServer1
from benchmarks.peers.kinto import Kinto
from benchmarks.peers.peer import Peer, Unavailable
from benchmarks.peers.pocketbase import PocketBase
from benchmarks.peers.report import report
from benchmarks.peers.soul import Soul
from benchmarks.process import stop_on_signals
from benchmarks.ratios import Row
from benchmarks.rounds import Entry, measured, started
from benchmarks.struere import Struere
from benchmarks.telling import tell

PEERS: tuple[type[Peer], ...] = (JsonServer0, JsonServer1, Datasette, Kinto, Soul, PocketBase)


def main() -> None:
    """Measure, and write the table and the rows."""
    asked = options.parse(__doc__, name="latest-peers", sizes="100000")
    cpus = options.cpus(asked.settings()["WORKERS"])
    about = options.about(asked, cpus)
    tell("\n".join(about))
    stop_on_signals()
    rows: list[Row] = []
    gaps: list[str] = []
    for size in asked.sizes:
        with cache.work_folder() as folder, ExitStack() as stack:
            peers = _peers(size, folder, cpus, gaps)
            own = Struere(size, folder, cpus, asked.serve_options())
            servers: list[Server] = [own, FlaskFloor(size, folder, cpus, asked.settings()), *peers]
            for server in servers:
                stack.callback(server.close)
            rows += started(servers, rounds=1)
            for operation in asked.only:
                entries = [Entry(server.name, server, operation) for server in servers]
                rows += measured(entries, operation, asked.rounds, asked.seconds)
    path = options.RESULTS / f"{asked.name}.json"
    results.write(path, [*about, *gaps], rows)
    path.with_suffix(".md").write_text(report(rows, [*about, *gaps], PEERS))
    print(path.with_suffix(".md").read_text())


def _peers(size: int, folder: Path, cpus: dict[str, set[int]], gaps: list[str]) -> list[Peer]:
    """Return the peers that can be had, and note the reasons for the others."""
    peers = []
    for kind in PEERS:
        try:
            peers.append(kind(size, folder, cpus))
        except Unavailable as reason:
            gaps.append(f"Not measured: {kind.label}. {reason}")
            tell(gaps[-1])
    return peers


if __name__ == "__main__":
    main()
