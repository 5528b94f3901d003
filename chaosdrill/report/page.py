"""Self-contained pages: a template, figures, and everything that they need, in one file."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chaosdrill.report import embedding, palette
from chaosdrill.report.figures.base import locale
from chaosdrill.report.sanitizing import as_json, escape_invisible, on_one_line
from chaosdrill.report.texts import Words

Figure = Mapping[str, Any]


def page(template: str, words: Words, figures: Mapping[str, Figure], **values: Any) -> str:
    """Return a page.

    :param template: a file in ``report/files`` that extends ``base.html.j2``.
    :param words: the catalogue in the reader's language.
    :param figures: the figures in Plotly's schema, by the id of their element; colours are named by their role
        (:func:`chaosdrill.report.palette.role`).
    :param values: the values for the template.
    :returns: HTML.
    :raises NoReport: when the extra ``report`` is not installed.
    """
    plotly = embedding.plotly_js()
    script = (embedding.FILES / "page.js").read_text(encoding="utf-8")
    told = {"figures": figures, "palettes": {"light": palette.LIGHT, "dark": palette.DARK}, "locale": locale(words)}
    whole: str = (
        _environment(words.language)
        .get_template(template)
        .render(
            figures=figures,
            plotly=_verbatim(plotly),
            script=_verbatim(script),
            style=_verbatim(_style()),
            data=_verbatim(embedding.data_block(told)),
            policy=embedding.policy([plotly, script]),
            **values,
        )
    )
    return whole


@cache
def _environment(language: str) -> Any:
    """Return the cached environment, because compiling the templates takes longer than rendering them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    made = Environment(
        loader=FileSystemLoader(embedding.FILES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_seen,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update(t=Words(language), as_json=as_json, on_one_line=on_one_line)
    return made


def _seen(value: Any) -> Any:
    """Escape the invisible characters of every value that a template shows: texts, figures and lists."""
    return value if hasattr(value, "__html__") else escape_invisible(str(value))


def _verbatim(text: str) -> Any:
    from markupsafe import Markup

    return Markup(text)


def _style() -> str:
    """Return the style sheet with both palettes; printed pages are always light."""
    light, dark = palette.variables(palette.LIGHT), palette.variables(palette.DARK)
    themes = (
        f":root {{ color-scheme: light; {light} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ color-scheme: dark; {dark} }} }}\n"
        f":root[data-theme=dark] {{ color-scheme: dark; {dark} }}\n"
        f"@media print {{ :root, :root:not([data-theme=light]), :root[data-theme=dark] "
        f"{{ color-scheme: light; {light} }} }}\n"
    )
    return themes + (embedding.FILES / "page.css").read_text(encoding="utf-8")
