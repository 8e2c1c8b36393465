"""Files that are written whole or not at all."""

import os


def write(path, text):
    """Writes `text` to `path`, in UTF-8; whoever reads it meanwhile, or after a failure, finds the old file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
