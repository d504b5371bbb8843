"""Points 12 to 14 of what strangers met in their own documents: what is read is what a person sees.

Each row's id begins with the number of its point.
"""

import io
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import docx
import pytest
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml

from lorag.knowledge.documents import Flag
from lorag.knowledge.formats import ParsedDocument, parse_document

LIMITS = SimpleNamespace(max_depth=200, max_characters=5_000_000)
NAMESPACES = " ".join(
    f'xmlns:{prefix}="{address}"'
    for prefix, address in {
        "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
        "m": "http://schemas.openxmlformats.org/officeDocument/2006/math",
        "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
        "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
        "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
        "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
        "v": "urn:schemas-microsoft-com:vml",
    }.items()
)
RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def parse(name: str, text: str | bytes) -> ParsedDocument:
    return parse_document(name, text.encode() if isinstance(text, str) else text, LIMITS)


def read(name: str, text: str | bytes) -> str:
    """The text of the document, its blocks separated by line breaks."""
    return "\n".join(block.text for block in parse(name, text).blocks)


def word(*paragraphs: str, change: Callable[[Any], object] = lambda document: None, notes: str = "") -> bytes:
    """A Word file with paragraphs of the given XML."""
    document = docx.Document()
    body = document.element.body
    for paragraph in paragraphs:
        body.insert(len(body) - 1, parse_xml(f"<w:p {NAMESPACES}>{paragraph}</w:p>"))
    change(document)
    if notes:
        xml = f"<w:footnotes {NAMESPACES}>{notes}</w:footnotes>".encode()
        kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
        part = Part(PackURI("/word/footnotes.xml"), kind, xml, document.part.package)
        document.part.relate_to(part, f"{RELATIONSHIPS}/footnotes")
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def run(text: str, properties: str = "") -> str:
    return f"<w:r><w:rPr>{properties}</w:rPr><w:t>{text}</w:t></w:r>"


def box(*paragraphs: str, fill: str = "") -> str:
    content = "".join(f"<w:p>{paragraph}</w:p>" for paragraph in paragraphs)
    return (
        "<w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:anchor><a:graphic><a:graphicData><wps:wsp>"
        f"<wps:spPr>{fill}</wps:spPr><wps:txbx><w:txbxContent>{content}</w:txbxContent></wps:txbx></wps:wsp>"
        "</a:graphicData></a:graphic></wp:anchor></w:drawing></mc:Choice>"
        f"<mc:Fallback><w:pict><v:textbox><w:txbxContent>{content}</w:txbxContent></v:textbox></w:pict></mc:Fallback>"
        "</mc:AlternateContent></w:r>"
    )


UP, DOWN = '<w:vertAlign w:val="superscript"/>', '<w:vertAlign w:val="subscript"/>'
WHITE = '<w:color w:val="FFFFFF"/>'
BLACK_FILL = '<a:solidFill><a:srgbClr val="000000"/></a:solidFill>'


def spanned_table(document: Any) -> None:
    table = document.add_table(3, 3)
    for cell, text in zip(table._cells, ["Quay", "Berth", "", "", "4", "5", "Depth", "7 m", "2 m"], strict=True):
        cell.text = text
    table.cell(0, 0).merge(table.cell(1, 0))
    table.cell(0, 1).merge(table.cell(0, 2))


