"""The words of an SVG as shapes, which look the same without any font."""

from __future__ import annotations

import logging
import re
from functools import lru_cache
from typing import Literal
from xml.etree import ElementTree

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import text_to_path

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
ElementTree.register_namespace("", SVG)
ElementTree.register_namespace("xlink", XLINK)
PASSED_ON = ("fill", "opacity", "fill-opacity", "class", "aria-hidden")
COMMANDS = {Path.MOVETO: "M", Path.LINETO: "L", Path.CURVE3: "Q", Path.CURVE4: "C", Path.CLOSEPOLY: "Z"}
Slant = Literal["normal", "italic"]
EM = 100  # units of a glyph's shape
# A family that this computer lacks is nothing to speak of: the next one of the list is taken.
logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)


def outlined(svg: str) -> str:
    """The same picture with a shape for every word; the words themselves stay as its accessible name."""
    root = ElementTree.fromstring(svg)
    for parent in list(root.iter()):
        for place, child in enumerate(list(parent)):
            if child.tag == f"{{{SVG}}}text":
                parent[place] = _shapes(child)
    return ElementTree.tostring(root, encoding="unicode")


def _shapes(text: ElementTree.Element) -> ElementTree.Element:
    """A group with the outlines of a text's lines."""
    group = ElementTree.Element(f"{{{SVG}}}g", {"role": "img", "aria-label": "".join(text.itertext())})
    x, y = _number(text, "x"), _number(text, "y")
    where = " ".join(filter(None, (text.get("transform"), f"translate({x:g},{y:g})" if x or y else "")))
    group.attrib.update({name: value for name in PASSED_ON if (value := text.get(name)) is not None})
    if where:
        group.set("transform", where)
    across, down = 0.0, 0.0
    for line in (text, *text):
        words = line.text or ""
        if line is not text:
            across, down = _number(line, "x", across), down + _number(line, "dy")
        if words.strip():
            shape, breadth = _glyphs(words, *_font(text))
            size = _number(text, "font-size", 12)
            start = {"middle": -breadth / 2, "end": -breadth}.get(text.get("text-anchor", ""), 0.0) * size
            scale = size / EM
            move = f"translate({across + start:.6g},{down:.6g}) scale({scale:.6g},{-scale:.6g})"
            ElementTree.SubElement(group, f"{{{SVG}}}path", {"d": shape, "transform": move})
    return group


def _font(text: ElementTree.Element) -> tuple[str, str, Slant]:
    slant = "italic" if text.get("font-style", "normal") != "normal" else "normal"
    return text.get("font-family", "sans-serif"), text.get("font-weight", "normal"), slant


@lru_cache(maxsize=4096)
def _glyphs(words: str, family: str, weight: str, slant: Slant) -> tuple[str, float]:
    """The shape of a line, 100 units to the em and upwards, and its width in ems."""
    font = FontProperties(
        family=[name.strip(" '\"") for name in family.split(",")],
        weight=int(weight) if weight.isdigit() else weight,
        style=slant,
        size=EM,
    )
    points, codes = text_to_path.get_text_path(font, words, ismath=False)
    width, _, _ = text_to_path.get_text_width_height_descent(words, font, ismath=False)
    return _written(np.asarray(points), np.asarray(codes)), width / EM


def _written(points: np.ndarray, codes: np.ndarray) -> str:
    """A path's commands; a curve's points are written after its letter once."""
    parts, left = [], 0
    for (x, y), code in zip(points, codes, strict=True):
        if code == Path.CLOSEPOLY:
            parts.append("Z")
            continue
        if left == 0:
            parts.append(COMMANDS[code])
            left = {Path.CURVE3: 2, Path.CURVE4: 3}.get(code, 1)
        parts.append(f"{x:.2f},{y:.2f}")
        left -= 1
    return " ".join(parts)


def _number(node: ElementTree.Element, name: str, otherwise: float = 0.0) -> float:
    found = re.match(r"-?[\d.]+", node.get(name, ""))
    return float(found[0]) if found else otherwise
