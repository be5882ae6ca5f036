#!/usr/bin/env bash
# DeepMIMO 4.0.5: a data set keeps the antenna gain of its first channels.
#
# Expected: one path of -60 dB at right angles to the base station's antenna. A half-wave dipole adds its 2.16 dB, an isotropic
#           antenna nothing, a dipole tilted by 60 degrees takes 5.42 dB away (30 degrees from its axis).
# Seen:     that is what each gives in a data set that is new. In one data set all that comes after the first has its gain, though
#           array, phases and angles are new.
#                                     a new data set   the same
#               dipole                     -57.84 dB     -57.84 dB
#               isotropic                  -60.00 dB     -57.84 dB
#               dipole, tilted by 60       -65.42 dB     -57.84 dB
# Documentation: compute_channels takes the parameters anew each time, and its tutorial does so to compare antennas. The method
#           that forgets rotated angles says that it forgets powers with antenna gain too; it forgets the angles only.
# Meets:    sweeps over patterns, tilts and orientations, where nothing seems to matter. data.clear_all_caches() between two calls
#           mends it.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet deepmimo==4.0.5 numpy==2.2.6
"$dir/bin/python" -I - 2>"$dir/progress" <<'PY' || { cat "$dir/progress" >&2; exit 1; }
import contextlib
import io

with contextlib.redirect_stdout(io.StringIO()):  # names packages that are not there
    import deepmimo
import numpy as np

PATH = {"power": -60.0, "phase": 0.0, "delay": 1e-7, "inter": 0.0}
ANGLES = {"aoa_az": 180.0, "aoa_el": 90.0, "aod_az": 0.0, "aod_el": 90.0}


def new():
    link = {name: np.array([[value]]) for name, value in {**PATH, **ANGLES}.items()}
    places = {"rx_pos": np.array([[10.0, 0, 0]]), "tx_pos": np.zeros((1, 3)), "rx_vel": np.zeros(3), "tx_vel": np.zeros(3)}
    return deepmimo.Dataset({"scene": deepmimo.Scene(), **link, **places})


def gain(data, pattern, tilt):
    asked = deepmimo.ChannelParameters()
    asked.bs_antenna.shape = asked.ue_antenna.shape = np.array([1, 1])
    asked.freq_domain, asked.bs_antenna.radiation_pattern, asked.bs_antenna.rotation = 0, pattern, np.array([0, tilt, 0])
    return 20 * np.log10(abs(data.compute_channels(asked)).max())


def dipole(from_axis):
    angle = np.deg2rad(from_axis)
    return 10 * np.log10(1.643 * (np.cos(np.pi / 2 * np.cos(angle)) / np.sin(angle)) ** 2)


same, held = new(), []
print("                      a new data set   the same")
for name, pattern, tilt, truth in (
    ("dipole", "halfwave-dipole", 0, -60 + dipole(90)),
    ("isotropic", "isotropic", 0, -60.0),
    ("dipole, tilted by 60", "halfwave-dipole", 60, -60 + dipole(30)),
):
    fresh, kept = gain(new(), pattern, tilt), gain(same, pattern, tilt)
    print(f"{name:22} {fresh:10.2f} dB {kept:10.2f} dB")
    held.append(abs(fresh - truth) < 1e-2 and abs(kept + 60 - dipole(90)) < 1e-2)
same.clear_all_caches()
held.append(abs(gain(same, "isotropic", 0) + 60) < 1e-2)
raise SystemExit(not all(held))
PY