READ = [
    # id, file name, content, text
    ("12: sup", "a.html", "<p>10<sup>6</sup> litres", "10⁶ litres"),
    ("12: negative sup", "a.html", "<p>10<sup>-3</sup> m<sup>2</sup>", "10⁻³ m²"),
    ("12: sup of letters", "a.html", "<p>x<sup>a+b</sup>", "x^(a+b)"),
    ("12: sub", "a.html", "<p>H<sub>2</sub>O", "H₂O"),
    ("12: sub behind a digit", "a.html", "<p>101<sub>2</sub>", "101_2"),
    ("12: degrees", "a.html", "<p>20<sup>o</sup>C", "20°C"),
    ("12: ordinal", "a.html", "<p>the 1<sup>st</sup> berth", "the 1st berth"),
    ("12: mark of a note", "a.html", "<p>472<sup>1</sup> and 472<sup><a href='#n'>[2]</a></sup>", "472¹ and 472[2]"),
    ("12: sup by style", "a.html", "<p>10<span style='vertical-align: super'>6</span>", "10⁶"),
    ("12: sup before text", "a.html", "<p><sup>1</sup> A note", "1 A note"),
    ("12: struck", "a.html", "<p><del>5</del><ins>7</ins>", "~~5~~7"),
    ("12: ruby", "a.html", "<p><ruby>7<rp>(</rp><rt>2</rt></ruby>", "7(2)"),
    ("12: blocks in a cell", "a.html", "<table><tr><td><p>7</p><p>2</p><td>7<ul><li>2<li>3</ul>", "7 2 | 7 2; 3"),
    ("12: nested table", "a.html", "<table><tr><td>a<table><tr><td>7<td>2<tr><td>3</table>", "a 7, 2; 3"),
    ("12: block by style", "a.html", "<p><span style='display:block'>7</span><span>2</span>", "7\n2"),
    ("12: caption", "a.html", "<table><caption>Depths</caption><tr><td>7<td>2</table>", "Depths\n7 | 2"),
    ("12: sup", "a.md", "10<sup>6</sup> H<sub>2</sub>O", "10⁶ H₂O"),
    ("12: br in a cell", "a.md", "| a | b |\n|---|---|\n| 7<br>2 | 7<li>2</li> |", "a | b\n7 2 | 7 2"),
    ("12: blocks in a cell", "a.md", "| a |\n|---|\n| <p>7</p><p>2</p> |", "a\n7 2"),
    ("12: split raw table", "a.md", "<table>\n<tr>\n<td>7</td>\n\n<td>2</td>\n</tr>\n</table>", "7 | 2"),
    ("12: Markdown in a raw cell", "a.md", "<table><tr><td>\n\n**7** `2`\n\n</td><td>3</td></tr></table>", "7 2 | 3"),
    (
        "12: nested raw table",
        "a.md",
        "<table><tr><td>a</td><td><table><tr><td>7</td><td>2</td></tr></table></td></tr></table>",
        "a | 7, 2",
    ),
    ("12: struck", "a.md", "~~5~~7", "~~5~~7"),
    ("12: sup and sub", "a.rst", r"10\ :sup:`6` and H\ :sub:`2`\ O", "10⁶ and H₂O"),
    (
        "12: sup in a cell",
        "a.rst",
        "===  ===\na    b\n===  ===\n1    |x|\n===  ===\n\n.. |x| replace:: 10\\ :sup:`6`",
        "a | b\n1 | 10⁶",
    ),
    ("12: sup and sub", "a.docx", word(run("10") + run("6", UP) + run(" H") + run("2", DOWN) + run("O")), "10⁶ H₂O"),
    ("12: sup in two runs", "a.docx", word(run("10") + run("-", UP) + run("3", UP)), "10⁻³"),
    ("12: struck", "a.docx", word(run("5", "<w:strike/>") + run("7")), "~~5~~7"),
    ("12: text box", "a.docx", word(run("before") + box(run("berth 4"), run("72"))), "before\nberth 4\n72"),
    (
        "14: spans",
        "a.html",
        "<table><tr><th rowspan=2>Quay<th colspan=2>Berth<tr><th>4<th>5<tr><td>Depth<td>7 m<td>2 m</table>",
        "Quay | Berth | Berth\nQuay | 4 | 5\nDepth | 7 m | 2 m",
    ),
    ("14: a cell as wide as its table", "a.html", "<table><tr><td colspan=2>North<tr><td>4<td>7 m", "North\n4 | 7 m"),
    ("14: rowspan to the end", "a.html", "<table><tr><td rowspan=0>N<td>4<tr><td>5<tr><td>6", "N | 4\nN | 5\nN | 6"),
    ("14: a hidden cell", "a.html", "<table><tr><td>a<td style='display:none'>b<td>c", "a | c"),
    ("14: ol start", "a.html", "<ol start=3><li>c<li>d</ol>", "3. c\n4. d"),
    ("14: li value", "a.html", "<ol><li>a<li value=7>b<li>c</ol>", "1. a\n7. b\n8. c"),
    ("14: ol reversed", "a.html", "<ol start=3 reversed><li>c<li>b</ol>", "3. c\n2. b"),
    ("14: ol reversed without a start", "a.html", "<ol reversed><li>c<li>b</ol>", "2. c\n1. b"),
    ("14: ol type", "a.html", "<ol type=a><li>x</ol><ol type=I start=4><li>y</ol>", "a. x\nIV. y"),
    ("14: button", "a.html", "<button>How deep is it?</button><p>7 m</p>", "How deep is it?\n7 m"),
    ("14: MathML", "a.html", "<p>is <math><msup><mn>10</mn><mn>6</mn></msup></math> m", "is 10⁶ m"),
    (
        "14: MathML fraction",
        "a.html",
        "<math><mfrac><mrow><mi>a</mi><mo>+</mo><mn>1</mn></mrow><mn>2</mn></mfrac></math>",
        "(a+1)/2",
    ),
    (
        "14: MathML with its source",
        "a.html",
        "<math><semantics><mi>x</mi><annotation encoding='application/x-tex'>\\bar x</annotation></semantics></math>",
        "x",
    ),
    ("14: CDATA", "a.html", "<p><![CDATA[7 metres & more]]></p>", "7 metres & more"),
    ("14: CDATA in XHTML", "a.html", "<?xml version='1.0'?><p><![CDATA[7 < 8]]></p>", "7 < 8"),
    ("14: permalink", "a.html", "<h2>C#<a class=headerlink href='#c'>¶</a></h2><p>x", "C#\nx"),
    ("14: permalink as a number sign", "a.html", "<h2><a href='#d'>#</a> Depth</h2><p>x", "Depth\nx"),
    ("14: a link that is no sign", "a.html", "<p>see <a href='#2'>2</a>", "see 2"),
    (
        "14: label of a drawing",
        "a.html",
        "<p>a</p><svg><title>t</title><text>Pump</text><text>0.1</text></svg>",
        "a\nPump",
    ),
    ("14: footnote of one word", "a.md", "Depth[^1] is\n\n[^1]: seven", "Depth[1] is\n[1] seven"),
    ("14: footnote without a reference", "a.md", "Text\n\n[^a]: two words", "Text\n[a] two words"),
    ("14: footnote of two paragraphs", "a.md", "x[^a]\n\n[^a]:\n    one\n\n    two", "x[a]\n[a] one\ntwo"),
    ("14: ol start", "a.md", "3. c\n3. d", "3. c\n4. d"),
    ("14: a type in angle brackets", "a.md", "Use `Vec<T>` or a <name> here", "Use Vec<T> or a here"),
    ("14: spans", "a.md", "<table><tr><td rowspan=2>N<td>4<tr><td>5</table>", "N | 4\nN | 5"),
    ("14: props", "a.mdx", '<Card title="Depth" text={"7 m"} href="/x" />\n\nText', "Depth; 7 m\nText"),
    ("14: props in a line", "a.mdx", "A <Tip label='tide' /> b", "A tide b"),
    (
        "14: spans",
        "a.rst",
        "+---+---+---+\n| A | B     |\n|   +---+---+\n|   | x | y |\n+---+---+---+\n| 1 | 7 | 3 |\n+---+---+---+",
        "A | B | B\nA | x | y\n1 | 7 | 3",
    ),
    ("14: roles", "a.rst", ":guilabel:`&Save` :samp:`a{b}` :file:`x/{y}` :pep:`8`", "Save ab x/y PEP 8"),
    ("14: footnote", "a.rst", "Depth [1]_\n\n.. [1] Seven metres.", "Depth [1]\n[1] Seven metres."),
    ("14: letters", "a.rst", "c. x\nd. y", "c. x\nd. y"),
    ("14: a condition is not text", "a.rst", ".. only:: html\n\n   Text", "Text"),
    (
        "14: spans",
        "a.docx",
        word(change=spanned_table),
        "Quay | Berth | Berth\nQuay | 4 | 5\nDepth | 7 m | 2 m",
    ),
    (
        "14: footnote",
        "a.docx",
        word(
            run("Deep") + '<w:r><w:footnoteReference w:id="2"/></w:r>',
            notes='<w:footnote w:type="separator" w:id="0"><w:p/></w:footnote>'
            f'<w:footnote w:id="2"><w:p>{run("Seven metres.")}</w:p></w:footnote>',
        ),
        "Deep[1]\n[1] Seven metres.",
    ),
    (
        "14: OMML",
        "a.docx",
        word(
            "<m:oMath><m:sSup><m:e><m:r><m:t>10</m:t></m:r></m:e><m:sup><m:r><m:t>6</m:t></m:r></m:sup></m:sSup>"
            "<m:r><m:t>=</m:t></m:r><m:f><m:num><m:r><m:t>a+b</m:t></m:r></m:num><m:den><m:r><m:t>2</m:t></m:r></m:den>"
            "</m:f></m:oMath>"
        ),
        "10⁶=(a+b)/2",
    ),
]


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [pytest.param(name, content, text, id=f"strangers-{key} ({name[2:]})") for key, name, content, text in READ],
)
def test_what_is_read_is_what_a_person_sees(name: str, content: str | bytes, text: str) -> None:
    assert read(name, content) == text


