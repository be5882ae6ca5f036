"""The text on a package index: the README, with pictures and links that lead somewhere from there."""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)\[([^]]*)]\((?!\w+:|#)([^)]*)\)")


class Readme(MetadataHookInterface):
    """Gives `readme`."""

    def update(self, metadata: dict[str, Any]) -> None:
        text = (Path(self.root) / "README.md").read_text(encoding="utf-8")
        repository = metadata.get("urls", {}).get("Repository")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": described(text, repository and repository.rstrip("/"), metadata["version"]),
        }


def described(readme: str, repository: str | None, version: str) -> str:
    """Point what is relative to the files of this version's tag; without a repository leave the mere words."""

    def absolute(link: re.Match[str]) -> str:
        picture, words, path = link.groups()
        if repository is None:
            return f"*{words}*" if picture else words
        return f"{picture}[{words}]({repository}/{'raw' if picture else 'blob'}/v{version}/{path})"

    return LINK.sub(absolute, readme)
