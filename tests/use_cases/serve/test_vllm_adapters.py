"""The adapters of the served release are loaded at a vLLM server by name, swapped in place, and retired."""

from collections.abc import Iterator

import pytest

from lorag.errors import StoreFailed
from lorag.integrations.models.endpoint_adapters import FOLDER_VARIABLE, EndpointAdapters
from lorag.strategies import AdapterKind
from lorag.use_cases.serve.live import LiveRelease
from tests import vllm
from tests.use_cases.conftest import Place

OTHER = "f" * 64


@pytest.fixture
def server() -> Iterator[vllm.Vllm]:
    with vllm.serve() as running:
        yield running


def environment(place: Place, server: vllm.Vllm) -> dict[str, str]:
    return {"LORAG_OPENAI_BASE_URL": server.address, FOLDER_VARIABLE: str(place.workspace.adapters)}


def publish(place: Place, seed: int) -> str:
    """The sha256 of the adapter that is served from now on."""
    return place.publish_adapter(seed, AdapterKind.HYBRID).adapters[AdapterKind.HYBRID].sha256


def test_an_adapter_is_loaded_before_it_is_served_and_retired_two_releases_later(
    served: Place, server: vllm.Vllm
) -> None:
    params = served.workspace.params_file
    params.write_text(params.read_text().replace("endpoint_model: null", f"endpoint_model: {vllm.BASE}"))
    live = LiveRelease(served.workspace, environment(served, server))

    def ask() -> str:
        with live.use(AdapterKind.HYBRID) as opened:
            pieces = opened.model.generate_batch([[]], max_new_tokens=8)
        return pieces[0].text

    server.adapters["somebody's adapter"] = server.adapters[OTHER] = "elsewhere"
    first = publish(served, 1)
    assert ask() == vllm.SAID and first in server.adapters
    assert server.adapters[first] == f"{served.workspace.adapters}/{first}"

    second = publish(served, 2)
    # Whoever sees the new release first opens it, with the adapter that was asked for before.
    assert live.release_id() and {first, second} <= server.adapters.keys()
    third = publish(served, 3)
    assert ask() == vllm.SAID
    assert server.adapters.keys() == {"somebody's adapter", second, third}, "of another name, or of these releases"
    assert [what for what in server.asked if what[0] == "unload"] == [("unload", OTHER), ("unload", first)]

    server.restart()
    assert ask() == vllm.SAID and server.adapters.keys() == {third}, "a server that was started again is told again"
    n_asked = len(server.asked)
    assert ask() == vllm.SAID and len(server.asked) == n_asked, "what is loaded is not loaded again"
    live.close()


def test_a_server_that_takes_no_adapter_is_an_error_that_says_what_to_check(served: Place, server: vllm.Vllm) -> None:
    sha256 = publish(served, 1)
    adapters = EndpointAdapters(server.address, None, str(served.workspace.adapters), pause_s=0.0)
    server.allows = False
    with pytest.raises(StoreFailed, match=f"did not load the adapter {sha256[:10]}.*VLLM_ALLOW_RUNTIME_LORA_UPDATING"):
        adapters.load(sha256)
    server.allows = True
    nowhere = EndpointAdapters(server.address, None, "/nowhere", pause_s=0.0)
    with pytest.raises(StoreFailed, match="No adapter found"):
        nowhere.load(sha256)
    assert adapters.keep_only([sha256]) == []
    adapters.load(sha256)
    assert adapters.keep_only([]) == [sha256] and not server.adapters
