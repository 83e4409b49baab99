"""Laws of the simulator as a process of its own: what it remembers when it is killed."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from gong_worker.simulator.calllog import CallLog, NotACallLog
from tests.support.simulator import PATH, gong_client, sample_event, simulator_process


def test_a_killed_simulator_remembers(tmp_path: Path) -> None:
    """After kill -9 and a torn last line the log, the accepted keys and the day's count are as before."""
    log = tmp_path / "calls.jsonl"
    with simulator_process(log, per_second=None, per_day=6) as simulator:
        with gong_client(simulator.url) as gong:
            assert [gong.put(PATH, json=sample_event(e)).status_code for e in "abca"] == [200, 200, 200, 409]
        simulator.client.fault("lost_reply")
        with gong_client(simulator.url) as gong, pytest.raises(httpx.RemoteProtocolError):
            gong.put(PATH, json=sample_event("lost"))
        before = simulator.client.log()
        simulator.kill()
        with log.open("ab") as file:
            file.write(b'{"number": 6, "arriv')
        simulator.start()
        assert simulator.client.log() == before
        assert simulator.client.accepted() == {("tests", e) for e in ("a", "b", "c", "lost")}
        assert simulator.client.stats()["outcomes"] == {"accepted": 3, "duplicate": 1, "fault:lost_reply": 1}
        with gong_client(simulator.url) as gong:
            assert gong.put(PATH, json=sample_event("lost")).status_code == 409
            over = gong.put(PATH, json=sample_event("d"))
            assert over.status_code == 429
            assert 86_000 < int(over.headers["retry-after"]) <= 86_400
        assert [entry["number"] for entry in simulator.client.log()] == [1, 2, 3, 4, 5, 6, 7]
        simulator.stop()
        simulator.start()
        assert len(simulator.client.log()) == 7
        simulator.client.reset()
    assert log.read_bytes() == b""


def test_faults_of_the_start_are_always_in_force(tmp_path: Path) -> None:
    """A rule among the settings meets the first call, of the first start, of one after a kill, and after a reset."""
    rule = {"kind": "status", "status": 404, "times": None, "match": {"eventIdPrefix": "poison"}}
    with simulator_process(tmp_path / "calls.jsonl", per_second=None, faults=[rule]) as simulator:

        def answers() -> list[int]:
            with gong_client(simulator.url) as gong:
                return [
                    gong.put(PATH, json=sample_event(event)).status_code for event in ("poison-1", "good")
                ]

        assert answers() == [404, 200]
        simulator.kill()
        simulator.start()
        assert answers() == [404, 409]
        simulator.client.reset()
        assert answers() == [404, 200]


def test_a_taken_port_and_wrong_settings_are_told(tmp_path: Path) -> None:
    """A start that cannot work ends with a sentence on stderr, not with a traceback."""

    def started(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "gong_worker.simulator", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    with simulator_process(tmp_path / "calls.jsonl") as simulator:
        taken = started("--port", str(simulator.port))
    wrong = started("--settings", '{"x": 1}')
    assert (taken.returncode, wrong.returncode) == (1, 2)
    assert "cannot serve on" in taken.stderr
    assert "Traceback" not in taken.stderr + wrong.stderr


@pytest.mark.parametrize("text", ["notes\nof mine", "notes", '{"a": 1}\n{"tor'])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    """What is no record of calls is refused by its name, and not a byte of it is cut off."""
    path = tmp_path / "notes"
    path.write_text(text)
    with pytest.raises(NotACallLog, match="notes holds something else"):
        CallLog(path)
    assert path.read_text() == text
