"""Pictures as pages show them."""

import re

PHONE, COLUMN = 390 - 2 * 16, 830  # pixels for text on a phone, and in a README's column


def smallest_letters(svg, room):
    """Height in pixels of the smallest letters of an SVG in so many pixels of room."""
    width = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
    sizes = map(float, re.findall(r"font-size: ([\d.]+)px", svg))
    return min(sizes) * min(room, width * 96 / 72) / width
