"""What commands print: texts and JSON, to standard output or to a file, and the papers' tables."""

from vis_bench.commands.output.text import deliver, print_json, print_line, print_text, say

__all__ = ["deliver", "print_json", "print_line", "print_text", "say"]
