"""python scripts/format_document.py > docs/format.md: the specification of token files, from its only source."""

from vpcodec.container import format as container_format

print(container_format.__doc__, end="")
