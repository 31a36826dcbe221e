"""Reading documentation pages: their fenced blocks, and the hidden remarks before them."""

import re
from dataclasses import dataclass
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
_BLOCK = re.compile(r"(?:<!-- (?P<remark>[^>]*?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """kind : the word after the fence; remark : the hidden remark before it, or nothing"""

    kind: str
    remark: str
    text: str

    @property
    def commands(self) -> list[str]:
        """The lines after `$ `, continued lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line[2:] for line in lines if line.startswith("$ ")]

    @property
    def output(self) -> list[str]:
        return [line for line in self.text.splitlines() if not line.startswith("$ ")]


def blocks_of(page: Path, *kinds: str) -> list[Block]:
    found = _BLOCK.finditer(page.read_text(encoding="utf-8"))
    return [Block(each["kind"], each["remark"] or "", each["text"]) for each in found if each["kind"] in kinds]
