"""What is on disk is what is installed."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
LAYERS = ("rsa", "neural_data", "plugins", "benchmarks")


def test_every_folder_with_code_is_a_listed_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {file.parent.relative_to(ROOT).as_posix() for layer in LAYERS for file in (ROOT / layer).rglob("*.py")}
    assert set(settings["packages"]) == {f"tgsage.{folder.replace('/', '.')}" for folder in folders}
    assert settings["package-dir"] == {f"tgsage.{folder.replace('/', '.')}": folder for folder in folders}


def test_type_checkers_see_every_layer() -> None:
    for layer in LAYERS:
        if (ROOT / layer).is_dir():
            assert (ROOT / ".typing/tgsage" / layer).resolve() == (ROOT / layer).resolve()
            assert (ROOT / layer / "py.typed").exists()


def test_layers_import_downwards_only() -> None:
    for height, layer in enumerate(LAYERS):
        above = LAYERS[height + 1 :]
        for file in (ROOT / layer).rglob("*.py"):
            depth = len(file.relative_to(ROOT / layer).parts)
            words = [f"from {'.' * (depth + 1)}{name}" for name in above] + [f"tgsage.{name}" for name in above]
            imports = [line for line in file.read_text().splitlines() if "import" in line]
            wrong = [line for line in imports if any(word in line for word in words)]
            assert not wrong, f"{file} imports upwards: {wrong}"
