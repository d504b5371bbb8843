"""Rows 1-33, 37 and 39 of the bad-input catalogue, each as a real file that the real loader meets beside a good one."""

import io
import json
import os
import time
import unicodedata
import zipfile
import zlib
from pathlib import Path

import docx
import psutil
import pytest
from pypdf import PdfReader, PdfWriter

from lorag.errors import InputRejected
from lorag.integrations.parsing.pool import ParserProcess
from lorag.knowledge.documents import Corpus, Flag, Reason
from lorag.knowledge.formats import ParsedDocument, Quarantine
from lorag.params import KnowledgeParams, ParserParams
from lorag.use_cases.refresh.load_corpus import load_corpus, refuse_empty, rejected_share, require_usable

PARSER = ParserParams(memory_mb=512, timeout_s=10, max_depth=200, max_characters=5_000_000)
PARAMS = KnowledgeParams(
    source="x",
    questions="x",
    controls="x",
    unanswerable="x",
    style="x",
    origin=None,
    questions_origin=None,
    max_file_bytes=10_000_000,
    max_rejected_share=0.2,
    secrets="quarantine",
    commit=False,
    approve_new_sources=False,
    parser=PARSER,
)
KEY = "AKIA" + "Q7WJ5NVXH2LZ4TRC"


def put(root: Path, name: str, content: str | bytes) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def load(root: Path, **changes: object) -> Corpus:
    return load_corpus(root, PARAMS.model_copy(update=changes))


def load_beside_good(root: Path, name: str, content: str | bytes, **changes: object) -> Corpus:
    """The corpus of the bad file and a good one, which must have come through."""
    put(root, "good.md", "# Good\n\nA good document.")
    put(root, name, content)
    corpus = load(root, **changes)
    assert "good.md" in [document.id for document in corpus.documents]
    return corpus


def word(text: str = "word text") -> bytes:
    document = docx.Document()
    document.add_paragraph(text)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def word_with(name: str, content: bytes, attributes: int | None = None, declared: int | None = None) -> bytes:
    """A Word file with one more entry, its Unix mode or declared size as given."""
    stream = io.BytesIO(word())
    with zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED) as archive:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        if attributes is not None:
            info.external_attr = attributes << 16
        archive.writestr(info, content)
        if declared is not None:
            archive.filelist[-1].file_size = declared
    return stream.getvalue()


