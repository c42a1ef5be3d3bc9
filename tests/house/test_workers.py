"""Several workers: each file is run by one of them, the longest first, and so is what was told to stay together."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.workers import SECONDS, TOGETHER, WholeFiles, longest_first, scope_of, sum_seconds

CHECKOUT = Path(__file__).resolve().parents[2]


class Worker:
    """What xdist's schedulers need to know of a worker; it keeps what it was given."""

    def __init__(self, name: str) -> None:
        self.gateway, self.given, self.shutting_down = SimpleNamespace(id=name), list[int](), False

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def ran_by_two(collection: list[str]) -> list[list[str]]:
    """What each of two workers runs, in order, where both are equally fast."""
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(getvalue=lambda name: ["2*popen"], option=option)
    scheduler, workers = WholeFiles(config), [Worker("gw0"), Worker("gw1")]
    for worker in workers:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, collection)
    scheduler.schedule()
    for turn in range(len(collection)):
        for worker in workers:
            if turn < len(worker.given):
                scheduler.mark_test_complete(worker, worker.given[turn])
    assert scheduler.tests_finished
    return [[collection[index] for index in worker.given] for worker in workers]


def test_a_file_is_run_by_one_worker_in_its_order() -> None:
    files = ["tests/browser/test_a.py", "tests/unit/test_b.py", "tests/browser/test_c.py", "tests/unit/test_d.py"]
    collection = [f"{file}::test_{number}[a::b]" for file in files for number in range(5)]
    ran = ran_by_two(collection)
    assert sorted(ran[0] + ran[1]) == sorted(collection)
    for own in ran:
        scopes = [scope_of(nodeid) for nodeid in own]
        assert own and len(set(scopes)) == 1 + sum(one != other for one, other in pairwise(scopes))
        for scope in set(scopes):
            of_scope = [nodeid for nodeid in collection if scope_of(nodeid) == scope]
            assert [nodeid for nodeid in own if scope_of(nodeid) == scope] == of_scope


def test_the_longest_files_are_begun_first() -> None:
    files = ["tests/house/test_x.py", "tests/pipeline/test_y.py", "tests/browser/test_z.py", "tests/unit/test_a.py"]
    items: list[Any] = [
        SimpleNamespace(nodeid=f"{file}::test_{number}") for file in files for number in (2, 1)
    ]  # fmt: skip
    longest_first(items, {"tests/pipeline/test_y.py": 20.0, "one home is served to the browser": 30})
    assert [item.nodeid.partition("::")[0] for item in items[::2]] == [files[2], files[1], files[0], files[3]]
    assert [item.nodeid[-1] for item in items] == ["2", "1"] * 4


def test_the_tables_name_files_that_exist() -> None:
    files = [str(path.relative_to(CHECKOUT)) for path in (CHECKOUT / "tests").rglob("test_*.py")]
    for start in (start for starts in TOGETHER.values() for start in starts):
        assert any(file.startswith(start) for file in files), start
    assert set(SECONDS) <= {*TOGETHER, *files}
    assert scope_of("tests/browser/test_a.py::test_x[a::b]") == scope_of("tests/browser/test_b.py::test_y")
    assert scope_of("tests/unit/core/test_time.py::test_x[a::b]") == "tests/unit/core/test_time.py"


def test_seconds_are_summed_by_what_stays_together(tmp_path: Path) -> None:
    cases = (("tests.browser.test_a", 1.5), ("tests.browser.test_b", 2.0), ("tests.unit.core.test_time", 0.25))
    lines = "".join(f'<testcase classname="{name}" name="test_x" time="{time}"/>' for name, time in cases)
    report = tmp_path / "report.xml"
    report.write_text(f"<testsuites><testsuite>{lines}</testsuite></testsuites>")
    assert sum_seconds(report) == {"one home is served to the browser": 3.5, "tests/unit/core/test_time.py": 0.25}
