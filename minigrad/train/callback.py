"""What a callback is, which events it hears of, and how it cuts a part of a fit short."""

EVENTS = (
    "before_fit", "before_epoch", "before_train", "before_validate", "before_batch",
    "after_predict", "after_loss", "after_backward", "after_step",
    "after_batch", "after_validate", "after_train", "after_epoch", "after_fit",
)  # fmt: skip


BATCH, PASS, EPOCH, FIT = range(4)  # the parts of a fit, from the narrowest: a pass goes over one loader once


class Cancel(Exception):
    """Raised in an event, cuts a part of the fit short; the `after_` events of what has begun still come."""

    width = FIT


class CancelBatch(Cancel):
    """Go on with the next batch."""

    width = BATCH


class CancelEpoch(Cancel):
    """Go on with the next epoch; what is left of training and validation in this one is skipped."""

    width = EPOCH


class CancelFit(Cancel):
    """End the fit."""

    width = FIT


KINDS = {BATCH: CancelBatch, EPOCH: CancelEpoch, FIT: CancelFit}


def widest(kind, exception):
    """The kind of a cancellation, or `kind` if that reaches farther (None reaches nowhere)."""
    return KINDS[exception.width] if kind is None or exception.width > kind.width else kind


class Callback:
    """Takes part in a fit: a method named after an event is called with the learner when that comes.

    A method may read and change anything of the learner, and raise a cancellation; every other callback hears of
    the event first. Callbacks hear of an event by rising `order`, those of equal order as they were given.
    """

    order = 0
    requires: tuple[type["Callback"], ...] = ()  # callbacks that this one relies on; a Learner adds those that are not there
    searches = False  # whether it turns a fit into a search, after which everything is as before
    rests_in_search = False  # whether it takes no part in such a fit

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)
        for name in vars(cls):
            if name.startswith(("before_", "after_")) and name not in EVENTS:
                raise TypeError(f"{cls.__name__}.{name}: there is no such event, only {', '.join(EVENTS)}")

    def close(self, learner):
        """Called at the end of every fit, also of one that an error ended, to give back what was taken."""

    def state_dict(self):
        """What a checkpoint keeps of this callback, of the types that `minigrad.save` takes."""
        return {}

    def load_state_dict(self, state_dict):
        """Take over what a `state_dict` held: called when all events before that checkpoint have come again."""
