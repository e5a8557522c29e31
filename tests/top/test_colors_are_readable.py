"""The colors of texts are readable on a white and on a black terminal."""

import pytest

from agtop_exporter.top.styles import COLORED

LEAST_CONTRAST = 3.0  # of large and bold text, and of graphs (WCAG 2.2, 1.4.3 and 1.4.11)


def luminance(color):
    """Return the relative luminance of a Rich color (WCAG 2.2)."""
    parts = [part / 255 for part in color.get_truecolor()]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    """Return the contrast ratio of two luminances: 1 to 21."""
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


@pytest.mark.parametrize("name", [name for name, style in COLORED.items() if style.color])
def test_a_color_has_contrast(name):
    style = COLORED[name]
    grounds = [luminance(style.bgcolor)] if style.bgcolor else [0.0, 1.0]
    assert min(contrast(luminance(style.color), ground) for ground in grounds) >= LEAST_CONTRAST
