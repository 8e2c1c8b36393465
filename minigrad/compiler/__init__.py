"""`compile`: steps of training recorded once and replayed as a flat list of array operations.

`recorder` notes down what one call does to `traced` arrays, as a list of `calls`; `exchange` makes the library compute with
those meanwhile, and `arena` lays their memory out. `recording` is such a list with what must be as it was when it was made:
`arguments`, and the `surroundings` that the function can see. `compiled` decides when to record and when to replay.
"""

from .compiled import Compiled, compile
