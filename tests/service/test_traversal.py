"""S7: names that lead elsewhere, at every place where a name comes in. Nothing outside is opened, read or written."""

import asyncio
import http.client
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from lorag.errors import IntegrityFailed, LoragError, ParamsError
from lorag.knowledge.artifacts import read_documents
from lorag.questions.facts import collect_facts
from lorag.questions.questions import golden_questions, read_questions
from lorag.releases.adapter_shelf import AdapterShelf
from lorag.service.keys import add_key, remove_key
from lorag.strategies import AdapterKind
from lorag.use_cases.judge.describe_release import describe_release
from lorag.use_cases.operate.back_up import back_up, restore
from lorag.use_cases.operate.forget import plan_forget
from lorag.use_cases.refresh.leave_out import let_in_again
from lorag.use_cases.refresh.load_corpus import load_corpus
from lorag.use_cases.serve.candidates import find_adapter
from lorag.use_cases.serve.manage_releases import roll_back
from tests.knowledge.test_bad_documents import PARAMS, put, word_with
from tests.service.conftest import OWNER, Served, with_key
from tests.use_cases.operate.test_back_up import edited

SECRET = "the words of the sentinel"
FORMS: tuple[Callable[[str], str], ...] = (
    lambda path: path,
    lambda path: path.replace("/", "\\"),
    lambda path: path.replace("/", "//"),
    lambda path: path.replace("../", "....//"),
    lambda path: path.replace("../", "..;/"),
    lambda path: path.replace("../", "./../"),
    lambda path: path.replace("/", "%2f"),
    lambda path: path.replace("..", "%2e%2e"),
    lambda path: path.replace("/", "%252f"),
    lambda path: path.replace("/", "%c0%af"),
    lambda path: path.replace("..", "\uff0e\uff0e"),
    lambda path: path + "\0.md",
    lambda path: "file://" + path,
    lambda path: "berths.md/../" + path,
)


ODD = (
    *("CON", "nul.md", "COM1", "berths.md:stream", "berths.md.", "-rf", "--yes", "--root=/", "~", "~root", "$HOME"),
    *("`id`", "$(touch x)", "; touch x", "| cat", "%s%n", "{0.__class__}", "' OR 1=1 --", "a\nb.md", "a\r\nb", " "),
    *("\x1b[31mred", "\u202egpj.md", "\u2024\u2024/x", "a\u200bb", "\ud800", "berths.md\0", "\N{BOM}berths.md"),
    *("a" * 300, "a/" * 200),
)
"""Names that mean something else to a system, a shell, a terminal, a format or a database."""


def names(sentinel: Path) -> list[str]:
    """At least 60 names for a file outside: from some depths, in the forms that got past other services."""
    targets = [str(sentinel), *("../" * depth + sentinel.name for depth in (1, 2, 3)), "../" * 12 + "etc/passwd"]
    made = {form(target) for target in targets for form in FORMS}
    return sorted(
        made | {"..", ".", "/", "~/.ssh/id_rsa", "C:\\sentinel.txt", "\\\\host\\share", "%2e%2e", "*", ".git/HEAD"}
    )


def leads_outside(name: str) -> bool:
    """Whether it does so as it stands, on one system or another; the others are odd names of files inside."""
    return ".." in name.replace("\\", "/").split("/") or name[0] in "/\\"


@pytest.fixture
def sentinel(service: Served) -> Iterator[Path]:
    """A file beside the workspace; afterwards it is what it was, and nobody has opened it or what lies beside it."""
    file = service.place.workspace.root.parent / "sentinel.txt"
    file.write_text(SECRET)
    before = sorted(path for path in file.parent.iterdir())
    OPENED.clear()
    WATCHED.append(True)
    yield file
    WATCHED.clear()
    assert [name for name in OPENED if name in (str(file), "/etc/passwd")] == []
    assert file.read_text() == SECRET and sorted(path for path in file.parent.iterdir()) == before


OPENED: list[str] = []
WATCHED: list[bool] = []


def _note(event: str, arguments: tuple[Any, ...]) -> None:
    if WATCHED and event == "open" and isinstance(arguments[0], str | bytes):
        OPENED.append(os.path.realpath(os.fsdecode(arguments[0])))


# It stays for the life of the process: Python has no way to take such a hook back.
sys.addaudithook(_note)


@pytest.mark.parametrize("step", [4, pytest.param(1, marks=pytest.mark.full)])
def test_no_path_of_the_service_leads_outside(service: Served, sentinel: Path, step: int) -> None:
    tried = names(sentinel)
    assert len(tried) >= 60
    for name in (name for name in hostile(sentinel, step) if name != "\ud800"):
        # As it is, which other clients would tidy up, and in one piece: a server may decode it once or twice.
        raw, whole = quote(name, safe="/%:~*;\\"), quote(name, safe="")
        paths = [f"/v1/documents/{raw}", f"/v1/documents/{whole}", f"/v1/models/{whole}", f"/static/{raw}"]
        for path in (*paths, f"/{raw}", f"/v1/changes?since={whole}"):
            status, text = get(service, path)
            assert status < 500 and SECRET not in text and "root:" not in text, (path, status, text)
        response = service.client.post("/v1/search", json={"query": "berth", "as_of": name[:100]})
        assert response.status_code == 404 and SECRET not in response.text


def get(service: Served, path: str) -> tuple[int, str]:
    """The status and the text of a path that is sent as it is."""
    connection = http.client.HTTPConnection(urlsplit(service.address).netloc, timeout=60)
    try:
        connection.request("GET", path, headers=with_key(OWNER))
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8", "replace")
    finally:
        connection.close()


