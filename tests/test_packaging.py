"""What is on disk is what is installed."""

import tomllib

from .public import LAYERS, ROOT


def test_every_folder_with_code_is_a_listed_package() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    folders = {file.parent.relative_to(ROOT).as_posix() for layer in LAYERS for file in (ROOT / layer).rglob("*.py")}
    expected = {"tgsage": "front"} | {f"tgsage.{folder.replace('/', '.')}": folder for folder in folders}
    assert settings["package-dir"] == expected
    assert set(settings["packages"]) == set(expected)


def test_type_checkers_see_every_layer_and_the_front_door() -> None:
    for name in ("__init__.py", "__init__.pyi"):
        assert (ROOT / ".typing/tgsage" / name).resolve() == (ROOT / "front" / name).resolve()
    assert (ROOT / "front/py.typed").exists()
    for layer in LAYERS:
        assert (ROOT / ".typing/tgsage" / layer).resolve() == (ROOT / layer).resolve()
        assert (ROOT / layer / "py.typed").exists()
