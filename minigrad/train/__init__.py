"""Training: a `Learner` runs the loop, callbacks watch it and change it."""

from .anomaly import AnomalyError, DetectAnomaly
from .batch import BatchTransform, GradientClip
from .callback import EVENTS, Callback, CancelBatch, CancelEpoch, CancelFit
from .checkpoint import Checkpoint
from .communicator import ProcessLost, local_rank
from .finder import LRFinder
from .learner import Learner
from .metrics import Metrics, accuracy
from .parallel import DataParallel
from .progress import ProgressBar
from .recorder import Recorder
from .schedule import OneCycle, ParamScheduler, combine, cosine, exponential, linear, polynomial
from .stopping import EarlyStopping
