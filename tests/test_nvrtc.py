"""The sources of all kernels, compiled by NVIDIA's compiler NVRTC; that needs no GPU, but package nvidia-cuda-nvrtc-cu12."""

import ctypes
import ctypes.util
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "stand_in"
CAPABILITIES = 70, 80, 90
# imports the library on the stand-in for CuPy and prints each kernel's source, with every type that it is compiled for
SOURCES = r"""
import importlib, json, pkgutil, re
import cupy
import numpy as np

found, elementwise = {}, []

class Noted(cupy.ElementwiseKernel):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        elementwise.append(self)

cupy.ElementwiseKernel = Noted
import minigrad
from minigrad.kernels import OPTIONS, Kernel

kernels = set()
for module in pkgutil.walk_packages(minigrad.__path__, "minigrad."):
    kernels.update(x for x in vars(importlib.import_module(module.name)).values() if isinstance(x, Kernel))
choices = {
    "T": ["float32", "float64"], "I": ["int32", "int64"],
    "W": ["unsigned char", "unsigned short", "unsigned int", "unsigned long long"],
}
for kernel in sorted(kernels, key=lambda kernel: kernel.name):
    letters = [letter for letter in choices if re.search(rf"\b{letter}\b", kernel.source)]
    for i in range(max(len(choices[letter]) for letter in letters)):
        kinds = [choices[letter][i % len(choices[letter])] for letter in letters]
        found[" ".join((kernel.name, *kinds))] = kernel.code(tuple(zip(letters, kinds)))
for kernel in elementwise:
    for dtype in choices["T"]:
        dtypes = [parameter.dtype or np.dtype(dtype) for parameter in kernel.params]
        found[f"{kernel.name} {dtype}"] = kernel.source(dtypes)
print(json.dumps([OPTIONS, found]))
"""


def library():
    """NVRTC, from its package or from an installed CUDA, or None."""
    package = importlib.util.find_spec("nvidia")
    places = list(package.submodule_search_locations) if package else []
    files = [str(file) for place in places for file in sorted(Path(place).rglob("libnvrtc.so*")) if "alt" not in file.name]
    for name in (*files, ctypes.util.find_library("nvrtc")):
        if name:
            return ctypes.CDLL(name)
    return None


nvrtc = library()
needs_nvrtc = pytest.mark.skipif(nvrtc is None, reason="NVRTC is not installed: pip install nvidia-cuda-nvrtc-cu12")


@pytest.fixture(scope="module")
def sources():
    environment = {**os.environ, "MINIGRAD_BACKEND": "cupy", "PYTHONPATH": f"{FOLDER}{os.pathsep}{FOLDER.parent.parent}"}
    environment["MINIGRAD_FUSED"] = "1"
    done = subprocess.run([sys.executable, "-c", SOURCES], env=environment, capture_output=True, text=True)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)


def complaints(source, options):
    """What NVRTC says of a source that it does not compile, else an empty text."""
    program, options = ctypes.c_void_p(), [option.encode() for option in options]
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernel.cu", 0, None, None) == 0
    try:
        if nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options)) == 0:
            return ""
        size = ctypes.c_size_t()
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        return log.value.decode() or "no reason given"
    finally:
        nvrtc.nvrtcDestroyProgram(ctypes.byref(program))


def known_capabilities():
    """Of CAPABILITIES, those that this NVRTC compiles for."""
    if nvrtc is None:
        return CAPABILITIES
    number = ctypes.c_int()
    nvrtc.nvrtcGetNumSupportedArchs(ctypes.byref(number))
    known = (ctypes.c_int * number.value)()
    nvrtc.nvrtcGetSupportedArchs(known)
    return [capability for capability in CAPABILITIES if capability in known]


@needs_nvrtc
def test_a_wrong_source_is_found():
    assert "nonsense" in complaints('extern "C" __global__ void f() { nonsense; }', ["-arch=sm_80"])
    assert complaints('extern "C" __global__ void f() { }', ["-arch=sm_80"]) == ""


@needs_nvrtc
@pytest.mark.parametrize("capability", known_capabilities())
def test_every_kernel_compiles(sources, capability):
    options, found = sources
    assert len(found) > 40
    options = [*options, "-std=c++17", f"-arch=sm_{capability}"]
    wrong = {name: log for name, source in found.items() if (log := complaints(source, options))}
    assert not wrong, wrong
