"""What surrounds training: the data, and exchange with other libraries, under torch's names."""

from . import data, dlpack
