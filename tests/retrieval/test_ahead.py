import threading

import pytest

from lorag.retrieval.ahead import compute_ahead


def test_results_come_in_order_whichever_is_ready_first() -> None:
    second_done = threading.Event()

    def work(number: int) -> int:
        if number == 1:
            assert second_done.wait(20), "nothing is computed beside the first"
        if number == 2:
            second_done.set()
        return number * number

    assert list(compute_ahead(work, [1, 2, 3, 4, 5], threads=2)) == [1, 4, 9, 16, 25]
    assert list(compute_ahead(work, [], threads=2)) == []


def test_a_failure_is_raised_in_its_place() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    seen = []
    with pytest.raises(ValueError, match="three"):
        for number in compute_ahead(work, range(1, 100), threads=2):
            seen.append(number)
    assert seen == [1, 2]


def test_no_more_than_asked_for_is_begun() -> None:
    begun: list[int] = []
    results = compute_ahead(begun.append, range(100), threads=2)
    next(results)
    results.close()
    assert len(begun) <= 3
