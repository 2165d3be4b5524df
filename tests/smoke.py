"""Run from outside the checkout, in an environment with the wheel: is everything there, and does it score?

Not collected by pytest; `make wheel` calls it.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import tgsage
import tgsage.benchmarks
import tgsage.neural_data
import tgsage.plugins
import tgsage.rsa


def main() -> None:
    """Raises where the installed package lacks something."""
    checkout = Path(__file__).resolve().parents[1]
    for package in (tgsage, tgsage.rsa, tgsage.neural_data, tgsage.plugins, tgsage.benchmarks):
        place = Path(str(package.__file__)).resolve()
        if checkout in place.parents:
            raise SystemExit(f"{package.__name__} comes from the checkout: {place}")
        for name in getattr(package, "__all__", ()):
            getattr(package, name)
        if not (place.parent / "py.typed").exists():
            raise SystemExit(f"{package.__name__} has no py.typed")
    found = tgsage.score("pixels", "simulated", bootstrap=0, splits=0)
    print(f"tgsage {tgsage.__version__}: TG of pixels is {found.tg:.3f}")
    program = Path(sys.executable).parent / "tgsage"
    subprocess.run([program, "--help"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "score.json"
        subprocess.run([program, "score", "pixels", "--teacher", "simulated", "--json", result], check=True)
        if not result.stat().st_size:
            raise SystemExit("no result was written")
        search = ["search", "--samples", "2", "--epochs", "0.1", "--teacher", "none", "--storage", f"{folder}/toy.db"]
        subprocess.run([program, *search], check=True)
        page = Path(folder) / "report.html"
        subprocess.run([program, "score", "pixels", "--bootstrap", "20", "--report", page], check=True)
    print("smoke test passed")


if __name__ == "__main__":
    main()
