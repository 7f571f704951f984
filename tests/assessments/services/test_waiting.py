import threading
import time

from assessments.services import waiting


def counted(n):
    asked = iter(range(n))
    return lambda: next(asked, None) is None


def test_it_looks_until_it_is_over(monkeypatch):
    slept = []
    monkeypatch.setattr(time, "sleep", slept.append)
    assert waiting.until(counted(3), seconds=30)
    assert len(slept) == 3


def test_it_gives_up_when_the_time_is_up():
    began = time.monotonic()
    assert not waiting.until(lambda: False, seconds=0.05)
    assert time.monotonic() - began < 1


def test_nobody_waits_longer_than_a_web_server_would(monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(time, "sleep", lambda s: clock.__setitem__(0, clock[0] + s))
    assert not waiting.until(lambda: False, seconds=10_000)
    assert clock[0] == waiting.LONGEST


def test_when_all_seats_are_taken_the_answer_comes_at_once():
    taken, free = threading.Barrier(waiting.MOST_AT_ONCE + 1), threading.Event()

    def sit():
        taken.wait(10)
        return free.wait(10)

    threads = [
        threading.Thread(target=waiting.until, args=(sit,), kwargs={"seconds": 30})
        for _ in range(waiting.MOST_AT_ONCE)
    ]
    for each in threads:
        each.start()
    taken.wait(10)
    asked = []
    assert not waiting.until(lambda: bool(asked.append(1)), seconds=30)
    assert asked == [1]
    free.set()
    for each in threads:
        each.join(10)
    assert waiting.until(lambda: True, seconds=1)