@pytest.mark.parametrize(
    ("front", "metadata"),
    [
        pytest.param("version: 1.10", {"version": "1.10"}, id="strangers-14: a float"),
        pytest.param("zip: 01234", {"zip": "01234"}, id="strangers-14: a leading zero"),
        pytest.param(
            "day: 2024-1-2\nat: 12:30", {"day": "2024-1-2", "at": "12:30"}, id="strangers-14: dates and times"
        ),
        pytest.param("n: 1_000\nm: 0o17\ne: 1e3", {"n": "1_000", "m": "0o17", "e": "1e3"}, id="strangers-14: integers"),
        pytest.param("tags: [1.10, a]", {"tags": "1.10, a"}, id="strangers-14: in a list"),
        pytest.param("none: ~\nyes: yes", {"yes": "yes"}, id="strangers-14: nothing"),
    ],
)
def test_front_matter_is_kept_as_written(front: str, metadata: dict[str, str]) -> None:
    assert parse("a.md", f"---\n{front}\n---\nBody").metadata == metadata


def test_numbers_in_toml_are_kept_as_written() -> None:
    assert parse("a.md", "+++\nv = 1.10\n+++\nBody").metadata == {"v": "1.10"}


SEEN, UNSURE = {}, {Flag.MAYBE_HIDDEN: 1}
LINKED = {Flag.LINKED_STYLES: 1}
SHOWN = [
    ("inherit on both colours", "<p style='color:inherit;background:inherit'>X", SEEN),
    ("initial on both colours", "<p style='color:initial;background:initial'>X", SEEN),
    ("a child restores visibility", "<div style='visibility:hidden'><p style='visibility:visible'>X</div>", SEEN),
    ("a child restores size", "<div style='font-size:0'><p style='font-size:12px'>X</div>", SEEN),
    ("a later rule shows", "<style>.z{display:none} .z{display:block}</style><p class=z>X", SEEN),
    ("a stronger rule shows", "<style>.js .z{display:block} .z{display:none}</style><div class=js><p class=z>X", SEEN),
    (
        "a rule behind the text shows",
        "<style>.z{display:none}</style><p class=z>X</p><style>p.z{display:block}</style>",
        SEEN,
    ),
    ("an important rule shows", "<style>p{display:block!important}</style><p style='display:none'>X", SEEN),
    ("a rule for print", "<style>@media print{p{display:none}}</style><p>X", SEEN),
    ("a rule while hovering", "<style>p:hover{display:none}</style><p>X", SEEN),
    ("ground by class", "<style>.d{background:#000}</style><div class=d style='color:#fff'>X", SEEN),
    ("ground by element", "<style>body{background:#000;color:white}</style><p>X", SEEN),
    ("ground by attribute", "<table bgcolor=navy><tr><td><font color=white>X", SEEN),
    ("black page by attributes", "<body bgcolor=black text=white><p>X", SEEN),
    ("ground is a picture", "<div style='background:url(x.png);color:#fff'>X", UNSURE),
    ("ground is a picture by attribute", "<table background=x.png><tr><td><font color=white>X", UNSURE),
    ("ground by a linked sheet", "<link rel=stylesheet href=x.css><p style='color:#fff'>X", UNSURE | LINKED),
    ("a linked sheet", "<link rel=stylesheet href=x.css><p>X", LINKED),
    ("a linked sheet for print", "<link rel=stylesheet media=print href=x.css><p>X", SEEN),
    (
        "hidden by a class, with a linked sheet",
        "<link rel=stylesheet href=x><style>.z{display:none}</style><p class=z>X",
        UNSURE | LINKED,
    ),
    ("black page without a colour", "<body style='background:black'><p>X", UNSURE),
    ("white on what lies below", "<p style='position:absolute;color:white'>X", UNSURE),
    ("hidden for some windows", "<style>@media (max-width:9px){p{display:none}}</style><p>X", UNSURE),
    ("a selector that is not followed", "<style>p:nth-child(2){display:none}</style><p>X", UNSURE),
    ("a page that fades in", "<body style='opacity:0'><p>X", UNSURE),
    ("an element that fades in", "<style>p{opacity:0;animation:in 1s forwards}</style><p>X", UNSURE),
    ("a closed dialog", "<dialog>X</dialog>", UNSURE),
    ("clipped for screen readers", "<p style='clip:rect(0 0 0 0)'>X", UNSURE),
    ("text moved away, but not positioned", "<p style='left:-9999px'>X", SEEN),
]


