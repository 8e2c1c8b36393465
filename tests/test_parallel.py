"""Training in several processes: the losses of one process, and an end with an error and a checkpoint when one is lost."""

import importlib.util
import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

import minigrad as mg
import minigrad.nn as nn
from minigrad import train
from minigrad.backend import on_gpu, xp
from minigrad.train import communicator

ROOT = Path(__file__).resolve().parents[1]
MPIEXEC = shutil.which("mpiexec", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))
needs_mpi = pytest.mark.skipif(
    MPIEXEC is None or importlib.util.find_spec("mpi4py") is None,
    reason="needs an MPI and mpi4py: pip install mpi4py mpich",
)
OPEN_MPI = {  # which wants to be asked before it runs in a container of one user, or more processes than there are cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}  # fmt: skip
SECONDS = 60


def environment(stand_in=False):
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    settings = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **OPEN_MPI}
    if stand_in:
        paths.insert(0, str(ROOT / "tests" / "stand_in"))
        settings["MINIGRAD_BACKEND"] = "cupy"
    return {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def command(processes, name, folder, *arguments):
    launcher = [] if processes == 1 else [MPIEXEC, "-n", str(processes)]
    return [*launcher, sys.executable, "-W", "error", str(ROOT / "tests" / "processes.py"), name, str(folder), *arguments]


def start(processes, name, folder, *arguments, **options):
    """The finished run of a program of tests/processes.py."""
    call = command(processes, name, folder, *arguments)
    return subprocess.run(call, env=environment(**options), capture_output=True, text=True, timeout=SECONDS)


def results(processes, name, folder, *arguments, **options):
    """What the program returned in each process."""
    done = start(processes, name, folder, *arguments, **options)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"{name}.{rank}.json").read_text()) for rank in range(processes)]


def close(a, b, tolerance):
    """Whether two nested lists have equal numbers, to a relative tolerance."""
    if isinstance(a, list):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b))
    return math.isclose(a, b, rel_tol=tolerance, abs_tol=tolerance)


# ------------------------------------------------------------------------------------------------------ a plain loop


@needs_mpi
@pytest.mark.parametrize("kind, dtype, processes", [
    ("shuffled", "float64", 2), ("shuffled", "float32", 2), ("shuffled", "float64", 3), ("ahead of time", "float64", 2),
    ("stream", "float64", 2), ("list", "float64", 2),
])  # fmt: skip
def test_losses_and_parameters_are_those_of_one_process(tmp_path, kind, dtype, processes):
    (alone,) = results(1, "loop", tmp_path, kind, dtype)
    together = results(processes, "loop", tmp_path, kind, dtype)
    tolerance = 1e-12 if dtype == "float64" else 1e-6
    for one in together:
        assert close(one["losses"], alone["losses"], tolerance)
        assert close(one["parameters"], alone["parameters"], tolerance)
        assert one["losses"] == together[0]["losses"] and one["parameters"] == together[0]["parameters"]
    sizes = [one["sizes"] for one in together]
    assert alone["sizes"] == [8, 8, 5] * 3 == [sum(shares) for shares in zip(*sizes)]
    assert all(max(shares) - min(shares) <= 1 for shares in zip(*sizes))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    """{name of a piece of tests/processes.py: what it returned in each of two processes}"""
    first, second = results(2, "pieces", tmp_path_factory.mktemp("pieces"))
    return {name: (first[name], second[name]) for name in first}


@needs_mpi
def test_a_share_is_cut_from_what_process_0_drew(pieces):
    first, second = pieces["drawn_indices"]
    assert first["share"] + second["share"] == first["whole"] != second["whole"]


@needs_mpi
def test_parameters_and_buffers_start_as_those_of_process_0(pieces):
    first, second = pieces["different_starts"]
    assert first == second
    assert first[-3:] == [[1.0, 1.0], [1.0, 1.0], 0]


