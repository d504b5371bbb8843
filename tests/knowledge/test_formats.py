import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import docx
import pytest
from docx.oxml.ns import qn
from docx.oxml.parser import OxmlElement
from docx.shared import RGBColor

from lorag.knowledge.documents import BlockKind, Flag, Reason
from lorag.knowledge.formats import (
    FORMATS,
    ParsedDocument,
    ParsedRecords,
    Quarantine,
    format_of,
    load_parser,
    parse_content,
    parse_document,
    result_from_json,
    result_to_json,
)
from lorag.knowledge.normalise import clean_text
from lorag.knowledge.secrets import find_secrets

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)


def parse(name: str, text: str | bytes) -> ParsedDocument:
    return parse_document(name, text.encode() if isinstance(text, str) else text, LIMITS)


def lines(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(f"{block.kind}{block.level or ''}", block.text) for block in document.blocks]


def word(change: Callable[[Any], object] = lambda document: None) -> bytes:
    document = docx.Document()
    change(document)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def a_pdf(*content: bytes, trailer: bytes = b"", info: bytes = b"") -> bytes:
    """A one-page PDF with `content` as the page's content stream object (dictionary and stream)."""
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 300 300] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>",
        content[0] if content else stream(b"BT /F1 12 Tf 20 200 Td (Hello from a page) Tj ET"),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        info or b"<< /Title (A PDF title) >>",
    ]
    body, offsets = b"%PDF-1.4\n", []
    for number, item in enumerate(objects, start=1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    xref = b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    xref += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer\n<< /Size %d /Root 1 0 R /Info 6 0 R %s >>\nstartxref\n%d\n%%%%EOF\n"
    return body + xref + end % (len(objects) + 1, trailer.replace(b"SELF", b"%d" % len(body)), len(body))


def stream(data: bytes, filters: bytes = b"") -> bytes:
    return b"<< /Length %d %s >>\nstream\n%s\nendstream" % (len(data), filters, data)


RESTRUCTURED = """
=======
Caching
=======

.. setting:: CACHES

How long a page is kept: :setting:`TIMEOUT`.

Keys
----

A key has at most ``250`` characters.
"""


def test_a_text_file_with_the_signs_of_restructured_text_is_read_as_that() -> None:
    read = parse("caching.txt", RESTRUCTURED)
    assert read.title == "Caching" and lines(read) == lines(parse("caching.rst", RESTRUCTURED))
    assert ("heading2", "Keys") in lines(read) and ("paragraph", "How long a page is kept: TIMEOUT.") in lines(read)


@pytest.mark.parametrize(
    "text",
    [
        "Minutes\n=======\n\nAll were there.",
        "A line\n\n--- *\n\nwith ``ticks``.",
        "The list is long\n----\n\nand has ``ticks``.",
        "# Title\n\nSee `this`.",
    ],
)
def test_other_text_files_stay_as_they_are(text: str) -> None:
    read = parse("minutes.txt", text)
    assert "\n\n".join(block.text for block in read.blocks) == text


def test_every_format_has_a_parser() -> None:
    assert all(callable(load_parser(kind)) for kind in FORMATS)
    assert format_of("a/B.MD") == ".md" and format_of("x/documents.jsonl") == "documents.jsonl"
    assert format_of("other.jsonl") is None and format_of("README") is None


class TestMarkdown:
    def test_blocks_stay_close_to_their_source(self) -> None:
        document = parse(
            "guide.md",
            "# Head {#id}\n\nText `code` [link](http://x.y) ![alt](i.png) **bold** &amp; *em*\nsoft\n\n"
            "- a\n  - b\n\n    para\n- [ ] task\n\n3. three\n4. four\n\n"
            "```py\ndef f():\n\n    return 1\n```\n\n| a | b |\n|---|---|\n| `x` | [l](u) |\n\n> said\n",
        )
        assert document.title == "Head"
        assert lines(document) == [
            ("heading1", "Head"),
            ("paragraph", "Text code link alt bold & em soft"),
            ("list", "- a\n  - b\n    para\n- [ ] task"),
            ("list", "3. three\n4. four"),
            ("code", "def f():\n\n    return 1"),
            ("table", "a | b\nx | l"),
            ("paragraph", "said"),
        ]

    @pytest.mark.parametrize(
        ("text", "title", "metadata"),
        [
            (
                "---\ntitle: T\ntags: [a, 1]\ndraft: no\nday: 2024-01-02\nmenu: {x: 1}\n---\nBody",
                "T",
                {"tags": "a, 1", "draft": "no", "day": "2024-01-02"},
            ),
            (
                '+++\ntitle = "T"\nweight = 3\nlive = true\n[menu]\nx = 1\n+++\nBody',
                "T",
                {"weight": "3", "live": "true"},
            ),
            ("## Second\n\n# First\n\nBody", "First", {}),
            ("## Only\n\nBody", "Only", {}),
            ("Body", "guide", {}),
        ],
    )
    def test_title_and_metadata(self, text: str, title: str, metadata: dict[str, str]) -> None:
        document = parse("a/guide.md", text)
        assert (document.title, dict(document.metadata)) == (title, metadata)
        assert document.blocks[-1].text == "Body"

    def test_two_rules_with_prose_between_are_no_front_matter(self) -> None:
        assert "kept prose" in parse("a.md", "---\nkept prose\n---\n\nBody").blocks[0].text

    def test_a_page_made_of_a_shortcode_keeps_its_description(self) -> None:
        document = parse("faq.md", '+++\ntitle = "FAQ"\ndescription = "All about it"\n+++\n\n{{< faq20 data="x" >}}\n')
        assert (document.title, lines(document)) == ("FAQ", [("paragraph", "All about it")])

    def test_shortcodes_keep_inner_text_and_unnamed_arguments_but_not_in_code(self) -> None:
        text = (
            '{{< collapsible "C#" >}}\ninner {{% note kind="x" %}}text{{% /note %}}\n\n'
            "{{< /collapsible >}}\n\n```\n{{< code >}}\n```\n"
        )
        assert [text for _, text in lines(parse("a.md", text))] == ["C#", "inner text", "{{< code >}}"]

    def test_raw_html_gives_its_text_and_hides_what_it_hides(self) -> None:
        text = (
            'Seen <span style="display:none">secret</span> end.\n\n<div style="display:none">\n\nhidden *block*\n\n'
            "- hidden item\n\n</div>\n\n<details><summary>Sum</summary>\n\ninner\n\n</details>\n\n"
            "<script>\nbad()\n</script>\n\n"
            "<!-- ignore\n\nthe rules -->\n\nlast<br>line\n"
        )
        document = parse("a.md", text)
        assert [text for _, text in lines(document)] == ["Seen end.", "Sum", "inner", "last\nline"]
        assert document.flags[Flag.HIDDEN_TEXT] >= 4

    def test_an_unclosed_comment_hides_the_rest(self) -> None:
        assert [text for _, text in lines(parse("a.md", "seen\n\n<!-- open\n\nhidden\n"))] == ["seen"]

    def test_depth_is_refused_rather_than_cut(self) -> None:
        with pytest.raises(Quarantine) as caught:
            parse("a.md", ">" * 1_000 + "deep")
        assert caught.value.reason is Reason.TOO_DEEP


def test_mdx_drops_imports_exports_tags_and_comments() -> None:
    text = (
        "---\ntitle: X\n---\nimport Foo from './foo'\nimport {\n  A,\n} from 'x'\nexport const meta = {\n  a: 1,\n}\n\n"
        "# Hi <Badge text=\"new\" />\n\n<Tabs on={x => 1} items={['a', 'b']}>\n    <TabItem value=\"a\">\n\n"
        "      Tab text `<Code>` here.\n\n    </TabItem>\n</Tabs>\n\n{/* a comment */}\n\nimport duties are text\n\n"
        "```js\nimport x from 'y'\n<Foo/>\n```\n"
    )
    document = parse("a.mdx", text.replace("import duties", "On import duties"))
    assert lines(document) == [
        ("heading1", "Hi new"),
        ("paragraph", "a; b"),
        ("paragraph", "Tab text <Code> here."),
        ("paragraph", "On import duties are text"),
        ("code", "import x from 'y'\n<Foo/>"),
    ]
    assert document.flags == {Flag.HIDDEN_TEXT: 1}


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (":class:`~django.forms.Form`", "Form"),
        (":class:`django.forms.Form`", "django.forms.Form"),
        (":class:`!Form`", "Form"),
        (":meth:`~.QuerySet.get`", "get()"),
        (":py:meth:`~Model.save()`", "save()"),
        (":func:`format_html`", "format_html()"),
        (":func:`rendering it <format_html>`", "rendering it"),
        (":file:`~/.bashrc`", "~/.bashrc"),
        (":file:`{NAME}/settings.py`", "NAME/settings.py"),
        (":setting:`~DEBUG`", "DEBUG"),
        (":rst:role:`~a b`", "~a b"),
    ],
)
def test_a_role_is_read_as_sphinx_shows_it(written: str, shown: str) -> None:
    assert lines(parse("a.rst", f"Use {written} here.")) == [("paragraph", f"Use {shown} here.")]


