"""Where path loss, shadowing and pilot assignment still answer to the names that they had before they moved."""

from cfenvs.cell_free.pilots import PILOT_ASSIGNMENT as PILOT_ASSIGNMENT
from cfenvs.power.propagation import PATH_LOSS as PATH_LOSS
from cfenvs.power.propagation import SHADOWING as SHADOWING
from cfenvs.power.propagation import TR38901 as TR38901
from cfenvs.power.propagation import PathLoss as PathLoss
from cfenvs.power.propagation import ThreeSlope as ThreeSlope
from cfenvs.power.propagation import UrbanMicro as UrbanMicro