@pytest.mark.parametrize(
    ("page", "flags"), [pytest.param(page, flags, id=f"strangers-13: {key}") for key, page, flags in SHOWN]
)
def test_what_may_be_seen_is_read_and_flagged_where_it_cannot_be_told(page: str, flags: dict[Flag, int]) -> None:
    document = parse("a.html", page)
    assert (document.blocks[0].text, document.flags) == ("X", flags)


HIDDEN = [
    ("by a class", "<style>.z{display:none}</style><p class=z>X</p>"),
    ("by a descendant of a class", "<style>.a .z{display:none}</style><div class=a><p class=z>X</p></div>"),
    ("by an attribute's value", "<style>[data-x='1']{display:none}</style><p data-x=1>X</p>"),
    ("by the hidden attribute", "<p hidden>X</p>"),
    ("with a child that cannot restore it", "<div style='display:none'><p style='display:block'>X</p></div>"),
    ("by size, relative to nothing", "<div style='font-size:0'><p style='font-size:2em'>X</p></div>"),
    ("by the same colour twice", "<p style='color:#123456;background:rgb(18,52,86)'>X</p>"),
    ("by a class of the same colour", "<style>.w{color:#fff}</style><p class=w>X</p>"),
    ("outside the window", "<p style='position:absolute;left:-9999px'>X</p>"),
]


