"""What goes into a page as it stands: data that no markup can end, scripts, and the hashes that allow them."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import Any


def embedded_json(value: Any) -> str:
    """JSON that no markup can end: what could close a script or open a tag or a comment is written as an escape."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    for mark in "<>&\u2028\u2029":
        text = text.replace(mark, f"\\u{ord(mark):04x}")
    return text


def content_hash(script: str) -> str:
    """What a content security policy allows a script by."""
    return "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def own_file(name: str) -> str:
    """A file of the templates folder, as text."""
    return (files("barmill.console") / "templates" / name).read_text(encoding="utf-8")


@cache
def chart_library() -> str:
    """Plotly's own script. A script ends at the first "</script" and may not open a comment, whatever the language says of strings."""
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs().replace("\r\n", "\n").replace("\r", "\n")
    return library.replace("</script", "<\\/script").replace("<!--", "<\\!--")
