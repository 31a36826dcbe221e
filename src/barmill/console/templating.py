"""From a template and its values to the bytes of a page that loads nothing."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from barmill.console import figures
from barmill.console.embedding import content_hash, own_file

if TYPE_CHECKING:
    import jinja2
    from markupsafe import Markup


def breakable(name: str) -> "Markup":
    """A name in code that may go on in the next line after an underscore, not within a word."""
    from markupsafe import Markup, escape

    return Markup(str(escape(name)).replace("_", "_<wbr>"))


FILTERS = (
    figures.fixed,
    figures.significant,
    figures.percent,
    figures.basis_points,
    figures.whole,
    figures.duration,
    figures.plural,
    figures.sentence,
    breakable,
)


def rendered(
    template: str, context: dict[str, Any], *, styles: Sequence[str], scripts: Sequence[str], markup: dict[str, str] | None = None
) -> bytes:
    """A page, UTF-8.

    Parameters
    ----------
    context : values that are escaped where they are written
    styles : names of style sheets among our own files
    scripts : whole scripts, each allowed by its hash and nothing else
    markup : values of our own making that are markup, or data that no markup can end
    """
    from markupsafe import Markup

    trusted = {name: Markup(text) for name, text in (markup or {}).items()}
    frame = {
        "style": Markup("".join(own_file(name) for name in styles)),
        "scripts": [Markup(script) for script in scripts],
        "script_hashes": [content_hash(script) for script in scripts],
    }
    return _templates().get_template(template).render({**context, **trusted, **frame}).encode()


@cache
def _templates() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("barmill.console"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    cast("dict[str, Any]", environment.filters).update({function.__name__: function for function in FILTERS})
    return environment


__all__ = ["rendered"]
