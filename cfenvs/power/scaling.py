"""Observations of order one: how gains, rates and ages are scaled, the same in every system."""

from __future__ import annotations

import numpy as np

from cfenvs.arrays import Float, Int

RATE_SCALE = 5.0
"""Rates in observations are in units of 5 bit/s/Hz, a typical rate of a single-antenna user, ..."""
RATE_CLIP = 4.0
"""... clipped at 20 bit/s/Hz, which no user of the presets reaches."""
AGE_SCALE = 10.0
"""Ages of reports in observations are in units of 10 steps, ..."""
AGE_CLIP = 4.0
"""... clipped at 40."""
GAIN_OFFSET_DB = -20.0
GAIN_SCALE_DB = 20.0
"""Gains in observations are (gain in dB over the noise at 1 mW + 20) / 20: order one over a square kilometre, ..."""
GAIN_CLIP = 4.0
"""... clipped at -100 and 60 dB."""


def scaled_gains(gains_db: Float) -> Float:
    """Gains in dB over the noise at 1 mW, scaled and clipped to [-GAIN_CLIP, GAIN_CLIP]."""
    return np.clip((gains_db - GAIN_OFFSET_DB) / GAIN_SCALE_DB, -GAIN_CLIP, GAIN_CLIP)


def scaled_ages(ages: Int) -> Float:
    """Ages in steps, scaled and clipped to [0, AGE_CLIP]."""
    return np.minimum(ages / AGE_SCALE, AGE_CLIP)
