"""Names that try to be more than text, and what no reader of any output may ever get of them."""

import random
import unicodedata

# Of terminals, of bidirectional text, of lines, of Markdown and HTML, of CSV, LaTeX and mathtext,
# of format strings and of markup; and a command to GitHub, which obeys lines that begin with `::`.
PARTS = (
    "\x1b[31m", "\x1b]8;;https://example.org\x07", "\x07", "\x08", "\x7f", "\x9b2J", "\x85", "\x90",
    "\u202e", "\u2066", "\u2069", "\u200b", "\ufeff", "\u2028", "\u2029", "\ue000", "\U000e0041",
    "\r", "\n", "\t", "\v", "\n::error::obeyed\n", "\r\n",
    "<script>alert(1)</script>", "-->", "<img src=x>", "[a](https://example.org)", "![a](b.png)",
    "|", "`", "**", "__", "\\", "&lt;", "@a", "=1+1", "-2+3", "+", "# ", "- ",
    "$x$", "$\\frac{", "\\input{x}", "%", "{}", "{0}", "%s", "[/]", "[red]", ":smile:", "_", "..",
    "/", "../", "é", "中", "a", "B", " ",
)  # fmt: skip


def hostile_names(seed, count):
    """Some names, the same for the same seed; none is blank."""
    draw = random.Random(seed)
    return [
        "n" + "".join(draw.choices(PARTS, k=draw.randint(1, 6)))
        if draw.random() < 0.5
        else "".join(draw.choices(PARTS, k=draw.randint(1, 6))) + "n"
        for _ in range(count)
    ]


def unprintable(text):
    """The characters that a terminal could obey; line ends and tabs are none of them."""
    harmless = "\n\t"
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
        and character not in harmless
    }
