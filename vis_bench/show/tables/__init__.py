"""Tables as text: columns and entries enter, Markdown, CSV, LaTeX or HTML leaves.

Nothing here knows what the entries are about.

Files: `grid` holds a table before it has a format (columns, entries, marks, footnotes), `formats/`
has a writer per format, `text` renders a grid, a page of grids or a pandas table with one of them.
"""