def test_no_name_of_a_record_leads_outside(service: Served, sentinel: Path, tmp_path: Path) -> None:
    place = service.place
    for name in names(sentinel):
        with pytest.raises(LoragError):
            place.shelf.read(name)
        with pytest.raises(LoragError):
            place.shelf.as_of(name)
        with pytest.raises(IntegrityFailed):
            AdapterShelf(place.workspace.adapters).open(name)
        with pytest.raises(ParamsError):
            add_key(tmp_path / "keys.json", name, {})
    assert not list(tmp_path.iterdir())


def hostile(sentinel: Path, step: int) -> list[str]:
    """Each so many of all names."""
    return [*ODD, *names(sentinel)][::step]


@pytest.mark.parametrize("step", [2, pytest.param(1, marks=pytest.mark.full)])
def test_no_name_of_a_command_leads_outside(service: Served, sentinel: Path, tmp_path: Path, step: int) -> None:
    workspace, params = service.place.workspace, service.place.params
    entries: dict[str, Callable[[str], object]] = {
        "forget": lambda name: plan_forget(name, workspace, params, {}),
        "refresh --allow-reingest": lambda name: let_in_again([name], workspace, params),
        "rollback": lambda name: roll_back(workspace, params, {}, name),
        "releases --card": lambda name: describe_release(name, workspace, params, {}),
        "ask --adapter": lambda name: find_adapter(name, AdapterKind.HYBRID, workspace, params),
        "keys add": lambda name: add_key(tmp_path / "keys.json", name, {}),
        "keys remove": lambda name: remove_key(workspace.state / "keys.json", name),
    }
    before = {path for path in workspace.root.rglob("*") if path.suffix != ".lock"}
    for name in hostile(sentinel, step):
        for entry, use in entries.items():
            # Windows alone knows some of them, and lorag does not run there.
            if entry == "keys add" and re.fullmatch(r"[A-Za-z0-9][\w.]{0,63}", name, re.ASCII):
                continue
            with pytest.raises(LoragError) as refused:
                use(name)
            line = refused.value.line()
            assert line.isprintable() and SECRET not in line and len(line) < 1_000, (entry, line)
    assert {path for path in workspace.root.rglob("*") if path.suffix != ".lock"} == before
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.full)])
def test_no_name_given_to_a_tool_leads_outside(service: Served, sentinel: Path, step: int) -> None:
    pytest.importorskip("mcp", reason="the extra `mcp` of lorag is not installed")
    import httpx2
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client

    async def call_each() -> None:
        async with httpx2.AsyncClient(headers=with_key(OWNER), timeout=60) as http:
            async with Client(streamable_http_client(f"{service.address}/mcp", http_client=http)) as client:
                for name in (name[:100] for name in hostile(sentinel, step) if name.isprintable()):
                    for tool, given in (
                        ("search", {"query": "berth", "as_of": name}),
                        ("what_changed", {"since": name}),
                    ):
                        found = await client.call_tool(tool, given)
                        said = found.content[0].text
                        assert found.is_error and said.isprintable() and SECRET not in said, (tool, name, said)
                    found = await client.call_tool("search", {"query": "berth", "where": {name: name}})
                    assert SECRET not in str(found) and not (found.structured_content or {}).get("hits")

    asyncio.run(call_each())


def test_no_page_that_a_question_names_is_opened(service: Served, sentinel: Path, tmp_path: Path) -> None:
    tried = [name for name in hostile(sentinel, 1) if name.strip() and name.isprintable()]
    row = {"question": "What?", "answers": ["x"]}
    rows = [json.dumps({**row, "id": f"q{n}", "gold_doc_ids": [name]}) for n, name in enumerate(tried)]
    put(tmp_path, "questions.jsonl", "\n".join(rows))
    documents = read_documents(service.place.workspace.documents_file)
    questions = read_questions(tmp_path / "questions.jsonl")
    assert len(questions) == len(tried) and golden_questions(questions, documents) == []
    facts, refused = collect_facts(questions, documents, ())
    assert not facts and len(refused) == len(tried)


def test_no_entry_of_a_document_leads_outside(sentinel: Path, tmp_path: Path) -> None:
    tried = names(sentinel)
    records = [json.dumps({"id": name, "text": f"Text {number}."}) for number, name in enumerate(tried)]
    put(tmp_path / "docs", "documents.jsonl", "\n".join(records))
    paths = [name for name in tried if "\0" not in name and leads_outside(name)]
    for number, name in enumerate(paths):
        put(tmp_path / "docs", f"{number}.docx", word_with(name, b"x"))
    corpus = load_corpus(tmp_path / "docs", PARAMS)
    assert len(corpus.documents) + len(corpus.rejected) == len(tried) + len(paths)
    assert all(item.name.startswith("documents") or item.reason == "unsafe_archive" for item in corpus.rejected)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["docs"]


@pytest.mark.parametrize("step", [8, pytest.param(1, marks=pytest.mark.full)])
def test_no_entry_of_a_backup_leads_outside(service: Served, sentinel: Path, tmp_path: Path, step: int) -> None:
    archive = tmp_path / "w.zip"
    back_up(service.place.workspace, archive, {})
    for name in list(filter(leads_outside, names(sentinel)))[::step]:
        bad = edited(archive, tmp_path / "bad.zip", {"path": name})
        with pytest.raises(IntegrityFailed):
            restore(bad, tmp_path / "deep" / "new", {})
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bad.zip", "w.zip"]


def test_no_answer_holds_a_vector(service: Served) -> None:
    """S15: vectors are as good as the texts that they were made of, and nobody needs them."""
    described = json.dumps(service.app.openapi()).lower()
    assert "vector" not in described and "embedding" not in described
    found = service.client.post("/v1/search", json={"query": "berth"}).json()
    assert found["hits"] and not [key for hit in found["hits"] for key in hit if "vector" in key or "embed" in key]
