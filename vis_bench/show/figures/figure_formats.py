"""The formats of a figure, which its file's ending names."""

ENDINGS = (".png", ".svg", ".pdf")
