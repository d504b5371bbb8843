"""Programs that know nothing of lorag ask the service: LangChain, LlamaIndex, and schemathesis by its OpenAPI document.

They run in an environment of their own, which uv makes from tests/clients/requirements.lock: some of their needs and
lorag's exclude each other.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.servers import ROOT
from tests.service.conftest import OWNER, QUESTION, Served

pytestmark = pytest.mark.full

LOCK = ROOT / "tests" / "clients" / "requirements.lock"
SEED = "17"

LANGCHAIN = """
from langchain_openai import ChatOpenAI

model = ChatOpenAI(model="lorag-rag", base_url=address, api_key=key)
said = [model.invoke(question).content, "".join(chunk.content for chunk in model.stream(question))]
turns = [("human", question), ("ai", said[0]), ("human", "Where is it?")]
said.append(model.invoke(turns).content)
"""

LLAMA_INDEX = """
from llama_index.core.llms import ChatMessage
from llama_index.llms.openai_like import OpenAILike

model = OpenAILike(model="lorag-rag", api_base=address, api_key=key, is_chat_model=True, temperature=0)
said = [str(model.complete(question)), "".join(part.delta for part in model.stream_complete(question))]
said.append(str(model.chat([ChatMessage(role="user", content=question)]).message.content))
"""


@pytest.fixture(scope="session")
def clients() -> Path:
    """The folder of the environment's programs; skips where its packages cannot be had."""
    folder = ROOT / "build" / "clients-venv"
    digest = hashlib.sha256(LOCK.read_bytes() + sys.version.encode()).hexdigest()
    stamp = folder / "requirements.sha256"
    folder.parent.mkdir(exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not (stamp.exists() and stamp.read_text() == digest):
            uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or pytest.skip("no uv beside this Python")
            python = str(folder / "bin" / "python")
            for command in (
                [uv, "venv", "--clear", "--python", sys.executable, str(folder)],
                [uv, "pip", "sync", "--require-hashes", "--python", python, str(LOCK)],
            ):
                made = subprocess.run(command, capture_output=True, text=True, check=False)
                if made.returncode:
                    pytest.skip(f"the clients cannot be installed: {made.stderr.strip().splitlines()[-1]}")
            stamp.write_text(digest)
    return folder / "bin"


@pytest.mark.parametrize("program", [LANGCHAIN, LLAMA_INDEX], ids=["LangChain", "LlamaIndex"])
def test_a_client_of_openai_asks_unchanged(service: Served, clients: Path, program: str) -> None:
    told = f"address, key, question = {f'{service.address}/v1'!r}, {OWNER!r}, {QUESTION!r}\n"
    script = f"{told}{program}\nimport json\nprint(json.dumps(said))"
    done = subprocess.run([clients / "python", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    said: list[str] = json.loads(done.stdout.splitlines()[-1])
    assert all("7.25" in text for text in said[:2]) and said[0] == said[1], said
    assert "Quellwick" in said[2]


def test_schemathesis_finds_nothing(service: Served, clients: Path, tmp_path: Path) -> None:
    """Good and bad requests by the schema: each status, type and body is a documented one, and none is a 500."""
    command: list[Any] = [clients / "schemathesis", "--config-file", LOCK.with_name("schemathesis.toml"), "run"]
    command += [f"{service.address}/openapi.json", "--header", f"Authorization: Bearer {OWNER}"]
    command += ["--seed", SEED, "--max-examples", "15", "--continue-on-failure"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:]
