"""The sample knowledge base keeps the promises made in knowledge/README.md."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import pytest

from lorag.questions.style import matches_style, read_style

ROOT = Path(__file__).resolve().parents[2] / "knowledge"
VERSIONS = ("v1", "v2", "v3")
STEPS = (("v1", "v2"), ("v2", "v3"))
KEYS = {
    "id",
    "question",
    "answers",
    "gold_doc_ids",
    "fact_id",
    "phrasings",
    "held_out_phrasings",
    "oblique_phrasings",
    "change",
    "valid_from",
    "valid_to",
}
MIN_FORMATS = {
    ".md": 20,
    ".mdx": 2,
    ".rst": 4,
    ".txt": 4,
    ".html": 4,
    ".docx": 2,
    ".pdf": 2,
}


class _HtmlText(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def _text(path: Path) -> str:
    if path.suffix == ".docx":
        docx = pytest.importorskip("docx")
        document = docx.Document(str(path))
        cells = [c.text for t in document.tables for r in t.rows for c in r.cells]
        return "\n".join([p.text for p in document.paragraphs] + cells)
    if path.suffix == ".pdf":
        pypdf = pytest.importorskip("pypdf")
        return "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".html":
        parser = _HtmlText()
        parser.feed(text)
        return "\n".join(parser.parts)
    return text


@cache
def files(version: str) -> dict[str, Path]:
    folder = ROOT / version / "documents"
    return {p.relative_to(folder).as_posix(): p for p in sorted(folder.rglob("*")) if p.is_file()}


@cache
def texts(version: str) -> dict[str, str]:
    found = {k: _text(p) for k, p in files(version).items() if k != "documents.jsonl"}
    for record in _jsonl(files(version)["documents.jsonl"]):
        assert record["id"] not in found
        found[record["id"]] = record["text"]
    return found


def _jsonl(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@cache
def questions(version: str) -> dict[str, dict]:
    rows = _jsonl(ROOT / version / "questions.jsonl")
    by_fact = {row["fact_id"]: row for row in rows}
    assert len(by_fact) == len({row["id"] for row in rows}) == len(rows)
    return by_fact


def _states(text: str, answer: str) -> bool:
    """Whether `answer` occurs as a whole: not inside a longer word or number."""
    pattern = r"(?<![\w.,£])" + re.escape(answer) + r"(?!\w|[.,]\d)"
    return re.search(pattern, text) is not None


def _wordings(row: dict) -> list[str]:
    return [row["question"], *row["phrasings"], *row["held_out_phrasings"], *row.get("oblique_phrasings", [])]


@pytest.mark.parametrize("version", VERSIONS)
def test_there_are_enough_documents_of_each_format(version: str) -> None:
    formats = Counter(Path(name).suffix for name in files(version))
    for suffix, least in MIN_FORMATS.items():
        assert formats[suffix] >= least, suffix
    assert len(_jsonl(files(version)["documents.jsonl"])) >= 5
    assert len(texts(version)) >= 44
    for name, text in texts(version).items():
        if name in files(version):
            assert 150 <= len(text.split()) <= 700, name


@pytest.mark.parametrize("version", VERSIONS)
def test_text_files_are_clean(version: str) -> None:
    for name, path in files(version).items():
        if path.suffix in {".docx", ".pdf"}:
            continue
        data = path.read_bytes()
        data.decode("utf-8")
        assert b"\r" not in data, name
        assert not re.search(rb"[ \t]+$", data, re.MULTILINE), name
        assert data.endswith(b"\n"), name


@pytest.mark.parametrize("version", VERSIONS)
def test_links_between_documents_resolve(version: str) -> None:
    for name, path in files(version).items():
        if path.suffix in {".md", ".mdx"}:
            targets = re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8"))
            for target in targets:
                assert (path.parent / target).is_file(), (name, target)


@pytest.mark.parametrize("version", VERSIONS)
def test_gold_documents_state_the_first_answer(version: str) -> None:
    assert len(questions(version)) >= 210
    for row in questions(version).values():
        assert set(row) == KEYS, row["id"]
        assert row["gold_doc_ids"], row["id"]
        assert 1 <= len(row["answers"][0].split()) <= 6, row["id"]
        for doc_id in row["gold_doc_ids"]:
            assert _states(texts(version)[doc_id], row["answers"][0]), row["id"]
    stated_twice = [r for r in questions(version).values() if len(r["gold_doc_ids"]) == 2]
    assert len(stated_twice) >= 12


@pytest.mark.parametrize("version", VERSIONS)
def test_first_answers_are_distinct(version: str) -> None:
    first = Counter(row["answers"][0] for row in questions(version).values())
    assert [a for a, n in first.items() if n > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_wordings_are_distinct_and_do_not_give_the_answer(version: str) -> None:
    seen: Counter[str] = Counter()
    for row in questions(version).values():
        assert len(row["phrasings"]) == len(row["held_out_phrasings"]) == len(row["oblique_phrasings"]) == 2, row["id"]
        for wording in _wordings(row):
            seen[wording.lower()] += 1
            assert not _states(wording.lower(), row["answers"][0].lower()), wording
    assert [w for w, n in seen.items() if n > 1] == []


@pytest.mark.parametrize("version", VERSIONS)
def test_validity_agrees_with_the_other_versions(version: str) -> None:
    place = VERSIONS.index(version)
    for fact_id, row in questions(version).items():
        answers = [questions(v).get(fact_id, {}).get("answers") for v in VERSIONS]
        since = place
        while since > 0 and answers[since - 1] == row["answers"]:
            since -= 1
        later = [v for v, a in zip(VERSIONS, answers, strict=True) if v > version and a != row["answers"]]
        assert row["valid_from"] == VERSIONS[since], row["id"]
        assert row["valid_to"] == (later[0] if later else None), row["id"]


def test_first_version_is_all_initial() -> None:
    assert {row["change"] for row in questions("v1").values()} == {"initial"}


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_each_kind_of_change_is_marked_correctly(before: str, after: str) -> None:
    old, new = questions(before), questions(after)
    kinds = Counter(row["change"] for row in new.values())
    assert kinds["changed"] >= 30
    assert kinds["added"] >= 12
    assert kinds["moved"] and kinds["reworded"]
    assert set(old) - set(new), "removed pages take their questions along"
    for fact_id, row in new.items():
        if row["change"] == "added":
            assert fact_id not in old, row["id"]
            continue
        previous = old[fact_id]
        assert row["id"] == previous["id"]
        assert _wordings(row) == _wordings(previous), row["id"]
        if row["change"] == "changed":
            assert row["answers"][0] != previous["answers"][0], row["id"]
            for doc_id in row["gold_doc_ids"]:
                text = texts(after)[doc_id]
                assert not _states(text, previous["answers"][0]), (row["id"], doc_id)
            continue
        assert row["answers"] == previous["answers"], row["id"]
        moved = row["gold_doc_ids"] != previous["gold_doc_ids"]
        assert moved == (row["change"] == "moved"), row["id"]
        if row["change"] == "reworded":
            pairs = [(texts(before)[d], texts(after)[d]) for d in row["gold_doc_ids"]]
            assert any(a != b for a, b in pairs), row["id"]


@pytest.mark.parametrize(("before", "after"), STEPS)
def test_documents_change_as_described(before: str, after: str) -> None:
    old = {name: path.read_bytes() for name, path in files(before).items()}
    new = {name: path.read_bytes() for name, path in files(after).items()}
    same = [name for name in new if old.get(name) == new[name]]
    edited = [name for name in new if name in old and old[name] != new[name]]
    arrived = set(new) - set(old)
    gone = set(old) - set(new)
    renamed_as_is = [name for name in arrived if new[name] in old.values()]
    assert len(same) >= 15
    assert len(arrived) >= 5, "three added, two renamed"
    assert len(gone) >= 4, "two removed, two renamed"
    assert len(renamed_as_is) == 1
    edited_formats = {Path(name).suffix for name in edited}
    assert {".md", ".txt", ".html", ".docx", ".pdf", ".jsonl"} <= edited_formats
    reworded = {
        doc_id for row in questions(after).values() if row["change"] == "reworded" for doc_id in row["gold_doc_ids"]
    }
    assert len(reworded & set(edited)) >= 4


def test_control_questions_are_not_answered_by_the_documents() -> None:
    controls = _jsonl(ROOT / "controls.jsonl")
    assert len({row["id"] for row in controls}) == len(controls) == 12
    assert sum(not row["answers"] for row in controls) == 6
    known = {w.lower() for v in VERSIONS for r in questions(v).values() for w in _wordings(r)}
    for row in controls:
        assert row["change"] == "control" and row["gold_doc_ids"] == []
        assert len({w.lower() for w in _wordings(row)} - known) == 5, row["id"]
        for version in VERSIONS:
            for name, text in texts(version).items():
                for answer in row["answers"]:
                    assert not _states(text, answer), (row["id"], name)


def test_unanswerable_questions_are_apart_from_all_others() -> None:
    rows = _jsonl(ROOT / "unanswerable.jsonl")
    assert len({row["id"] for row in rows}) == len(rows) >= 40
    known = {w.lower() for v in VERSIONS for r in questions(v).values() for w in _wordings(r)}
    known |= {w.lower() for row in _jsonl(ROOT / "controls.jsonl") for w in _wordings(row)}
    wordings = [w.lower() for row in rows for w in (row["question"], *row["phrasings"])]
    assert len(set(wordings) - known) == len(wordings)
    for row in rows:
        assert set(row) == {"id", "question", "answers", "gold_doc_ids", "fact_id", "phrasings"}, row["id"]
        assert row["answers"] == row["gold_doc_ids"] == [] and 1 <= len(row["phrasings"]) <= 2, row["id"]


def test_the_examples_of_style_are_in_the_style_that_is_asked_for() -> None:
    style = read_style(ROOT / "style.jsonl")
    assert (len(style.examples), len(style.probes)) == (36, 18)
    wordings = [row.question.lower() for row in (*style.examples, *style.probes)]
    known = {w.lower() for v in VERSIONS for r in questions(v).values() for w in _wordings(r)}
    assert len(set(wordings) - known) == len(wordings)
    for probe in style.probes:
        assert all(matches_style(row.answer, probe.pattern) for row in style.examples)


# What each asks about, in words that a page which answered it would have to use.
SUBJECTS = {
    "u-01": r"wi-?fi|wireless",
    "u-02": r"flag.{0,40}(designed|drawn|drew)",
    "u-03": r"cinema",
    "u-04": r"\bborn\b|birthday of",
    "u-05": r"anchor.{0,30}(weigh|kilo|tonne|\bkg\b)",
    "u-06": r"launched in|(ship|vessel|ferry|vey).{0,20}\bbuilt in|built in \d{4}",
    "u-08": r"\btrees?\b",
    "u-09": r"educated|went to school|attended",
    "u-10": r"\bchoir\b",
    "u-11": r"canteen.{0,40}rent|rent.{0,40}canteen",
    "u-13": r"football",
    "u-14": r"middle name",
    "u-15": r"\bloan\b|mortgage",
    "u-16": r"\bwell.{0,20}(deep|metres)",
    "u-17": r"number plate|licen[cs]e plate",
    "u-18": r"newspaper",
    "u-19": r"organist",
    "u-22": r"stolen|theft",
    "u-23": r"dentist",
    "u-25": r"curtains?",
    "u-26": r"tunnel",
    "u-27": r"\bfilm(ed)?\b",
    "u-28": r"bakery|cinnamon",
    "u-29": r"\bmayor\b",
    "u-30": r"population|Marrowby has",
    "u-31": r"police",
    "u-32": r"satellite",
    "u-33": r"swimming",
    "u-34": r"\bmotto\b|coat of arms",
    "u-36": r"museum",
    "u-38": r"ghost|haunt",
    "u-39": r"parking",
    "u-40": r"portrait",
    "u-41": r"antivirus|anti-virus",
    "u-42": r"rateable|\brated at £",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_no_document_answers_the_unanswerable_questions(version: str) -> None:
    assert set(SUBJECTS) <= {row["id"] for row in _jsonl(ROOT / "unanswerable.jsonl")}
    for question, subject in SUBJECTS.items():
        for name, text in texts(version).items():
            assert not re.search(subject, " ".join(text.split()), re.IGNORECASE), (question, name)
