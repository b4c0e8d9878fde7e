"""Matplotlib's SVG as an element of a page: no style attributes, ids of its own, colours that follow the page's."""

import re
from xml.etree import ElementTree

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
# Elements that show something, or are shown by others.
KEPT = {"svg", "g", "path", "use", "defs", "clipPath", "rect", "text", "tspan", "image"}
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


def inline(text: str, prefix: str, alt: str) -> str:
    """The markup of an ``<svg role="img">`` named ``alt`` out of a file that matplotlib wrote.

    Style attributes become attributes of their own, since a strict content security policy forbids them. Black
    becomes the page's colour of text, white areas its background. prefix: makes ids differ from other pictures'.
    """
    ElementTree.register_namespace("", SVG)
    ElementTree.register_namespace("xlink", XLINK)
    root = ElementTree.fromstring(text)
    _clean(root)
    for element in root.iter():
        _restyle(element)
        for key, value in list(element.attrib.items()):
            if key == "id":
                element.set(key, f"{prefix}-{value}")
            elif key == f"{{{XLINK}}}href" and value.startswith("#"):
                element.set(key, f"#{prefix}-{value[1:]}")
            elif "url(#" in value:
                element.set(key, _REFERENCE.sub(rf"url(#{prefix}-\1)", value))
    for key in ("height", "version"):
        root.attrib.pop(key, None)
    wide = float(root.get("viewBox", "0 0 0 0").split()[2])
    # One scale for all, 96 pixels an inch, so that their text is of one size.
    attributes = {"role": "img", "aria-label": alt, "fill": "currentColor", "stroke-linejoin": "round",
                  "width": f"{wide * 96 / 72:.0f}", "class": "narrow" if wide < 470 else "wide"}
    for key, value in attributes.items():
        root.set(key, value)
    return ElementTree.tostring(root, encoding="unicode")


def _clean(element: ElementTree.Element) -> None:
    """Take out metadata and style sheets."""
    for child in list(element):
        if not isinstance(child.tag, str) or child.tag.rpartition("}")[2] not in KEPT:
            element.remove(child)
        else:
            _clean(child)


def _restyle(element: ElementTree.Element) -> None:
    for declaration in element.attrib.pop("style", "").split(";"):
        key, _, value = (part.strip() for part in declaration.partition(":"))
        if not value:
            continue
        if key == "font":  # 10px 'DejaVu Sans', sans-serif
            key, value = "font-size", value.split("px")[0].split()[-1] + "px"
        if key in ("fill", "stroke") and value in ("#000000", "black"):
            value = "currentColor"
        if key == "fill" and value in ("#ffffff", "white") and not element.tag.endswith("text"):
            element.set("class", "paper")
        elif key != "font-family":
            element.set(key, value)