def word_with_body(xml: bytes) -> bytes:
    """A Word file whose main part is `xml`."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info, xml if info.filename == "word/document.xml" else old.read(info))
    return stream.getvalue()


def overlapping_word() -> bytes:
    stream = io.BytesIO(word())
    with zipfile.ZipFile(stream, "a") as archive:
        first = archive.filelist[0]
        copy = zipfile.ZipInfo("word/copy.xml")
        for field in ("header_offset", "compress_size", "file_size", "CRC", "compress_type"):
            setattr(copy, field, getattr(first, field))
        archive.filelist.append(copy)
        archive._didModify = True
    return stream.getvalue()


def encrypted_pdf(user: str) -> bytes:
    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf(b"BT /F1 12 Tf 20 200 Td (Hello there) Tj ET"))))
    writer.encrypt(user, "owner", algorithm="AES-256")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def pdf(content: bytes, filters: bytes = b"", trailer: bytes = b"", extra: bytes = b"") -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(content), filters, content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica %s >>" % (b"/ToUnicode 6 0 R" if extra else b""),
        extra or b"<< >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    table = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    table += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
    trailer = trailer.replace(b"SELF", b"%d" % len(body))
    return body + table + end % (len(objects) + 1, trailer, len(body))


def deflated(data_of_zeros: int, rounds: int = 1) -> bytes:
    """`data_of_zeros` zero bytes deflated `rounds` times, made piecewise."""
    squeeze = zlib.compressobj(9)
    piece = bytes(1 << 20)
    data = b"".join(squeeze.compress(piece) for _ in range(data_of_zeros >> 20)) + squeeze.flush()
    for _ in range(rounds - 1):
        data = zlib.compress(data, 9)
    return data


REJECTED = [
    # row, name, content, reason, a word of the detail
    pytest.param("a.md", b"", Reason.EMPTY, "", id="1-no-bytes"),
    pytest.param("a.md", "\ufeff \n\t\n", Reason.EMPTY_AFTER_PARSE, "", id="2-blank"),
    pytest.param("a.html", "<html><body><p> </p></body></html>", Reason.EMPTY_AFTER_PARSE, "", id="2-blank-page"),
    pytest.param("a.md", b"x" * 10_000_001, Reason.TOO_LARGE, "10000001", id="3-too-large"),
    pytest.param("a.txt", b"\x7fELF\x02\x01\x01" + bytes(64), Reason.TYPE_MISMATCH, "ELF", id="5-elf"),
    pytest.param("a.md", b"\x89PNG\r\n\x1a\n" + bytes(64), Reason.TYPE_MISMATCH, "PNG", id="5-png"),
    pytest.param("a.txt", bytes(range(32)) * 8, Reason.TYPE_MISMATCH, "binary", id="5-binary"),
    pytest.param("a.txt", "ascii only".encode("utf-16-le"), Reason.TYPE_MISMATCH, "", id="5-utf16-no-mark"),
    pytest.param("a.pdf", "<!doctype html><p>text", Reason.TYPE_MISMATCH, "HTML", id="6-html-as-pdf"),
    pytest.param("a.html", pdf(b""), Reason.TYPE_MISMATCH, "PDF", id="6-pdf-as-html"),
    pytest.param("a.docx", "plain text", Reason.TYPE_MISMATCH, "zip", id="6-text-as-docx"),
    pytest.param("a.md", b"good \xff bad", Reason.BAD_ENCODING, "offset 5", id="7-not-utf8"),
    pytest.param("a.md", "\ufeffé".encode() + b"\xe9", Reason.BAD_ENCODING, "offset 5", id="7-after-a-mark"),
    pytest.param("a.html", b"<meta charset=rot13><p>x", Reason.BAD_ENCODING, "rot13", id="8-odd-charset"),
    pytest.param("a.html", "<div>" * 100_000 + "x", Reason.TOO_DEEP, "200", id="15-deep-html"),
    pytest.param("a.md", "> " * 100_000 + "x", Reason.TOO_DEEP, "", id="15-deep-quotes"),
    pytest.param("a.docx", word_with("word/b.xml", bytes(50 << 20)), Reason.UNSAFE_ARCHIVE, ":1", id="16-bomb"),
    pytest.param("a.docx", overlapping_word(), Reason.UNSAFE_ARCHIVE, "overlaps", id="17-overlap"),
    pytest.param(
        "a.docx", word_with("word/b.xml", bytes(1 << 20), declared=10), Reason.UNSAFE_ARCHIVE, "", id="17-lying-size"
    ),
    pytest.param("a.docx", word_with("../evil.xml", b"x"), Reason.UNSAFE_ARCHIVE, "folder", id="18-parent"),
    pytest.param("a.docx", word_with("/etc/evil", b"x"), Reason.UNSAFE_ARCHIVE, "folder", id="18-absolute"),
    pytest.param("a.docx", word_with("C:\\evil", b"x"), Reason.UNSAFE_ARCHIVE, "folder", id="18-drive"),
    pytest.param("a.docx", word_with("word\\..\\..\\e", b"x"), Reason.UNSAFE_ARCHIVE, "folder", id="18-backslash"),
    pytest.param("a.docx", word_with("l", b"/etc/passwd", 0o120777), Reason.UNSAFE_ARCHIVE, "link", id="19-symlink"),
    pytest.param("a.docx", word_with("d", b"", 0o020666), Reason.UNSAFE_ARCHIVE, "device", id="19-device"),
    pytest.param("a.docx", word()[:2_000], Reason.PARSER_FAILED, "zip", id="19-cut-short"),
    pytest.param("a.pdf", encrypted_pdf("secret"), Reason.ENCRYPTED, "password", id="23-encrypted"),
    pytest.param(
        "a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), Reason.ENCRYPTED, "encrypted", id="23-office"
    ),
    pytest.param("a.pdf", pdf(b"0 0 10 10 re f"), Reason.NO_TEXT, "OCR", id="24-no-text"),
    pytest.param("a.pdf", b"%PDF-1.4 garbage", Reason.PARSER_FAILED, "", id="24-broken"),
    pytest.param("a.md", f"key: {KEY}", Reason.POSSIBLE_SECRET, "line", id="37-secret"),
]


@pytest.mark.parametrize(("name", "content", "reason", "word"), REJECTED)
def test_one_bad_document_is_quarantined_with_its_reason(
    tmp_path: Path, name: str, content: str | bytes, reason: Reason, word: str
) -> None:
    corpus = load_beside_good(tmp_path, name, content)
    assert [(item.name, item.reason) for item in corpus.rejected] == [(name, reason)]
    assert word in corpus.rejected[0].detail
    assert len(corpus.documents) == 1


def test_all_of_them_at_once_leave_every_good_document(tmp_path: Path) -> None:
    for number, row in enumerate(REJECTED):
        name, content, *_ = row.values
        put(tmp_path, f"bad-{number}-{name}", content)
        put(tmp_path, f"good-{number}.md", f"# Good\n\nDocument {number}.")
    before = psutil.Process().memory_info().rss
    corpus = load(tmp_path)
    assert len(corpus.documents) == len(REJECTED)
    assert len({item.name for item in corpus.rejected}) == len(corpus.rejected) == len(REJECTED)
    assert psutil.Process().memory_info().rss - before < 100_000_000
    assert rejected_share(corpus) == 0.5
    with pytest.raises(
        InputRejected, match=rf"{len(REJECTED)} of {2 * len(REJECTED)} .*bad-0-a.md: empty .*report.json"
    ):
        require_usable(corpus, PARAMS, source=tmp_path, report="report.json")


def test_row_4_a_sparse_file_costs_nothing(tmp_path: Path) -> None:
    with open(tmp_path / "sparse.md", "wb") as file:
        file.truncate(10 * 1024**3)
    started = time.perf_counter()
    corpus = load(tmp_path)
    assert [item.reason for item in corpus.rejected] == [Reason.TOO_LARGE]
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.md", "naïve ☃".encode("utf-8-sig")),
        ("a.txt", "naïve ☃".encode("utf-16")),
        ("a.txt", b"\xfe\xff" + "naïve ☃".encode("utf-16-be")),
        ("a.html", "<meta charset='utf-8'><p>naïve ☃".encode()),
        ("a.html", '<meta http-equiv="Content-Type" content="text/html; charset=koi8-r"><p>да'.encode("koi8-r")),
        ("a.html", '<?xml version="1.0" encoding="iso-8859-1"?><p>naïve “'.encode("cp1252")),
    ],
)
def test_row_8_declared_encodings_are_read(tmp_path: Path, name: str, content: str | bytes) -> None:
    document = load_beside_good(tmp_path, name, content).documents[0]
    assert document.text in ("naïve ☃", "да", "naïve “") and not document.flags


def test_rows_9_and_12_unseen_characters_are_taken_out_and_counted(tmp_path: Path) -> None:
    text = "a\x00b\x07 z\u200bero ove\u202erride t\U000e0061g pop&#8203;up\n"
    document = load_beside_good(tmp_path, "a.md", text).documents[0]
    assert document.text == "ab zero override tg popup"
    assert document.flags == {Flag.CONTROL_CHARACTERS: 2, Flag.HIDDEN_TEXT: 4}


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
@pytest.mark.parametrize("content", [b"x " * 4_500_000, b"a\n" * 1_000_000], ids=["one line", "many lines"])
def test_rows_10_and_11_long_and_many_lines_are_parsed_in_time(tmp_path: Path, name: str, content: str | bytes) -> None:
    parser = PARSER.model_copy(update={"max_characters": 50_000_000})
    corpus = load_beside_good(tmp_path, name, content, parser=parser)
    assert len(corpus.documents) == 2 and not corpus.rejected


def test_rows_13_and_14_hidden_and_active_content_is_not_indexed(tmp_path: Path) -> None:
    page = (
        "<p>Visible.</p><div style='display:none'>EVIL</div><p style='color:white'>EVIL</p><!-- EVIL -->"
        "<script>EVIL</script><img src=x onerror=EVIL><a href='javascript:EVIL'>link</a>"
    )
    document = load_beside_good(tmp_path, "a.html", page).documents[0]
    assert document.text == "Visible.\n\nlink"
    assert document.flags[Flag.HIDDEN_TEXT] == 3


def test_row_18_nothing_is_written_outside(tmp_path: Path) -> None:
    root, sentinel = tmp_path / "root", tmp_path / "sentinel"
    sentinel.mkdir()
    load_beside_good(root, "a.docx", word_with("../sentinel/evil.xml", b"x"))
    assert not any(sentinel.iterdir())


def test_row_20_archives_are_not_opened(tmp_path: Path) -> None:
    nested = b"SENTINEL"
    for depth in range(5):
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            archive.writestr(f"{depth}.zip", nested)
        nested = stream.getvalue()
    put(tmp_path, "a.zip", nested)
    put(tmp_path, "a.tar", nested)
    corpus = load_beside_good(tmp_path, "a.docx", word_with("word/embeddings/a.zip", nested))
    assert [document.text for document in corpus.documents] == ["word text", "Good\n\nA good document."]
    assert {item.name: item.reason for item in corpus.rejected} == dict.fromkeys(("a.zip", "a.tar"), Reason.UNSUPPORTED)
    assert rejected_share(corpus) == 0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_row_21_entities_are_neither_expanded_nor_fetched(tmp_path: Path, encoding: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SENTINEL")
    xml = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE d [<!ENTITY x SYSTEM "file://{secret}">]>'
        '<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body><w:p><w:r>'
        "<w:t>text &x;</w:t></w:r></w:p></w:body></w:document>"
    )
    corpus = load_beside_good(tmp_path / "root", "a.docx", word_with_body(xml.encode(encoding)))
    assert [item.reason for item in corpus.rejected] == [Reason.UNSAFE_ARCHIVE]


@pytest.mark.parametrize(
    "content",
    [
        pdf(deflated(1 << 30, 2), b"/Filter [/FlateDecode /FlateDecode]"),
        pdf(
            b"BT /F1 12 Tf (x) Tj ET",
            extra=b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream"
            % (len(deflated(1 << 29)), deflated(1 << 29)),
        ),
    ],
    ids=["flate bomb", "huge ToUnicode"],
)
def test_row_22_a_pdf_bomb_ends_at_the_limit(tmp_path: Path, content: str | bytes) -> None:
    before = psutil.Process().memory_info().rss
    started = time.perf_counter()
    corpus = load_beside_good(tmp_path, "a.pdf", content)
    assert time.perf_counter() - started < 15
    assert [item.reason for item in corpus.rejected] == [Reason.PARSER_LIMIT]
    assert psutil.Process().memory_info().rss - before < 100_000_000


def test_row_22_a_circular_pdf_ends(tmp_path: Path) -> None:
    content = pdf(b"BT /F1 12 Tf 20 200 Td (Hello there) Tj ET", trailer=b"/Prev SELF")
    corpus = load_beside_good(tmp_path, "a.pdf", content)
    assert len(corpus.documents) + len(corpus.rejected) == 2


def test_row_23_an_empty_password_opens(tmp_path: Path) -> None:
    assert load_beside_good(tmp_path, "a.pdf", encrypted_pdf("")).documents[0].text == "Hello there"


class TestParserProcess:
    def test_a_parser_that_takes_too_long_is_killed_and_the_next_document_parsed(self) -> None:
        process = ParserProcess(PARSER.model_copy(update={"timeout_s": 0.5}), [".md"])
        try:
            started = time.perf_counter()
            slow = process.parse(".md", b"[" * 400_000)
            assert isinstance(slow, Quarantine) and slow.reason is Reason.PARSER_LIMIT and "0.5 s" in slow.detail
            assert time.perf_counter() - started < 10
            assert isinstance(process.parse(".md", b"fine"), ParsedDocument)
        finally:
            process.close()

    def test_a_parser_that_takes_too_much_memory_is_stopped_and_the_next_document_parsed(self) -> None:
        process = ParserProcess(PARSER.model_copy(update={"memory_mb": 64, "timeout_s": 60}), [".md"])
        try:
            large = process.parse(".md", b"*a* `b` " * 200_000)
            assert isinstance(large, Quarantine) and large.reason is Reason.PARSER_LIMIT and "64 MB" in large.detail
            assert isinstance(process.parse(".md", b"fine"), ParsedDocument)
        finally:
            process.close()

    def test_a_parser_that_is_killed_is_replaced(self) -> None:
        process = ParserProcess(PARSER, [".md"])
        try:
            assert isinstance(process.parse(".md", b"fine"), ParsedDocument)
            first = process._child
            first.kill()
            died = process.parse(".md", b"fine")
            assert isinstance(died, Quarantine) and died.reason is Reason.PARSER_LIMIT
            assert isinstance(process.parse(".md", b"fine"), ParsedDocument)
            assert process._child.pid != first.pid
        finally:
            process.close()

    def test_the_child_sees_no_secrets_and_leaves_nothing_behind(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LORAG_CANARY", "SENTINEL")
        process = ParserProcess(PARSER, [".md"])
        process.parse(".md", b"fine")
        child = psutil.Process(process._child.pid)
        assert "SENTINEL" not in str(child.environ())
        limits = {psutil.RLIMIT_FSIZE: (0, 0), psutil.RLIMIT_CORE: (0, 0), psutil.RLIMIT_NOFILE: (32, 32)}
        assert {what: child.rlimit(what) for what in limits} == limits
        assert child.rlimit(psutil.RLIMIT_AS)[1] < 2_000_000_000
        process.close()
        assert not child.is_running()


def test_row_25_a_link_in_the_source_is_one_document_with_two_names(tmp_path: Path) -> None:
    put(tmp_path, "b.md", "text")
    (tmp_path / "a.md").symlink_to("b.md")
    assert [(document.id, document.sources) for document in load(tmp_path).documents] == [("a.md", ("a.md", "b.md"))]


def test_row_30_odd_names_become_ids_that_cannot_forge_a_line(tmp_path: Path) -> None:
    with open(os.path.join(os.fsencode(tmp_path), b"x\nerror\xff.md"), "wb") as file:
        file.write(b"text")
    document = load(tmp_path).documents[0]
    assert document.id == document.sources[0] == r"x\x0aerror\udcff.md"
    assert "\n" not in document.title


def test_row_31_names_that_differ_in_case_or_form_are_two_flagged_documents(tmp_path: Path) -> None:
    composed, decomposed = "\u00e9.md", unicodedata.normalize("NFD", "\u00e9.md")
    for number, name in enumerate(("A.md", "a.md", composed, decomposed, "other.md")):
        put(tmp_path, name, f"text {number}")
    flags = {document.id: dict(document.flags) for document in load(tmp_path).documents}
    assert flags.pop("other.md") == {}
    assert flags == dict.fromkeys(("A.md", "a.md", composed, decomposed), {Flag.NAME_CLASH: 1})


def test_row_32_equal_bytes_are_one_document_under_the_first_name(tmp_path: Path) -> None:
    for name in ("b.md", "sub/a.md", "c.txt"):
        put(tmp_path, name, "# Same\n\ntext")
    put(tmp_path, "a.pdf", "# Same\n\ntext")
    corpus = load(tmp_path)
    assert [(document.id, document.sources) for document in corpus.documents] == [
        ("b.md", ("b.md", "c.txt", "sub/a.md"))
    ]
    assert [(item.name, item.reason) for item in corpus.rejected] == [("a.pdf", Reason.TYPE_MISMATCH)]


class TestRow33:
    def test_an_id_with_two_texts_is_no_document(self, tmp_path: Path) -> None:
        put(tmp_path, "x/documents.jsonl", '{"id": "d", "text": "one"}\n{"id": "e", "text": "fine"}\n')
        put(tmp_path, "y/documents.jsonl", '{"id": "d", "text": "two"}\n')
        corpus = load(tmp_path)
        assert [document.id for document in corpus.documents] == ["e"]
        assert [(item.name, item.reason) for item in corpus.rejected] == [
            ("x/documents.jsonl:1", Reason.DUPLICATE_ID),
            ("y/documents.jsonl:1", Reason.DUPLICATE_ID),
        ]
        assert all("x/documents.jsonl:1 and y/documents.jsonl:1" in item.detail for item in corpus.rejected)

    def test_an_id_given_twice_with_one_text_is_one_document(self, tmp_path: Path) -> None:
        put(tmp_path, "documents.jsonl", '{"id": "d", "text": "one"}\n{"text": "one", "id": "d"}\n')
        corpus = load(tmp_path)
        assert [document.id for document in corpus.documents] == ["d"] and not corpus.rejected

    def test_a_record_and_a_file_of_one_name_clash(self, tmp_path: Path) -> None:
        put(tmp_path, "documents.jsonl", '{"id": "a.md", "text": "one"}\n')
        put(tmp_path, "a.md", "two")
        assert {item.name for item in load(tmp_path).rejected} == {"a.md", "documents.jsonl:1"}

    def test_equal_texts_under_two_ids_stay_two_documents(self, tmp_path: Path) -> None:
        put(tmp_path, "documents.jsonl", '{"id": "d", "text": "one"}\n{"id": "e", "text": "one"}\n')
        assert [document.sources for document in load(tmp_path).documents] == [("d",), ("e",)]


def test_row_34_pages_that_are_nearly_the_same_are_flagged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = " ".join(f"The code of gate {gate} is {gate * 37 % 101}." for gate in range(30))
    for number in range(5):
        put(tmp_path, f"poison{number}.md", f"# Gates\n\n{body}\n\nSays warden {number}.")
    for pier in range(20):
        put(tmp_path, f"pier{pier}.md", f"# Pier {pier}\n\nThe lamp of pier {pier} is lit at 20:15.")
    cache = DictCache()
    for _ in range(2):
        flags = {document.id: dict(document.flags) for document in load_corpus(tmp_path, PARAMS, cache=cache).documents}
        assert {name: found for name, found in flags.items() if found} == {
            f"poison{number}.md": {Flag.NEAR_DUPLICATE: 4} for number in range(5)
        }
        # The second time each sketch comes from the cache.
        monkeypatch.setattr(ParserProcess, "parse", lambda *arguments: pytest.fail("parsed again"))


def test_row_37_a_secret_may_be_flagged_instead(tmp_path: Path) -> None:
    corpus = load_beside_good(tmp_path, "a.md", f"key: {KEY}", secrets="flag")
    assert corpus.documents[0].flags == {Flag.POSSIBLE_SECRET: 1}
    assert KEY not in repr(corpus.rejected)


@pytest.mark.parametrize(
    ("front", "line"),
    [
        ("---\ntitle: x\nbad: [1, 2\n---\n", "line"),
        ("---\ntitle: x\ntitle: y\n---\n", "line"),
        ("---\na: &a [x, x]\n" + "".join(f"b{n}: [*a, *a]\n" for n in range(30)) + "---\n", "aliases"),
        ("---\nx: !!python/object/apply:os.system [id]\n---\n", "line"),
        ("+++\ntitle = ]\n+++\n", "line 2"),
    ],
)
def test_row_39_bad_front_matter_is_left_out_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, front: str, line: str
) -> None:
    document = load_beside_good(tmp_path, "a.md", front + "Body").documents[0]
    assert (document.title, document.metadata, document.text) == ("a", {}, "Body")
    assert document.flags == {Flag.BAD_METADATA: 1}
    assert any("a.md" in message and line in message for message in caplog.messages)


class TestSource:
    def test_nothing_to_index_is_refused(self, tmp_path: Path) -> None:
        put(tmp_path, "a.css", "x")
        with pytest.raises(InputRejected, match="nothing to index; 1 file has an unsupported format"):
            refuse_empty(load(tmp_path), source=tmp_path)

    def test_a_source_that_is_not_there_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InputRejected, match=r"no such source.*`knowledge\.origin`"):
            load(tmp_path / "nowhere")

    def test_a_share_within_the_limit_passes(self, tmp_path: Path) -> None:
        for number in range(4):
            put(tmp_path, f"{number}.md", f"text {number}")
        put(tmp_path, "bad.md", "")
        corpus = load(tmp_path)
        assert rejected_share(corpus) == 0.2
        require_usable(corpus, PARAMS, source=tmp_path, report="r")


class DictCache(dict):
    def put(self, key: str, value: bytes) -> None:
        self[key] = value


class TestCache:
    def test_the_same_corpus_with_and_without_and_nothing_parsed_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(tmp_path, "a.md", "---\ntags: [x]\n---\n# T\n\ntext")
        put(tmp_path, "b.md", "good \xff".encode("latin-1"))
        put(tmp_path, "documents.jsonl", '{"id": "d", "text": "one"}\nbroken\n')
        cache, progress = DictCache(), []
        fresh = load_corpus(tmp_path, PARAMS, cache=cache, progress=progress.append)
        assert sum(progress) == 3 and len(cache) == 3 and fresh == load(tmp_path)
        monkeypatch.setattr(ParserProcess, "parse", lambda *arguments: pytest.fail("parsed again"))
        assert load_corpus(tmp_path, PARAMS, cache=cache) == fresh

    def test_other_limits_and_damage_are_misses(self, tmp_path: Path) -> None:
        put(tmp_path, "a.md", "some text")
        cache = DictCache()
        load_corpus(tmp_path, PARAMS, cache=cache)
        other = PARAMS.model_copy(update={"parser": PARSER.model_copy(update={"max_depth": 100})})
        load_corpus(tmp_path, other, cache=cache)
        assert len(cache) == 2
        for key in cache:
            cache[key] = b"{}"
        assert load_corpus(tmp_path, PARAMS, cache=cache).documents[0].text == "some text"

    def test_a_limit_met_is_not_kept(self, tmp_path: Path) -> None:
        put(tmp_path, "a.md", "[" * 400_000)
        cache = DictCache()
        params = PARAMS.model_copy(update={"parser": PARSER.model_copy(update={"timeout_s": 0.3})})
        assert load_corpus(tmp_path, params, cache=cache).rejected[0].reason is Reason.PARSER_LIMIT
        assert not cache


def test_twenty_thousand_records_load_quickly(tmp_path: Path) -> None:
    rows = (
        json.dumps({"id": f"d{n}", "title": f"T{n}", "text": f"Paragraph {n}.\n\nMore " * 5}) for n in range(20_000)
    )
    put(tmp_path, "documents.jsonl", "\n".join(rows))
    started = cpu_time_s()
    corpus = load(tmp_path)
    assert len(corpus.documents) == 20_000
    assert cpu_time_s() - started < 30, "4 to 10 s by the processor; minutes where the time grows with the square"


def cpu_time_s() -> float:
    """Of this process and its ended children: a busy machine does not count."""
    return sum(os.times()[:4])


REAL_DATA = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize("version", ["2.13", "2.14", "2.15"])
def test_a_real_documentation_site_loads_whole(version: str) -> None:
    folder = REAL_DATA / "keda_2.13-2.15" / "versions" / version
    if not folder.is_dir():
        pytest.skip("the keda documentation is not at ../shared/data")
    corpus = load(folder)
    assert len(corpus.documents) >= 100 and not corpus.rejected
    assert not any("{{<" in document.text for document in corpus.documents)


def test_real_records_load_whole() -> None:
    files = sorted(REAL_DATA.glob("*/documents.jsonl"))
    if not files:
        pytest.skip("no data sets at ../shared/data")
    for file in files:
        corpus = load(file)
        assert len(corpus.documents) == len(file.read_bytes().splitlines()) and not corpus.rejected, file
