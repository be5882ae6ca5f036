"""cfenvs: reinforcement-learning environments for wireless resource control, with exact optima."""

from cfenvs.registration import register_all

__version__ = "0.1.0"

register_all()
