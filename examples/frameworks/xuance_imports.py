# /// script
# dependencies = ["xuance==1.4.4"]
# ///
"""XuanCe cannot be installed beside cfenvs: it wants NumPy below 2 and Gymnasium below 1.3. Without its dependencies it
does not start: it imports wandb and pyglet whatever one asks of it.
"""

import xuance

print(f"xuance {xuance.__version__} could be installed: write a script for it")
