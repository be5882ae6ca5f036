# /// script
# dependencies = ["pufferlib==3.0.0"]
# ///
"""PufferLib has no wheel, and its build downloads what its own environments are drawn with."""

import pufferlib

print(f"pufferlib {pufferlib.__version__} could be installed: write a script for it")
