"""Tool calls: how a model writes them, how it is made to write one, and how they are read.

chat template ── tool_format ──▶ ToolFormat ──▶ tool_grammar: what must be written
                                           └──▶ ToolParser: text ▸ content, calls, arguments
"""

from shoal_serving.generate.tools.formats import ToolFormat, tool_format
from shoal_serving.generate.tools.grammar import tool_grammar, tool_or_json_grammar
from shoal_serving.generate.tools.parser import ToolParser
from shoal_serving.generate.tools.pieces import CallArguments, CallStarted, Content, Piece

__all__ = [
    "CallArguments",
    "CallStarted",
    "Content",
    "Piece",
    "ToolFormat",
    "ToolParser",
    "tool_format",
    "tool_grammar",
    "tool_or_json_grammar",
]
