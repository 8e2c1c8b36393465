"""What surrounds training: the data, under torch's names."""

from . import data
