"""`cfenvs.power.objectives` under its first name, for code that has it."""

from cfenvs.power.objectives import *  # noqa: F403
