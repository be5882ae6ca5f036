# /// script
# dependencies = ["pufferlib==3.0.0"]
# ///
"""PufferLib has no wheel, and its build downloads what its own environments are drawn with.

Where it cannot, the build stops. With `NO_OCEAN=1`, which leaves those environments out, it stops at a `NameError`.
"""

import pufferlib

print(f"pufferlib {pufferlib.__version__} could be installed: write a script for it")
