"""The page out of its sections: styles and script inside it, and a policy that lets nothing else in."""

import base64
import hashlib
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from audio_lottery.report.html.parts import Section

HERE = Path(__file__).parent


def render(title: str, subtitle: str, sections: Sequence[Section]) -> str:
    """HTML; all text is escaped but the pictures' markup, which :mod:`audio_lottery.report.html.svg` made."""
    environment = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined,
                              trim_blocks=True, lstrip_blocks=True)
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html").render(
        title=title, subtitle=subtitle, sections=sections, style=style, script=script, policy=policy(style, script))


def policy(style: str, script: str) -> str:
    """A content security policy: this style and this script, by their digests; audio beside the page; no network."""
    return "; ".join(["default-src 'none'", f"style-src '{_digest(style)}'", f"script-src '{_digest(script)}'",
                      "img-src data:", "media-src 'self' file:", "base-uri 'none'", "form-action 'none'"])


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
