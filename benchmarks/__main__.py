"""struere-local against its floors: bare Flask under the same gunicorn settings, and raw apsw."""

from contextlib import ExitStack

from benchmarks import cache, options, report, results
from benchmarks.contender import Contender
from benchmarks.flask_floor import FlaskFloor
from benchmarks.plot import plot
from benchmarks.process import stop_on_signals
from benchmarks.ratios import Row
from benchmarks.raw_floor import RawFloor
from benchmarks.report import AFTER_ALL, OWN_CREATE
from benchmarks.rounds import Entry, measured, started
from benchmarks.struere import Struere
from benchmarks.tasks import CREATE, Operation
from benchmarks.telling import tell


def main() -> None:
    """Measure, and write the table, the rows and the picture."""
    asked = options.parse(__doc__, name="latest", sizes="1000,100000,1000000")
    cpus = options.cpus(asked.settings()["WORKERS"])
    about = options.about(asked, cpus)
    tell("\n".join(about))
    stop_on_signals()
    with cache.work_folder() as folder, ExitStack() as stack:
        flask = FlaskFloor(asked.sizes[0], folder, cpus, asked.settings())
        servers = [Struere(size, folder, cpus, asked.serve_options()) for size in asked.sizes]
        raws = [RawFloor(size, folder, cpus) for size in asked.sizes]
        for server in (flask, *servers):
            stack.callback(server.close)
        rows = list(started((flask, *servers), asked.rounds))
        for operation in asked.only:
            rows += measured(_entries(operation, flask, servers, raws), operation, asked.rounds, asked.seconds)
        rows += [_memory(server) for server in (flask, *servers)]
    path = options.RESULTS / f"{asked.name}.json"
    results.write(path, about, rows)
    path.with_suffix(".md").write_text(report.report(rows, about))
    plot(path.with_suffix(".svg"), rows)
    print(path.with_suffix(".md").read_text())


def _entries(operation: Operation, flask: FlaskFloor, servers: list[Struere], raws: list[RawFloor]) -> list[Entry]:
    """Return who takes part in the rounds of an operation; beside each patch runs a create, its floor."""
    contenders: list[Contender] = [*servers, *raws]
    if operation.kind == "patch":
        floors = [Entry(OWN_CREATE, server, CREATE) for server in servers]
    else:
        floors = [Entry(flask.name, flask, operation)]
    return [*floors, *(Entry(contender.name, contender, operation) for contender in contenders)]


def _memory(server: FlaskFloor | Struere) -> Row:
    process = server.running()
    return Row(AFTER_ALL, server.name, server.size, 0, 0, 0, 0, 0, 0, process.memory())


if __name__ == "__main__":
    main()