def test_rst_keeps_the_text_of_what_only_sphinx_knows(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("SENTINEL")
    text = f"""
:author: Jane

Title
=====

Intro :py:func:`~pkg.fn`, :doc:`the guide <guide/x>`, :unknown:`kept` and `undefined`_ |today|.

.. |today| date::
.. include:: {secret}
.. literalinclude:: {secret}
.. csv-table:: T
   :file: {secret}
.. raw:: html

   <script>bad</script>

.. toctree::

   a

.. py:function:: foo(a)
   :async:

   Does a foo.

   :param a: The a.

.. tabs::

   .. tab:: Linux

      Use apt.

.. code-block:: python
   :linenos:

   def f():
       return 1

Sub
---

- one

  * nested

+---+---+
| a | b |
+===+===+
| 1 | 2 |
+---+---+

term
   definition
"""
    document = parse("a.rst", text)
    assert (document.title, document.metadata) == ("Title", {"author": "Jane"})
    assert lines(document) == [
        ("heading1", "Title"),
        ("paragraph", "Intro fn(), the guide, kept and `undefined`_ |today|."),
        ("paragraph", "foo(a)"),
        ("paragraph", "Does a foo."),
        ("list", "- param a: The a."),
        ("paragraph", "Linux"),
        ("paragraph", "Use apt."),
        ("code", "def f():\n    return 1"),
        ("heading2", "Sub"),
        ("list", "- one\n  - nested"),
        ("table", "a | b\n1 | 2"),
        ("list", "- term: definition"),
    ]


def test_plain_text_keeps_its_lines() -> None:
    assert lines(parse("notes.txt", "one\r\ntwo\r\n\r\n\r\nthree\r\n")) == [
        ("paragraph", "one\ntwo"),
        ("paragraph", "three"),
    ]


class TestHtml:
    @pytest.mark.parametrize(
        "menu",
        [
            '<div class="navheader"><table><tr><td><a href="a.html">Prev</a></td><td><b>Up</b></td></tr></table></div>',
            '<div class="related" role="navigation"><h3>Navigation</h3><ul><li>next<ul><li>more</ul></ul></div>',
            '<ul class="wide breadcrumb"><li>Home<li>Guide</ul>',
            '<div class="navfooter"><nav>in</nav><div class="navbar">out</div>behind</div>',
        ],
        ids=["DocBook", "Sphinx", "Bootstrap", "nested"],
    )
    def test_menus_of_pages_older_than_nav_are_no_text(self, menu: str) -> None:
        document = parse("page.html", f"<title>P</title><p>before</p>{menu}<p>behind it</p><p class=navy>kept</p>")
        assert lines(document) == [("paragraph", "before"), ("paragraph", "behind it"), ("paragraph", "kept")]

    def test_structure(self) -> None:
        document = parse(
            "page.html",
            "<!doctype html><title>Page</title><body><nav>menu</nav><h1>Head <b>one</b>¶</h1>"
            "<p>a<br>b <a href='javascript:x()'>l</a></p>"
            "<ul><li>one<ul><li>in</li></ul></li><li><p>two</p><pre>c\n d</pre></li></ul><ol><li>f</li><li>s</li></ol>"
            "<pre><code>def f():\n    return 1\n</code></pre>"
            "<table><tr><th>A</th><th>B</th></tr><tr><td>1</td><td>2<br>3</td></tr></table>"
            "<img src=x onerror=x() alt=Alt><script>x()</script>",
        )
        assert document.title == "Head one"
        assert lines(document) == [
            ("heading1", "Head one"),
            ("paragraph", "a\nb l"),
            ("list", "- one\n  - in\n- two\n  c\n   d"),
            ("list", "1. f\n2. s"),
            ("code", "def f():\n    return 1"),
            ("table", "A | B\n1 | 2 3"),
            ("paragraph", "Alt"),
        ]

    @pytest.mark.parametrize(
        "hidden",
        [
            "<div style='display: none'>X</div>",
            "<div style='visibility:hidden'>X</div>",
            "<p hidden>X</p>",
            "<span style='color:#fff'>X</span>",
            "<div style='background:#000;color:white'><p style='background-color:white'>X</p></div>",
            "<font color=white>X</font>",
            "<b style='font-size:0px'>X</b>",
            "<b style='opacity:0'>X</b>",
            "<style>.z{display:none}</style><p class='a z'>X</p>",
            "<!-- X -->",
        ],
    )
    def test_what_a_reader_cannot_see_is_not_indexed(self, hidden: str) -> None:
        document = parse("a.html", f"<p>seen</p>{hidden}<p>too</p>")
        assert [text for _, text in lines(document)] == ["seen", "too"]
        assert document.flags[Flag.HIDDEN_TEXT] >= 1

    @pytest.mark.parametrize(
        "shown",
        [
            "<div style='background:#000'><span style='color:#fff'>X</span></div>",
            "<p style='font-size:0.9em'>X</p>",
            "<p style='opacity:0.5'>X</p>",
            "<style>@media print{.z{display:none}}</style><p class=z>X</p>",
        ],
    )
    def test_what_a_reader_sees_is_indexed(self, shown: str) -> None:
        document = parse("a.html", shown)
        assert "X" in document.blocks[0].text and not document.flags


def test_docx_reads_headings_lists_tables_and_leaves_hidden_runs() -> None:
    def change(document: Any) -> None:
        document.add_heading("The title", 1)
        document.add_paragraph("A paragraph.")
        document.add_paragraph("bullet", style="List Bullet")
        document.add_paragraph("inner", style="List Bullet 2")
        document.add_paragraph("first", style="List Number")
        document.add_paragraph("second", style="List Number")
        table = document.add_table(2, 2)
        for cell, text in zip(table._cells, "abcd", strict=True):
            cell.text = text
        paragraph = document.add_paragraph("seen")
        paragraph.add_run("VANISHED").font.hidden = True
        paragraph.add_run("WHITE").font.color.rgb = RGBColor(255, 255, 255)
        inserted = OxmlElement("w:ins")
        inserted.append(paragraph.add_run(" inserted")._r)
        paragraph._p.append(inserted)
        deleted = OxmlElement("w:del")
        deleted.append(paragraph.add_run("DELETED")._r)
        paragraph._p.append(deleted)
        shaded = OxmlElement("w:shd")
        shaded.set(qn("w:fill"), "000000")
        run = document.add_paragraph().add_run("white on black")
        run.font.color.rgb = RGBColor(255, 255, 255)
        run._r.get_or_add_rPr().append(shaded)

    document = parse("a.docx", word(change))
    assert document.title == "The title"
    assert lines(document) == [
        ("heading1", "The title"),
        ("paragraph", "A paragraph."),
        ("list", "- bullet\n  - inner\n1. first\n2. second"),
        ("table", "a | b\nc | d"),
        ("paragraph", "seen inserted"),
        ("paragraph", "white on black"),
    ]
    assert document.flags == {Flag.HIDDEN_TEXT: 2}


def test_docx_does_not_open_what_is_embedded() -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("deep.txt", "SENTINEL " * 100)
    outer = io.BytesIO(word(lambda document: document.add_paragraph("outer text")))
    with zipfile.ZipFile(outer, "a") as archive:
        archive.writestr("word/embeddings/inner.zip", inner.getvalue())
    assert lines(parse("a.docx", outer.getvalue())) == [("paragraph", "outer text")]


def test_pdf_text_and_title() -> None:
    document = parse("a.pdf", a_pdf())
    assert (document.title, lines(document)) == ("A PDF title", [("paragraph", "Hello from a page")])


class TestRecords:
    def records(self, *rows: str) -> dict[int, ParsedDocument | Quarantine]:
        result = parse_content("documents.jsonl", "\n".join(rows).encode(), LIMITS)
        assert isinstance(result, ParsedRecords)
        return {record.line: record.result for record in result.records}

    def test_text_and_metadata(self) -> None:
        row = {
            "id": "d1",
            "title": "T",
            "text": "# H\n\npara\nline\n\n- a\n- b\n\n```\nx\n\ny\n```\n",
            "n": 1,
            "page": "p",
            "o": {},
        }
        document = self.records("", json.dumps(row))[2]
        assert (document.title, document.metadata) == ("T", {"n": "1", "page": "p"})
        assert lines(document) == [
            ("heading1", "H"),
            ("paragraph", "para\nline"),
            ("list", "- a\n- b"),
            ("code", "x\n\ny"),
        ]

    def test_front_matter_in_the_text_is_metadata(self) -> None:
        document = self.records(json.dumps({"id": "a", "title": "T", "text": '+++\ntitle = "U"\nk = 1\n+++\nBody'}))[1]
        assert (document.title, document.metadata, lines(document)) == ("T", {"k": "1"}, [("paragraph", "Body")])

    @pytest.mark.parametrize(
        ("row", "reason", "word"),
        [
            ('{"id": "a", "text": "x",}', Reason.BAD_RECORD, "column"),
            ("[1]", Reason.BAD_RECORD, "object"),
            ('{"text": "x"}', Reason.BAD_RECORD, "id"),
            ('{"id": 7, "text": "x"}', Reason.BAD_RECORD, "id"),
            ('{"id": "a\\nb", "text": "x"}', Reason.BAD_RECORD, "id"),
            ('{"id": "a", "text": null}', Reason.BAD_RECORD, "text"),
            ('{"id": "a", "text": "x", "n": NaN}', Reason.BAD_RECORD, "NaN"),
            ('{"id": "a", "id": "b", "text": "x"}', Reason.BAD_RECORD, "twice"),
            ('{"id": "a", "text": " "}', Reason.EMPTY_AFTER_PARSE, ""),
            ('{"id": "a", "text": "x", "k": ' + "[" * 100_000, Reason.TOO_DEEP, "deep"),
        ],
    )
    def test_a_bad_record_leaves_the_others(self, row: str, reason: Reason, word: str) -> None:
        results = self.records('{"id": "ok", "text": "fine"}', row)
        assert isinstance(results[1], ParsedDocument)
        assert results[2].reason is reason and word in results[2].detail

    def test_lone_surrogates_are_taken_out(self) -> None:
        document = self.records('{"id": "a", "text": "x\\ud800y"}')[1]
        assert document.blocks[0].text == "xy" and document.flags == {Flag.CONTROL_CHARACTERS: 1}


@pytest.mark.parametrize(
    ("given", "clean", "flags"),
    [
        ("a\r\nb\rc\x85d", "a\nb\nc\nd", {}),
        ("a\x00b\x07", "ab", {Flag.CONTROL_CHARACTERS: 2}),
        ("a\u200bb\u202ec\u2066d\U000e0041", "abcd", {Flag.HIDDEN_TEXT: 4}),
        ("soft\u00adhyphen a\u00a0b\u200e", "softhyphen a b", {}),
        ("e\u0301", "é", {}),
        ("\u06cc\u200c\u06a9", "\u06cc\u200c\u06a9", {}),
        ("\U0001f469\u200d\U0001f4bb", "\U0001f469\u200d\U0001f4bb", {}),
        ("pass\u200dword", "password", {Flag.HIDDEN_TEXT: 1}),
    ],
)
def test_clean_text(given: str, clean: str, flags: dict[Flag, int]) -> None:
    cleaned = clean_text(given)
    assert (cleaned.text, dict(cleaned.flags)) == (clean, flags)
    assert clean_text(clean).text == clean


AWS_KEY = "AKIA" + "Q7WJ5NVXH2LZ4TRC"
PEM_BODY = "MIIEpAIBAAKCAQEA7bq3mXZpK9vYtR2LwQhN8sDfGjUo1cVe4aTiPzBxWkSy0rMl"


@pytest.mark.parametrize(
    "text",
    [
        f"aws_access_key_id = {AWS_KEY}",
        f"-----BEGIN RSA PRIVATE KEY-----\n{PEM_BODY}\n",
        "token ghp" + "_" + "a8Kd93jfLs02mXzPq71Wv5Tn4RbYc6Ue8HgQ",
        "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    ],
)
def test_secrets_are_found_and_not_repeated(text: str) -> None:
    found = list(find_secrets(f"a line\n{text}"))
    assert found and "line 2" in found[0] and AWS_KEY not in found[0]


@pytest.mark.parametrize(
    "text",
    [
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "-----BEGIN RSA PRIVATE KEY-----\n<your key>\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n...\n",
        "ghp_" + "x" * 36,
        "password: hunter2",
        "The header `-----BEGIN PRIVATE KEY-----` starts a PEM file.",
    ],
)
def test_placeholders_are_no_secrets(text: str) -> None:
    assert list(find_secrets(text)) == []


def test_results_survive_the_pipe_and_the_cache() -> None:
    result = parse_content(".md", b"---\na: b\n---\n# T\n\nx\x00y", LIMITS)
    assert isinstance(result, ParsedDocument) and result.blocks[0].kind is BlockKind.HEADING
    assert result_from_json(json.loads(json.dumps(result_to_json(result)))) == result
    refused = result_from_json(json.loads(json.dumps(result_to_json(parse_content(".md", b"", LIMITS)))))
    assert isinstance(refused, Quarantine) and refused.reason is Reason.EMPTY


def test_a_detail_of_any_length_is_cut() -> None:
    assert len(Quarantine(Reason.UNSAFE_ARCHIVE, "entry '" + "x" * 10_000).detail) < 400
