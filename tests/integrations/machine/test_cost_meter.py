import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lorag.integrations.machine.carbon_intensity import co2_kg_of
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.gpu_energy import visible_gpus
from lorag.integrations.machine.hardware import read_machine
from lorag.integrations.machine.process_tree import read_tree_use
from lorag.params import CostParams, PriceParams

PARAMS = CostParams(
    currency="EUR",
    country="DEU",
    prices=PriceParams(
        cpu_hour=3.6, gpu_hour=0, kwh=0, storage_gb_month=0, million_input_tokens=0, million_output_tokens=0
    ),
)
BURN = "import time\nwhile time.process_time() < 0.6: pass"

PEAK = """
import sys, time
from lorag.integrations.machine.cost_meter import CostMeter
from lorag.integrations.machine.process_tree import read_tree_rss_mb
from lorag.params import CostParams

with CostMeter(CostParams.model_validate_json(sys.argv[1])) as meter:
    before = read_tree_rss_mb()
    ballast = b"x" * (200 * 2**20)
    time.sleep(1.2)
    del ballast
print(before, meter.stop().use.peak_rss_mb)
"""


def _burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_own_time_is_counted_and_priced() -> None:
    with CostMeter(PARAMS) as meter:
        _burn(0.4)
    cost = meter.stop()

    assert 0.35 <= cost.use.cpu_s < 2
    assert cost.use.wall_s >= 0.35
    assert cost.money == pytest.approx(cost.use.cpu_s * 0.001)
    assert cost.use.kwh > 0
    assert cost.use.co2_kg == pytest.approx(co2_kg_of(cost.use.kwh, "DEU"))
    assert cost.machine == read_machine()


def test_time_of_a_child_that_has_ended_is_counted() -> None:
    with CostMeter(PARAMS) as meter:
        subprocess.run([sys.executable, "-c", BURN], check=True)

    assert meter.stop().use.cpu_s >= 0.55


def test_time_of_a_child_that_still_runs_is_counted() -> None:
    ready = BURN + "\nprint('x', flush=True)\ninput()"
    with CostMeter(PARAMS) as meter:
        child = subprocess.Popen([sys.executable, "-c", ready], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        cost = meter.stop()
    child.communicate(b"\n")

    assert cost.use.cpu_s >= 0.55


def test_what_was_used_before_is_not_counted() -> None:
    _burn(0.3)
    with CostMeter(PARAMS) as meter:
        pass

    assert meter.stop().use.cpu_s < 0.25


def test_peak_memory_is_seen_though_it_was_freed() -> None:
    # A process of its own: another one may give memory back to the system meanwhile.
    run = subprocess.run([sys.executable, "-c", PEAK, PARAMS.model_dump_json()], capture_output=True, check=True)
    before, peak = map(float, run.stdout.split())
    assert peak >= before + 190


@pytest.mark.skipif(read_tree_use().bytes_written is None, reason="this system does not count written bytes")
def test_bytes_written_by_a_child_are_counted(tmp_path: Path) -> None:
    probe = read_tree_use().bytes_written
    (tmp_path / "probe").write_bytes(bytes(1 << 20))
    if read_tree_use().bytes_written == probe:
        pytest.skip("the test folder is not on a device")
    write = f"open({str(tmp_path / 'x')!r}, 'wb').write(bytes(5 << 20))"
    with CostMeter(PARAMS) as meter:
        subprocess.run([sys.executable, "-c", write], check=True)

    written = meter.stop().use.bytes_written
    assert written is not None
    assert 5 << 20 <= written < 8 << 20


def test_nested_meters_count_each_for_itself() -> None:
    with CostMeter(PARAMS) as outer:
        _burn(0.2)
        with CostMeter(PARAMS) as inner:
            _burn(0.2)
            inner.add_tokens(embedded=5)
        outer.add_tokens(embedded=7, prompt=1)
        outer.add_tokens(embedded=1, generated=2, trained=3)
    small, large = inner.stop().use, outer.stop().use

    assert 0 < small.wall_s < large.wall_s
    assert small.cpu_s < large.cpu_s
    assert (small.tokens_embedded, large.tokens_embedded) == (5, 8)
    assert (large.tokens_prompt, large.tokens_generated, large.tokens_trained) == (1, 2, 3)


def test_stopping_twice_gives_the_same_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with CostMeter(PARAMS) as meter:
        first = meter.stop()
        _burn(0.05)
    assert meter.stop() is first
    assert threading.active_count() == before


def test_a_meter_stops_where_its_body_fails() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), CostMeter(PARAMS) as meter:
        raise KeyError
    assert threading.active_count() == before
    assert meter.stop().use.wall_s > 0


def test_gpu_seconds_are_the_time_that_gpus_are_held() -> None:
    with CostMeter(PARAMS, gpus=2) as meter:
        time.sleep(0.05)
    use = meter.stop().use
    assert use.gpu_s == pytest.approx(2 * use.wall_s)


@pytest.mark.parametrize(
    ("n_gpus", "named", "visible"),
    [
        (2, None, [0, 1]),
        (8, "3", [3]),
        (8, "3,1", [3, 1]),
        (2, "", []),
        (2, "-1", []),
        (2, "0,7,1", [0]),
        (2, "GPU-5ebe9f43", ["GPU-5ebe9f43"]),
        (0, "0", []),
    ],
)
def test_a_process_sees_the_gpus_that_cuda_shows_it(n_gpus: int, named: str | None, visible: list[int | str]) -> None:
    environ = {} if named is None else {"CUDA_VISIBLE_DEVICES": named}
    assert visible_gpus(n_gpus, environ) == visible


def test_carbon_intensity_follows_the_country() -> None:
    poland, france = co2_kg_of(1.0, "POL"), co2_kg_of(1.0, "FRA")
    assert poland is not None
    assert france is not None
    assert poland > 3 * france
    assert co2_kg_of(1.0, "XXX") is None


def test_metering_is_cheap_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.process_time()
    with CostMeter(PARAMS):
        pass
    assert time.process_time() - start < 0.3
    assert list(tmp_path.iterdir()) == []