@needs_mpi
def test_a_parameter_that_some_processes_did_not_use_gets_their_mean_and_an_unused_one_no_gradient(pieces):
    expected = {"all": (4 + 8) / 2, "some": 1 / 2, "none": None, "frozen": None}
    assert pieces["branches"] == (expected, expected)


@needs_mpi
def test_a_backward_averages_once_and_adds_to_what_is_there(pieces):
    expected = {"gradient": 2 * (3 + 6) / 2, "averages": 2}
    assert pieces["two_outputs"] == (expected, expected)


@needs_mpi
def test_a_process_without_a_sample_counts_nothing(pieces, tmp_path):
    (alone,) = results(1, "pieces", tmp_path)
    first, second = pieces["too_few_samples"]
    assert first == second
    for name in first:
        assert close(first[name], alone["too_few_samples"][name], 1e-12)


@needs_mpi
def test_gradients_of_half_precision_are_averaged_in_single(pieces):
    assert pieces["half"] == ([[[7.0] * 3], "float16"],) * 2


@needs_mpi
def test_running_statistics_are_those_of_process_0_unless_each_keeps_its_own(pieces):
    first, second = pieces["norms"]
    mine, others = pieces["own_norms"]
    assert first == second == mine != others


@needs_mpi
def test_dropout_differs_from_process_to_process_and_from_batch_to_batch(pieces):
    first, second = pieces["dropped"]
    assert len({str(mask) for mask in first + second}) == 4


# ---------------------------------------------------------------------------------------------------- with a Learner


@needs_mpi
def test_a_fit_records_what_one_process_records(tmp_path):
    (alone,) = results(1, "fit", tmp_path, "alone")
    first, second = results(2, "fit", tmp_path, "together")
    assert first == second
    assert first["lrs"] == alone["lrs"]
    assert close(first["losses"], alone["losses"], 1e-12) and close(first["parameters"], alone["parameters"], 1e-11)
    assert [list(row) for row in first["metrics"]] == [list(row) for row in alone["metrics"]]
    for mine, others in zip(first["metrics"], alone["metrics"]):
        assert close(list(mine.values()), list(others.values()), 1e-6)  # the accuracy is float32
    assert mg.load(tmp_path / "together" / "last.safetensors")["epoch"] == 6
    assert (tmp_path / "together.0").exists() and not (tmp_path / "together.1").exists()


@needs_mpi
def test_process_0_alone_speaks(tmp_path):
    alone, together = start(1, "fit", tmp_path, "a"), start(2, "fit", tmp_path, "b")
    assert len(together.stdout.splitlines()) == len(alone.stdout.splitlines()) == 7
    assert together.stderr == ""


@needs_mpi
@pytest.mark.parametrize("kind, done", [("fail", 2), ("fail in a batch", 2), ("interrupt", 3)])
def test_a_fit_that_a_process_ended_can_be_resumed(tmp_path, kind, done):
    straight = results(2, "fit", tmp_path, "straight", "none", "0.3")
    ended = start(2, "fit", tmp_path, "ended", kind, "0.3")
    if kind == "interrupt":
        assert ended.returncode == 0
        assert ended.stderr == "fit: interrupted in epoch 3 of 6, after 3 batches of its train pass\n"
    else:
        assert ended.returncode != 0
        assert ended.stderr.count("ProcessLost: DataParallel: process 1 failed: ValueError: it is broken") == 1
        assert ended.stderr.count("\nValueError: it is broken") == 1
    state = mg.load(tmp_path / "ended" / "last.safetensors")
    assert (state["epoch"], state["stage"], state["done"]) == (2, "train", done)
    resumed = results(2, "fit", tmp_path, "ended", "resume", "0.3")
    assert resumed[0] == resumed[1]
    if kind == "fail in a batch":  # which is lost
        assert state["step"] == 4 + 4 + done - 1
        assert len(resumed[0]["losses"]) == len(straight[0]["losses"]) - 1
    else:
        assert state["step"] == 4 + 4 + done
        assert resumed == straight


