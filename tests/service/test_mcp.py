"""The tools for agents, by the official client: over stdio and over HTTP, with the same keys."""

import asyncio
import os
import sys
from typing import Any
from urllib.parse import urlsplit

import pytest

pytest.importorskip("mcp", reason="the extra `mcp` of lorag is not installed")

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

from lorag.errors import ParamsError
from lorag.service.keys import KeyRing, write_private
from lorag.service.mcp_stdio import KEY_VARIABLE, access_by
from lorag.use_cases.serve.access import EVERYTHING
from tests.service.conftest import OWNER, QUESTION, Served, with_key


async def use(client: Client) -> dict[str, Any]:
    """All tools, and a call of each."""
    listed = await client.list_tools()
    found: dict[str, Any] = {"tools": {tool.name: tool for tool in listed.tools}}
    found["search"] = await client.call_tool("search", {"query": "berth galley", "top_k": 9})
    found["ask"] = await client.call_tool("ask", {"question": QUESTION})
    found["changed"] = await client.call_tool("what_changed", {"since": "1"})
    found["refused"] = await client.call_tool("ask", {"question": QUESTION, "strategy": "tuned"})
    for name, (tool, arguments, _) in BAD.items():
        found[name] = await client.call_tool(tool, arguments)
    return found


BAD: dict[str, tuple[str, dict[str, Any], str]] = {
    "too many": ("search", {"query": "a", "top_k": 1_000}, "top_k must be at most 50"),
    "no number": ("search", {"query": "a", "top_k": "many"}, "top_k must be a whole number"),
    "nothing asked": ("ask", {}, "question is missing"),
    "an empty question": ("ask", {"question": ""}, "question is empty"),
    "a blank question": ("ask", {"question": " "}, "question is empty"),
    "a long question": ("ask", {"question": "a" * 9_000}, "question has more than 8000 characters"),
    "a list for where": ("ask", {"question": "a", "where": ["team"]}, "where must be an object"),
    "a number in where": ("ask", {"question": "a", "where": {"team": 1}}, "team must be text"),
    "an unknown strategy": ("ask", {"question": "a", "strategy": "best"}, "strategy must be 'base'"),
    "an argument of another tool": ("ask", {"question": "a", "top_k": 3}, "ask takes no 'top_k'"),
    "an unknown release": ("what_changed", {"since": "nowhere"}, "no release"),
    "an unknown tool": ("refresh", {}, "Unknown tool"),
}


def over_http(service: Served, key: str) -> dict[str, Any]:
    async def run() -> dict[str, Any]:
        async with httpx2.AsyncClient(headers=with_key(key), timeout=60) as http:
            async with Client(streamable_http_client(f"{service.address}/mcp", http_client=http)) as client:
                return await use(client)

    return asyncio.run(run())


def check(found: dict[str, Any], *pages: str) -> None:
    assert sorted(found["tools"]) == ["ask", "search", "what_changed"]
    assert all(tool.annotations.read_only_hint for tool in found["tools"].values())
    hits = found["search"].structured_content["hits"]
    assert {hit["document_id"] for hit in hits} == set(pages)
    answer = found["ask"].structured_content
    assert answer["citations"][0]["document_id"] == "berths.md" and answer["release"]
    assert found["changed"].structured_content["changed"] == []
    assert found["refused"].is_error and "lorag retrain --adapter tuned" in found["refused"].content[0].text
    for name, (_, _, line) in BAD.items():
        said = found[name].content[0].text
        assert found[name].is_error and line in said and "\n" not in said, (name, said)
        assert "pydantic" not in said and "validation" not in said and "Error executing" not in said


def test_the_tools_over_http_read_what_the_key_may(service: Served) -> None:
    check(over_http(service, OWNER), "berths.md", "kitchen.md")
    check(over_http(service, service.harbour), "berths.md")
    with pytest.raises(BaseExceptionGroup):
        over_http(service, "other")


@pytest.mark.parametrize("runs", [False, True], ids=["without a service", "by the service that runs"])
def test_the_tools_over_stdio_read_what_the_key_may(service: Served, runs: bool) -> None:
    workspace, record = str(service.place.workspace.root), service.place.workspace.service_file
    before = n_answered(service)
    if runs:
        address = urlsplit(service.address)
        write_private(record, {"host": address.hostname, "port": address.port, "key": OWNER})
    command = StdioServerParameters(
        command=sys.executable,
        args=["-m", "lorag.cli", "--workspace", workspace, "mcp"],
        env={**os.environ, KEY_VARIABLE: service.harbour},
    )

    async def run() -> dict[str, Any]:
        async with Client(stdio_client(command)) as client:
            return await use(client)

    try:
        check(asyncio.run(run()), "berths.md")
    finally:
        record.unlink(missing_ok=True)
    assert n_answered(service) - before == (1 if runs else 0)


def n_answered(service: Served) -> float:
    """The answers that the service has given."""
    lines = service.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("lorag_answers_total{"))


def test_without_a_key_stdio_reads_everything_and_with_a_wrong_one_nothing(service: Served) -> None:
    ring = KeyRing(None, service.place.workspace.state / "keys.json")
    assert access_by(None, ring) == EVERYTHING and access_by("", ring) == EVERYTHING
    assert access_by(service.kitchen, ring).where == (("team", "kitchen"),)
    with pytest.raises(ParamsError, match="no such key"):
        access_by("other", ring)
