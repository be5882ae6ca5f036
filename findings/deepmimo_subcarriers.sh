#!/usr/bin/env bash
# DeepMIMO 4.0.5: the gain of a subcarrier falls with the number of subcarriers, and is not the transform of the taps.
#
# Expected: one path of -60 dB between single antennas. The taps (freq_domain = 0) hold -60 dB, and so does each subcarrier of the
#           frequency response, whatever their number: the response of a single path is flat.
# Seen:     the taps do; a subcarrier loses 10 log10 of the number of subcarriers.
#               taps              -60.00 dB
#               64 subcarriers    -78.06 dB
#               512 (default)     -87.09 dB
#               1024 subcarriers  -90.10 dB
# Documentation: compute_channels does not name a normalisation, in either domain. A formula inside the generator has the
#           square root of P/N: the power is shared by the subcarriers there, as if the sender's were in it.
# Meets:    SNRs that use `power` and noise of one subcarrier are 27 dB off by default; channels generated with different grids
#           cannot be mixed in a training set.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet deepmimo==4.0.5 numpy==2.2.6
"$dir/bin/python" -I - 2>"$dir/progress" <<'PY' || { cat "$dir/progress" >&2; exit 1; }
import deepmimo
import numpy as np

PATH = {"power": -60.0, "phase": 0.0, "delay": 1e-7, "inter": 0.0}
ANGLES = {"aoa_az": 0.0, "aoa_el": 90.0, "aod_az": 0.0, "aod_el": 90.0}


def gain(subcarriers, freq_domain=1):
    link = {key: np.array([[value]]) for key, value in {**PATH, **ANGLES}.items()}
    places = {"rx_pos": np.array([[10.0, 0, 0]]), "tx_pos": np.zeros((1, 3)), "rx_vel": np.zeros(3), "tx_vel": np.zeros(3)}
    data = deepmimo.Dataset({"scene": deepmimo.Scene(), **link, **places})
    asked = deepmimo.ChannelParameters()
    asked.bs_antenna.shape = asked.ue_antenna.shape = np.array([1, 1])
    asked.freq_domain, asked.ofdm.subcarriers, asked.ofdm.selected_subcarriers = freq_domain, subcarriers, np.arange(4)
    channel = data.compute_channels(asked)
    return 10 * np.log10((abs(channel) ** 2).max())


taps = gain(512, freq_domain=0)
print(f"taps              {taps:.2f} dB")
lost = []
for subcarriers in (64, 512, 1024):
    lost.append(taps - gain(subcarriers) - 10 * np.log10(subcarriers))
    print(f"{subcarriers:4d} subcarriers  {gain(subcarriers):.2f} dB")
raise SystemExit(not (abs(taps + 60) < 1e-3 and np.abs(lost).max() < 1e-3))
PY
