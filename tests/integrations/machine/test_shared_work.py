"""Works at the same time share what the process uses, and their shares add up to the time that any of them ran."""

import threading
import time

from lorag.integrations.machine.shared_work import SharedWork


def test_a_work_alone_has_all_of_it_and_works_together_divide_it() -> None:
    work = SharedWork()
    with work.share() as alone:
        time.sleep(0.02)
    assert alone.value == 1.0

    shares = []

    def run(seconds: float) -> None:
        with work.share() as share:
            time.sleep(seconds)
        shares.append((share.value, seconds))

    began = time.perf_counter()
    threads = [threading.Thread(target=run, args=(seconds,)) for seconds in (0.1, 0.1, 0.3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took_s = time.perf_counter() - began
    # For 0.1 s a third each, then one alone: 0.033 of 0.1, and 0.233 of 0.3.
    assert all(share < 0.6 for share, seconds in shares if seconds == 0.1)
    assert 0.6 < shares[-1][0] < 1.0
    assert abs(sum(share * seconds for share, seconds in shares) - took_s) < 0.1
