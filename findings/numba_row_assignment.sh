#!/usr/bin/env bash
# numba 0.68.1: assigning a row of one array to a row of another compiles what would print a message.
#
# Expected: a[i] = b[i] costs about as much to compile as a loop over the entries that does the same.
# Seen:     38 functions are compiled in place of one, 15 of them of strings: they would say in the error that shapes
#           differ. Three seconds and more, where the loop takes a fraction of one.
#               by_entry  1 functions, 0 of strings
#               by_row    38 functions, 15 of strings
# Documentation: "Supported NumPy features" has array slicing and assignment; it does not say what they cost.
# Meets:    first calls of small kernels that take seconds for no reason that a profile of the kernel shows.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet numba==0.68.1 llvmlite==0.50.0 numpy==2.4.6
"$dir/bin/python" -I - <<'PY'
import numba
import numpy as np
from numba.core import event


class Compiled(event.Listener):
    modules = []

    def on_start(self, event):
        self.modules.append(event.data["dispatcher"].py_func.__module__)

    def on_end(self, event):
        pass


@numba.njit
def by_entry(a, b):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            a[i, j] = b[i, j]


@numba.njit
def by_row(a, b):
    for i in range(a.shape[0]):
        a[i] = b[i]


event.register("numba:compile", Compiled())
found = {}
for function in (by_entry, by_row):
    Compiled.modules.clear()
    a = np.zeros((2, 3))
    function(a, np.ones((2, 3)))
    assert (a == 1).all()
    found[function.__name__] = len(Compiled.modules), sum("unicode" in module for module in Compiled.modules)
    print(f"{function.__name__:9} {found[function.__name__][0]} functions, {found[function.__name__][1]} of strings")
raise SystemExit(found != {"by_entry": (1, 0), "by_row": (38, 15)})
PY
