"""What commands take: the parser, the options that several commands have, and kinds of values."""

from vis_bench.commands.arguments.options import CONFIG, LIMITED_RECORDS, RECORDS, Options
from vis_bench.commands.arguments.parser import Parser

__all__ = ["CONFIG", "LIMITED_RECORDS", "RECORDS", "Options", "Parser"]
