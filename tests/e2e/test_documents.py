"""The `console` blocks of the README and of the guide, in their order, on a tiny folder."""

import os
from pathlib import Path

import pytest

from tests.documents import SHOWN, commands_of, console_blocks, is_run
from tests.e2e.conftest import Cli, Outcome

pytestmark = pytest.mark.slow

PAGES = {
    "berths.md": "# Berths\n\nBerth 4 of the Quellwick basin is 7.2 metres deep at the lowest tide of the year.\n",
    "tugs.md": "# Tugs\n\nThe tugboat Marigold Anne lies at berth 9 between the fuel barge and the old slipway.\n",
    "kitchen.md": "# Kitchen\n\nThe galley of the canteen opens at 06:50 and serves kippers on Thursdays.\n",
}
QUESTION = '{"id": "1", "question": "How deep is berth 4?", "answers": ["7.2 metres"], "gold_doc_ids": ["berths.md"]}\n'


def test_the_commands_of_the_readme_and_the_guide(tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    for name, text in PAGES.items():
        (source / name).write_text(text)
    (tmp_path / "questions.jsonl").write_text(QUESTION)
    monkeypatch.chdir(tmp_path)

    def run(lines: list[str]) -> list[tuple[str, Outcome]]:
        """Do as a shell would, in this process."""
        done = []
        for line in filter(is_run, lines):
            for program, *words in commands_of(line):
                words = [word.replace("~", str(tmp_path)) for word in words]
                if program == "cd":
                    os.chdir(*words)
                    continue
                outcome = cli(*words)
                assert outcome.status == 0, f"{line}\n{outcome.out}\n{outcome.err}"
                done.append((line, outcome))
        return done

    readme, guide = (console_blocks(page) for page in SHOWN)
    _, own_documents, a_change = readme
    (*_, (_, answer)) = run(own_documents)
    assert "7.2" in answer.out
    (source / "berths.md").write_text(PAGES["berths.md"].replace("7.2", "8.4"))
    (tmp_path / "questions.jsonl").write_text(QUESTION.replace("7.2", "8.4"))
    (_, status), (_, refreshed), _, (_, as_of) = run(a_change)
    assert "berths.md" in status.out
    assert "Release 000002" in refreshed.out
    assert "7.2" in as_of.out
    assert len(run([line for block in guide for line in block])) > 7
    assert Path("break_even.png").exists()
