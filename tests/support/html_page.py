"""`read_html(text)`: an HTML page as an element tree, in which every tag is closed by its own."""

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

VOID = ("br", "hr", "img", "input", "link", "meta", "wbr")


def read_html(text):
    """Return the first element of a page; a bare attribute has an empty value."""
    builder = _Builder()
    builder.feed(text)
    builder.close()
    assert builder.open == []
    return builder.tree.close()


def text_of(element):
    """The text in an element, in one line."""
    return " ".join("".join(element.itertext()).split())


class _Builder(HTMLParser):
    def __init__(self):
        super().__init__()
        self.tree, self.open = ET.TreeBuilder(), []

    def handle_starttag(self, tag, attributes):
        self.tree.start(tag, {key: value or "" for key, value in attributes})
        if tag in VOID:
            self.tree.end(tag)
        else:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tree.start(tag, {key: value or "" for key, value in attributes})
        self.tree.end(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.tree.end(tag)

    def handle_data(self, data):
        self.tree.data(data)
