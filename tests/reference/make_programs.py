"""Store the losses of the programs in test_programs.py as PyTorch computes them: python tests/reference/make_programs.py"""

import sys
from pathlib import Path

import numpy as np
import torch

here = Path(__file__).parent
sys.path.insert(0, str(here.parent))

from test_programs import PROGRAMS  # noqa: E402  (the tests are not a package)

torch.set_num_threads(1)
np.savez_compressed(here / "programs.npz", **{name: program("torch") for name, program in PROGRAMS.items()})
