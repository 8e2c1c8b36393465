"""Data sets by name, and the way from words to training examples.

Each is looked for in `$MINIGRAD_DATA`, then in the cache, then downloaded; see `files`. When it cannot be
had, something that ships with minigrad stands in for it, and a notice says so. `digits` and the table of
`tabular` are always made here.
"""

from .files import File, find
from .idx import mnist, read_idx
from .images import Images, Splits
from .strokes import digits
from .tabular import Column, Rows, Table, tabular
from .words import Vocabulary, Words, contexts, names, prenoms, split