@needs_mpi
def test_a_fit_of_which_a_process_was_killed_ends_and_can_be_resumed_from_the_last_epoch(tmp_path):
    straight = results(2, "fit", tmp_path, "straight")
    killed = start(2, "fit", tmp_path, "killed", "die")
    assert killed.returncode != 0
    state = mg.load(tmp_path / "killed" / "last.safetensors")
    assert (state["epoch"], state["stage"]) == (2, "start")
    assert results(2, "fit", tmp_path, "killed", "resume") == straight


@needs_mpi
def test_ctrl_c_ends_all_processes_with_a_checkpoint(tmp_path):
    call = command(2, "fit", tmp_path, "interrupted", "slowly")
    with subprocess.Popen(call, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        watchdog = threading.Timer(SECONDS, process.kill)
        watchdog.start()
        started = any("started" in line for line in process.stdout)
        process.send_signal(signal.SIGINT)
        process.wait()
        watchdog.cancel()
    assert started and process.returncode != -signal.SIGKILL
    assert mg.load(tmp_path / "interrupted" / "last.safetensors")["epoch"] >= 1


# ------------------------------------------------------------------------------------------------------ misuse, errors


@needs_mpi
@pytest.mark.parametrize("name, arguments, message", [
    ("fails", ["0"], "ProcessLost: DataParallel: process 0 failed: ValueError: it is broken"),
    ("fails", ["1"], "ProcessLost: DataParallel: process 1 failed: ValueError: it is broken"),
    ("fails_early", [], "ProcessLost: DataParallel: process 1 failed: ValueError: it is broken"),
    ("ends_early", [], "ProcessLost: DataParallel: process 1 has ended, while others have work to do together with it"),
    ("differs", [], "must do the same, but process 0 is at 'all_reduce' of 1, process 1 is at 'broadcast' of 8\n"),
    ("fit", ["here", "skip"], "must do the same, but process 0 is at 'share' of 0, process 1 is at 'pass' of 0\n"),
    ("other_models", [], "RuntimeError: DataParallel: the processes made models whose parameters or buffers differ"),
    ("compiles", [], "RuntimeError: DataParallel: what processes exchange cannot be replayed; compile what is in between"),
])  # fmt: skip
def test_all_processes_end_with_an_error_that_says_why(tmp_path, name, arguments, message):
    done = start(2, name, tmp_path, *arguments)
    assert done.returncode != 0
    assert message in done.stderr


@needs_mpi
def test_a_process_that_failed_does_not_wait_for_one_that_never_comes(tmp_path):
    done = start(2, "deserts", tmp_path)
    assert done.returncode != 0
    assert "ValueError: it is broken" in done.stderr


@needs_mpi
def test_the_program_of_the_readme_gives_the_loss_of_one_process(tmp_path):
    (program,) = re.findall(r"<!-- parallel.py -->\n```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (tmp_path / "parallel.py").write_text(program)
    call, losses = [sys.executable, str(tmp_path / "parallel.py")], []
    for launcher in ([], [MPIEXEC, "-n", "2"]):
        done = subprocess.run([*launcher, *call], env=environment(), capture_output=True, text=True, timeout=SECONDS)
        assert done.returncode == 0, done.stderr
        losses.append(float(done.stdout))
    assert losses[0] < 0.2
    assert math.isclose(*losses, rel_tol=1e-4)  # in float32, after 400 steps


def test_without_a_launcher_a_model_trains_alone():
    model = nn.Linear(3, 2)
    parallel = train.DataParallel(model)
    x, batches = mg.randn(4, 3), [(mg.randn(2, 3), mg.randn(2))]
    assert (parallel.rank, parallel.size, train.local_rank()) == (0, 1, 0)
    assert parallel.share(x) is x and parallel.share(x, 1) == (x, 1) and parallel.shares(batches) is batches
    assert mg.equal(parallel(x), model(x))
    value = model(x).sum()
    assert parallel.mean(value) is value
    assert repr(parallel).startswith("DataParallel(\n  rank=0, size=1\n  (module): Linear")


@pytest.fixture
def two_started(monkeypatch):
    """`mpi` as in a process that a launcher says it started as one of two, given what stands for mpi4py."""

    def call(mpi4py):
        monkeypatch.setenv("PMI_SIZE", "2")
        monkeypatch.setitem(sys.modules, "mpi4py", mpi4py)
        return communicator.mpi.__wrapped__()

    return call


def test_several_processes_need_mpi4py(two_started):
    message = r"^DataParallel: mpi4py is not installed, but 2 processes were started; install mpi4py \(the extra mpi\)$"
    with pytest.raises(ImportError, match=message):
        two_started(None)


def test_mpi4py_needs_a_library(two_started):
    class Unloadable:
        @property
        def MPI(self):  # noqa: N802
            raise RuntimeError("cannot load MPI library")

    with pytest.raises(ImportError, match="^DataParallel: mpi4py finds no MPI library, but 2 processes were started; "):
        two_started(Unloadable())


def test_launcher_and_library_must_belong_together(two_started):
    library = SimpleNamespace(COMM_WORLD=SimpleNamespace(size=1), Get_library_version=lambda: "An MPI 1.0\nand more")
    with pytest.raises(RuntimeError, match=r"2 processes were started, but mpi4py sees this one alone; use .*: An MPI 1.0$"):
        two_started(SimpleNamespace(MPI=library))


def test_a_model_is_a_module_and_returns_tensors():
    with pytest.raises(TypeError, match="^DataParallel: expected an nn.Module, got list$"):
        train.DataParallel([])
    with pytest.raises(TypeError, match="^DataParallel: expected a model that returns tensors, alone or in .*, got set$"):
        train.DataParallel(nn.Identity()).followed({1}, None)


@pytest.mark.parametrize("batch, found", [
    ((mg.zeros(3, 2), mg.zeros(2)), r"\[\(3, 2\), \(2,\)\]"),
    ((mg.zeros(3), "a"), r"\[\(3,\), 'str'\]"),
    ((mg.zeros(3), mg.tensor(1)), r"\[\(3,\), \(\)\]"),
])  # fmt: skip
def test_what_is_cut_into_shares_has_one_length(batch, found):
    with pytest.raises(TypeError, match=f"^DataParallel: expected batches of tensors of one length, got {found}$"):
        train.DataParallel(nn.Identity()).deal(batch)


# --------------------------------------------------------------------------------------------------------------- GPUs


@needs_mpi
@pytest.mark.parametrize("name", ["loop", "nccl"])
def test_arrays_of_a_device_go_through_the_host_or_by_nccl(tmp_path, name):
    (alone,) = results(1, "loop", tmp_path, "shuffled", "float64")
    first, second = results(2, name, tmp_path, "shuffled", "float64", stand_in=True)
    assert close(first["losses"], alone["losses"], 1e-12) and first["parameters"] == second["parameters"]
    if name == "nccl":
        assert first["by nccl"] and first["norms"] == second["norms"]


@needs_mpi
def test_what_is_said_to_nccl_is_understood(tmp_path):
    (found,) = results(1, "nccl_alone", tmp_path, stand_in=not on_gpu or "stand_in" in xp.__file__)
    if found is None:
        pytest.skip("needs NCCL: pip install nvidia-nccl-cu12")
    assert found == [[0, 1, 2, 3, 4]] * 3 + [[False, True, True, True, True]]


@needs_mpi
def test_processes_that_share_a_gpu_although_there_are_enough_are_told(tmp_path):
    done = start(2, "shared_gpu", tmp_path, stand_in=True)
    assert done.returncode != 0
    assert "2 processes share 1 of 2 GPUs; call cuda.set_device(train.local_rank()) before the model is made" in done.stderr
