#!/usr/bin/env bash
# torchrl 0.14.1: its wheel puts a folder named benchmarks, and others, beside the package.
#
# Expected: a wheel of torchrl installs torchrl.
# Seen:     it also installs what lies in its repository, at the top of site-packages:
#               benchmarks, sota-check, sota-implementations, torchrl
# Documentation: the package index and the installation page name one package, torchrl.
# Meets:    who has a package named benchmarks that is not installed: in a process started elsewhere `import benchmarks` finds
#           torchrl's files, and no error says so.
set -euo pipefail
dir=$(mktemp -d) && trap 'rm -rf "$dir"' EXIT
"${PYTHON:-python3}" -m venv "$dir"
"$dir/bin/python" -m pip install --quiet --no-deps torchrl==0.14.1
cd "$dir"
"$dir/bin/python" -I - <<'PY'
from importlib.metadata import distribution

tops = sorted({file.parts[0] for file in distribution("torchrl").files if len(file.parts) > 1})
tops = [top for top in tops if not top.endswith(".dist-info") and top not in {"..", "__pycache__"}]
print("installed at the top:", ", ".join(tops))
import benchmarks  # noqa: E402

print("import benchmarks finds", [path.rsplit("/", 1)[-1] for path in benchmarks.__path__])
raise SystemExit(not {"benchmarks", "torchrl"} <= set(tops))
PY
