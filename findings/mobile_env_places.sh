#!/usr/bin/env bash
# mobile-env 2.1.0: a user that is alone may get more rate farther from its base station.
#
# Expected: one user, one base station, no fading, the package's Okumura-Hata model: the rate falls with the distance, alike on
#           all sides, and is a few ten bit/s/Hz at most.
# Seen:     places are cut to whole numbers before a distance is taken, so the station's east and west differ by up to a metre,
#           and whoever stands in the same square metre as the station is at distance zero, where the model has no limit.
#               5.99 m east  1829.7 bit/s
#               5.01 m west   988.5 bit/s
#               0.99 m east  1.57e+09 bit/s (175 bit/s/Hz)
# Documentation: none of it names the cut; places, waypoints and speeds are floats everywhere else.
# Meets:    learners that are compared on the rates of a few users: a step of 1 cm changes a rate by a factor of two.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet mobile-env==2.1.0 gymnasium==1.4.0 numpy==2.2.6
"$dir/bin/python" -I - <<'PY'
from mobile_env.core.base import MComCore
from mobile_env.core.channels import OkumuraHata
from mobile_env.core.entities import BaseStation, UserEquipment

config = MComCore.default_config()
station = BaseStation(0, (110, 130), **config["bs"])
user = UserEquipment(0, **config["ue"])
channel = OkumuraHata()


def rate(east):
    user.x, user.y = station.x + east, station.y
    return channel.datarate(station, user, channel.snr(station, user))


print(f"5.99 m east  {rate(5.99):.1f} bit/s")
print(f"5.01 m west  {rate(-5.01):.1f} bit/s")
print(f"0.99 m east  {rate(0.99):.2e} bit/s ({rate(0.99) / station.bw:.0f} bit/s/Hz)")
raise SystemExit(not (rate(5.99) > 1.5 * rate(-5.01) > 0 and rate(0.99) > 100 * station.bw))
PY
