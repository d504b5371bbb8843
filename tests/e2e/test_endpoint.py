"""Point 20 of what strangers met: the main job with a language model behind an OpenAI-compatible endpoint."""

import re
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Cli
from tests.e2e.test_retrain import call, edit, refused, write_knowledge
from tests.endpoint import send_events, serve

pytestmark = [pytest.mark.slow, pytest.mark.full]


def read_from_passages(handler: BaseHTTPRequestHandler, body: dict[str, Any]) -> None:
    """Answer as a model would that reads well and knows nothing: from the passage on the pier that is asked about."""
    text = "\n".join(message["content"] for message in body["messages"])
    pier = re.findall(r"[Pp]ier (\d+)", body["messages"][-1]["content"])[-1:]
    hours = re.findall(rf"lamp of pier {pier[0]} of the Quellwick basin is lit at (\d+:\d+)", text) if pier else []
    send_events(handler, [f"It is lit at {hours[0]}", " in the evening."] if hours else ["I do not know."])


def test_strangers_20_refresh_ask_and_compare_through_an_endpoint_and_a_retrain_is_refused(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_knowledge(tmp_path, {})
    workspace = tmp_path / "w"
    made = cli("init", workspace, "--source", tmp_path / "docs", "--questions", tmp_path / "questions.jsonl")
    assert made.status == 0, made.err
    edit(workspace, "engine: auto", "engine: endpoint")
    edit(workspace, "endpoint_model: null", "endpoint_model: served")
    edit(workspace, "latency_questions: 12", "latency_questions: 2")
    edit(workspace, "bootstrap_samples: 1000", "bootstrap_samples: 100")
    with serve(read_from_passages) as (address, asked):
        monkeypatch.setenv("LORAG_OPENAI_BASE_URL", address)
        monkeypatch.setenv("LORAG_OPENAI_API_KEY", "secret")
        assert call(cli, workspace, "refresh")["recall_at_10"] == 1.0
        assert asked == [], "an index needs no language model"

        answer = call(cli, workspace, "ask", "When is the lamp of pier 3 lit?")
        assert (answer["answer"], answer["kind"]) == ("It is lit at 8:30 in the evening.", "generated")
        assert answer["citations"][0]["document_id"] == "pier3.md"
        assert (asked[0]["model"], asked[0]["key"]) == ("served", "Bearer secret")

        compared = call(cli, workspace, "compare")
        assert set(compared["strategies"]) == {"base", "rag"}
        accuracy = {name: found["quality"]["accuracy"]["value"] for name, found in compared["strategies"].items()}
        assert accuracy["rag"] > 0.8 and accuracy["base"] == 0.0
        assert all("endpoint" in reason for reason in compared["left_out"].values()) and compared["left_out"]

        n_asked = len(asked)
        said = refused(cli("--workspace", workspace, "retrain", "--json"), 2, "E001")
        assert "an endpoint answers" in said and len(asked) == n_asked
        assert not (workspace / "artifacts" / "training").exists(), "it is refused before any work"
    assert "connection" in refused(cli("--workspace", workspace, "ask", "When is pier 3 lit?", "--json"), 5, "E030")
