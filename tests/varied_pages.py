"""Pages of varied constructs, each with words that occur nowhere else, to compare what is seen with what is read."""

import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

LINKED_SHEET = "linked.css"
_SYLLABLES = "ba ke lo mi nu ra so te vi wa dor fen gal hin jol".split()


class Words:
    """A source of words that are never given twice."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._numbers = count(seed * 1_000)

    def __call__(self, n: int = 1) -> str:
        return " ".join(self._word() for _ in range(n))

    def _word(self) -> str:
        return "".join(self.random.choices(_SYLLABLES, k=2)) + "abcdefghij"[next(self._numbers) % 10] * 2 + self._tail()

    def _tail(self) -> str:
        return "".join("klmnopqrst"[int(digit)] for digit in str(next(self._numbers)))

    def number(self) -> int:
        return self.random.randrange(2, 999)


def _paragraph(w: Words) -> str:
    link = f"<a href='#x'>{w(2)}</a>&amp;{w()}&nbsp;{w()}"
    return f"<p>{w(6)} <b>{w()}</b>{w()} <i>{w()}</i>, {link}<br>{w(2)}<wbr>{w()}</p>"


def _raised(w: Words) -> str:
    power = f"{w.number()}<sup>{w.number()}</sup> 1<sup>st</sup> x<sup>{w()}</sup>"
    return f"<p>{w()} {power} {w()}<sub>{w.number()}</sub>{w()}</p>"


def _list(w: Words) -> str:
    kind = w.random.choice(["ul", "ol start=7", "ol type=a", "ol reversed"])
    inner = f"<ol><li>{w()}<li><p>{w()}</p><p>{w(2)}</p></ol>"
    return f"<{kind}><li>{w(2)}<li>{w()}{inner}<li><div>{w()}</div>{w()}</{kind.split()[0]}>"


def _table(w: Words) -> str:
    return (
        f"<table><caption>{w(2)}</caption><thead><tr><th rowspan=2>{w()}<th colspan=2>{w()}"
        f"<tr><th>{w()}<th>{w()}</thead>"
        f"<tr><td><p>{w()}</p><p>{w()}</p><td>{w()}<br>{w()}<td><ul><li>{w()}<li>{w()}</ul>"
        f"<tr><td colspan=3>{w(3)}<tr><td><table><tr><td>{w()}<td>{w()}<tr><td>{w()}</table><td>{w()}</table>"
    )


def _terms(w: Words) -> str:
    return f"<dl><dt>{w()}<dd>{w(3)}<dt>{w()}<dd><p>{w()}</p>{w()}</dl>"


def _details(w: Words) -> str:
    return f"<details><summary>{w(2)}</summary><p>{w(3)}</p>{w()}</details><button>{w(3)}</button>"


def _code(w: Words) -> str:
    return f"<pre><code>{w()}\n    {w()} = {w()}</code></pre><blockquote>{w(2)}<footer>{w()}</footer></blockquote>"


def _heading(w: Words) -> str:
    level = w.random.randrange(2, 6)
    return f"<h{level}>{w(2)}<a class=headerlink href='#h'>¶</a></h{level}><hr>{w(3)}"


def _form(w: Words) -> str:
    return f"<form><fieldset><legend>{w()}</legend><label>{w(2)} <input value=x></label></fieldset></form>"


def _loose(w: Words) -> str:
    return (
        f"{w(2)}<section>{w()}<article>{w()}<figure><figcaption>{w(2)}</figcaption></figure></article></section>{w()}"
    )


def _inline(w: Words) -> str:
    return (
        f"<p><q>{w(2)}</q> <code>{w()}</code> <kbd>{w()}</kbd> <del>{w()}</del> <ins>{w()}</ins> <mark>{w()}</mark></p>"
    )


def _drawing(w: Words) -> str:
    return f"<svg width=90 height=20><title>{w()}</title><text y=10>{w(2)}</text></svg>"


def _formula(w: Words) -> str:
    return f"<p>{w()} <math><mfrac><mi>{w()}</mi><mn>{w.number()}</mn></mfrac></math> {w()}</p>"


def _unclosed(w: Words) -> str:
    return f"<p>{w(2)}<p>{w()}<ul><li>{w()}<li>{w()}</ul><div>{w()}<span>{w()}</div>"


def _display(w: Words) -> str:
    return f"<div><span style='display:block'>{w()}</span><span>{w()}</span></div>"


SHOWN: list[Callable[[Words], str]] = [
    _paragraph, _raised, _list, _table, _terms, _details, _code, _heading, _form, _loose, _inline, _drawing, _formula,
    _unclosed, _display,
]  # fmt: skip

_SHEET = """
.gone { display: none } .gone.back { display: block }
#app .later { visibility: hidden } .clear { opacity: 0 }
.dark { background: #101010; color: white } .dark .same { color: #101010 }
@media (max-width: 1px) { .wide { display: none } } @media print { .paper { display: none } }
p:nth-of-type(900) { display: none }
"""

STYLED = [
    "<p class=gone>{}</p>",
    "<p class='gone back'>{}</p>",
    "<div id=app><p class=later>{}</p></div>",
    "<p class=clear>{}</p>",
    "<div class=dark><p>{}</p></div>",
    "<div class=dark><p class=same>{}</p></div>",
    "<p class=wide>{}</p>",
    "<p class=away>{}</p>",
    "<p class=paper>{}</p>",
    "<p hidden>{}</p>",
    "<p style='display:none'>{}</p>",
    "<div style='visibility:hidden'>{}<p style='visibility:visible'>{}</p></div>",
    "<div style='font-size:0'>{}<span style='font-size:14px'>{}</span></div>",
    "<p style='position:absolute;left:-9999px'>{}</p>",
    "<p style='color:white'>{}</p>",
    "<p style='color:#fff;background:#000'>{}</p>",
    "<div style='background:navy'><font color=white>{}</font></div>",
    "<div style='background:url(x.png) #222;color:#fff'>{}</div>",
    "<p style='color:inherit;background:inherit'>{}</p>",
    "<dialog>{}</dialog>",
    "<p style='clip-path:inset(50%)'>{}</p>",
    "<script>var x = '{}'</script><noscript>{}</noscript><template>{}</template><!-- {} -->",
]

_PAGES = [
    "<body>",
    "<body bgcolor=black text=white>",
    "<body style='background:#fafafa;color:#333'>",
    "<body><div class=dark>",
    f"<link rel=stylesheet href={LINKED_SHEET}><body>",
]


def varied_page(seed: int) -> str:
    """Return a page of a dozen constructs; a part of them is hidden in one of several ways."""
    words = Words(seed)
    parts = [make(words) for make in words.random.sample(SHOWN, 8)]
    for pattern in words.random.sample(STYLED, 7):
        parts.append(pattern.format(*(words(2) for _ in range(pattern.count("{}")))))
    words.random.shuffle(parts)
    head = f"<!doctype html><title>{words(2)}</title><style>{_SHEET}</style>"
    return f"{head}{words.random.choice(_PAGES)}<h1>{words(2)}</h1>" + "\n".join(parts)


def markdown_pages(folder: Path, limit: int) -> list[tuple[str, str]]:
    """Return real Markdown pages with their HTML as markdown-it alone renders it."""
    from markdown_it import MarkdownIt

    from lorag.knowledge.formats.front_matter import split_front_matter

    files = sorted(path for place in ("docs", "knowledge/v1") for path in (folder / place).rglob("*.md"))[:limit]
    render = MarkdownIt("commonmark").enable(["table", "strikethrough"]).render
    texts = [path.read_text(encoding="utf-8") for path in files]
    return [(text, f"<!doctype html><body>{render(split_front_matter(text).body)}") for text in texts]
