"""The frame of the `tgsage` program: commands come from entry points, mistakes end in one line and exit code 2."""

import os
import re
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import RSAError, reason
from ..extensions import EXTRAS, installed, is_ours, load
from .interruption import interruptible

GROUP = "tgsage.commands"
INTERRUPTED = 130
LAYERS = ("rsa", "neural_data", "plugins", "benchmarks")


def build() -> typer.Typer:
    """The program with every command installed under the entry-point group `tgsage.commands`.

    An entry point is a function (one command) or a `typer.Typer` (a group of them); "group.command" adds a function to
    a group that another one made. One that is broken, or has the name of another one, is left out with a line on
    stderr.
    """
    app = typer.Typer(
        name="tgsage",
        help="How brain-like (or teacher-like) are a vision model's representations?",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def frame(
        show_version: Annotated[
            bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_version)
        ] = False,
    ) -> None:
        pass

    groups: dict[str, typer.Typer] = {}
    points, refused = installed(GROUP)
    for point in points.values():
        group, _, name = point.name.rpartition(".")
        try:
            command = load(point)
            if not is_ours(point):
                _check(command, point.name)
        except RSAError as error:
            refused.append(f"{error}; it is left out")
            continue
        if isinstance(command, typer.Typer):
            groups[name] = command
            app.add_typer(command, name=name)
        elif group in groups or not group:
            groups.get(group, app).command(name)(command)
        else:
            refused.append(f"{point.name} ({point.value}) is left out: there is no group {group}")
    for line in refused:
        print(f"tgsage: command {line}", file=sys.stderr)
    return app


def _check(command: Any, name: str) -> None:
    """Raises RSAError for what is no command, which would otherwise show when the program is run."""
    alone = typer.Typer()
    try:
        if isinstance(command, typer.Typer):
            alone.add_typer(command, name="command")
        else:
            alone.command("command")(command)
        typer.main.get_command(alone)
    except Exception as error:
        raise RSAError(f"{name} is broken: {type(command).__name__} is no command: {reason(error)}") from error


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tgsage {version('tgsage')}")
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; returns its exit code: 0, 1 (something failed), 2 (wrong input), 130 (interrupted).

    Ctrl-C and SIGTERM, which schedulers send before a time limit, end every command in one way: what was written is
    whole, and the exit code is a shell's for Ctrl-C.

    A reader of its output that goes away is no error worth a word: exit code 1, as Python's manual has it.
    """
    try:
        command = typer.main.get_command(build())
        try:
            with interruptible():
                code = command.main(args=arguments, prog_name="tgsage", standalone_mode=False)
        except RSAError as error:
            words = sys.argv[1:] if arguments is None else arguments
            print(f"tgsage: {_with_dashes(' '.join(str(error).split()), command, words)}", file=sys.stderr)
            return 2
        sys.stdout.flush()
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except OSError as error:
        _drop_output()
        if not isinstance(error, BrokenPipeError):
            print(f"tgsage: {error}", file=sys.stderr)
        return 1
    except Exception as error:
        package = str(getattr(error, "name", "")).partition(".")[0]
        if isinstance(error, ModuleNotFoundError) and package in EXTRAS:
            print(f"tgsage: {package} is not installed: pip install 'tgsage[{EXTRAS[package]}]'", file=sys.stderr)
            return 2
        if not hasattr(error, "format_message"):
            raise
        return _usage(error)
    if code == INTERRUPTED:  # typer's own answer to Ctrl-C
        print("tgsage: interrupted; what was written before is whole", file=sys.stderr)
    return code if isinstance(code, int) else 0


def _with_dashes(message: str, command: Any, words: Sequence[str]) -> str:
    """A message with the command's options where it names Python's arguments: `alpha must be`, `missing='drop'`."""
    for word in words:
        command = getattr(command, "commands", {}).get(word, command)
    options = {one.name: max(one.opts, key=len) for one in command.params if not getattr(one, "is_flag", False)}
    typed = {name: option for name, option in options.items() if option.startswith("--")}
    names = "|".join(typed) or "$."
    said = rf"^({names})(?= (?:must|is|are|needs?)\b)|(?<=[;:] give )({names})\b"
    message = re.sub(said, lambda found: typed[found[1] or found[2]], message)
    assigned = rf"\b({names})=(?:'([^']*)'|(?=[\s,;]|$))"
    return re.sub(assigned, lambda found: f"{typed[found[1]]} {found[2] or ''}".rstrip(), message)


def _usage(error: Exception) -> int:
    text: str = error.format_message()  # type: ignore[attr-defined]
    context = getattr(error, "ctx", None)
    if not text and context is not None:  # no_args_is_help of a group
        print(context.get_help())
        return 0
    hint = f" (see: {context.command_path} --help)" if context is not None else ""
    print(f"tgsage: {' '.join(text.split())}{hint}", file=sys.stderr)
    return 2


def _drop_output() -> None:
    """What stdout still holds goes nowhere, so that its flush at the interpreter's end does not fail again."""
    with suppress(OSError, ValueError):  # a stand-in without a file descriptor
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def format_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of this package as one line, as mistakes are; those of others as Python prints them."""
    ours = any(Path(filename).is_relative_to(Path(__file__).parents[2] / layer) for layer in LAYERS)
    if category is UserWarning and ours:
        return f"tgsage: {' '.join(str(message).split())}\n"
    return _python_s(message, category, filename, lineno, line)


_python_s = warnings.formatwarning


def run() -> None:
    """The console script."""
    warnings.formatwarning = format_warning
    if sys.stdout is None:  # closed by the shell
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115
    sys.exit(main())