def test_a_definition_stands_with_its_terms() -> None:
    page = (
        "<dl><dt>http.postBuffer</dt><dd><p>The size of the buffer.</p><p>Default is 1 MiB.</p></dd>"
        "<dt>-a<dt>--all:<dd>All files. <dl><dt>only <b>these</b></dt><dd>deep</dd></dl>"
        "<dt>a list</dt><dd><ul><li>one</li></ul></dd><dt>alone</dt></dl><h2>Next</h2>"
        "<table><tr><td><dl><dt>lift</dt><dd>40 t</dd></dl></td></tr></table>"
    )
    assert [block.text for block in parse("a.html", page).blocks] == [
        "http.postBuffer: The size of the buffer.",
        "Default is 1 MiB.",
        "-a, --all: All files.",
        "only these: deep",
        "a list",
        "- one",
        "alone",
        "Next",
        "lift: 40 t",
    ]


@pytest.mark.parametrize("page", [pytest.param(page, id=f"strangers-13: {key}") for key, page in HIDDEN])
def test_what_is_surely_hidden_is_left_out_and_counted(page: str) -> None:
    document = parse("a.html", f"<p>seen</p>{page}")
    assert ([block.text for block in document.blocks], document.flags) == (["seen"], {Flag.HIDDEN_TEXT: 1})


def test_white_text_in_markdown_is_kept_because_the_site_chooses_its_ground() -> None:
    document = parse("a.md", "<span style='color:white'>X</span>")
    assert (document.blocks[0].text, document.flags) == ("X", UNSURE)


SHADED = '<w:shd w:val="clear" w:fill="000000"/>'
WORD_RUNS = [
    ("vanish off", run("X", '<w:vanish w:val="off"/>'), "X", SEEN),
    ("vanish", run("X", "<w:vanish/>"), "", {Flag.HIDDEN_TEXT: 1}),
    ("white on white", run("X", WHITE), "", {Flag.HIDDEN_TEXT: 1}),
    ("white on a shade", run("X", WHITE + SHADED), "X", SEEN),
    ("white on no shade", run("X", f'{WHITE}<w:shd w:val="clear" w:fill="auto"/>'), "", {Flag.HIDDEN_TEXT: 1}),
    ("white in a filled box", box(run("X", WHITE), fill=BLACK_FILL), "X", SEEN),
    ("white in a box", box(run("X", WHITE)), "X", UNSURE),
    ("white in a shaded paragraph", f"<w:pPr>{SHADED}</w:pPr>" + run("X", WHITE), "X", SEEN),
]


@pytest.mark.parametrize(
    ("paragraph", "text", "flags"),
    [pytest.param(*row, id=f"strangers-13: {key} (docx)") for key, *row in WORD_RUNS],
)
def test_a_run_in_word_is_read_unless_it_is_surely_hidden(paragraph: str, text: str, flags: dict[Flag, int]) -> None:
    document = parse("a.docx", word(run("seen"), paragraph))
    assert ([block.text for block in document.blocks], document.flags) == (["seen", text] if text else ["seen"], flags)
