"""The door: parse, call one use case, show one value; every failure ends here."""

from __future__ import annotations

from bunkerctl import __version__, errors
from bunkerctl.cli import output, shell

TYPE_CHECKING = False
if TYPE_CHECKING:
    from bunkerctl.cli.grammar import Line
    from bunkerctl.cli.shell import Shell

EXIT_BROKEN_PIPE = 141


def run(argv: list[str], surroundings: Shell) -> int:
    """Run one command line in the given surroundings; return the exit code."""
    try:
        words = [shell.check_utf8(word, "an argument") for word in argv]
        return _run(words, surroundings)
    except errors.BunkerError as error:
        return _tell(error, argv, surroundings)


def run_guarded(argv: list[str], surroundings: Shell, *, writable: bool) -> int:
    """As `run`, for a process: nothing may end in a traceback, which could show a value."""
    try:
        if not writable:
            closed = errors.OutputFailed("standard output is closed; nothing was done")
            return _tell(closed, argv, surroundings)
        return run(argv, surroundings)
    except BrokenPipeError:
        shell.silence(1)
        return EXIT_BROKEN_PIPE
    except errors.Interrupted as interrupted:
        return _tell(errors.Stopped(interrupted), argv, surroundings)
    except Exception as error:
        code = _tell(_bug(error), argv, surroundings)
        if "--debug" in argv:
            _show_frames(error, surroundings)
        return code


def _run(words: list[str], surroundings: Shell) -> int:
    line = _parsed(words)
    if line.command is None:
        return _inform(line, surroundings)
    from bunkerctl.cli.call import Call

    call = Call(surroundings, line.everywhere)
    try:
        line.command.run(call, **line.values)
        return 0
    finally:
        call.close()
        call.output.flush()


def _parsed(words: list[str]) -> Line:
    from bunkerctl.cli import shortcut

    line = shortcut.read(words)
    if line is None:
        from bunkerctl.cli import parser

        line = parser.parse(words)
    return line


def _inform(line: Line, surroundings: Shell) -> int:
    """Print the version, or the help of a command or group."""
    screen = output.Output("plain", surroundings.stdout, surroundings.stderr)
    if line.everywhere.get("version"):
        screen.text(f"bunkerctl {__version__}\n")
    else:
        from bunkerctl.cli import help

        screen.text(help.text(line.words))
    screen.flush()
    return 0


def _tell(error: errors.BunkerError, argv: list[str], surroundings: Shell) -> int:
    output.show_error(surroundings.stderr, error, _form_of(argv, surroundings))
    return error.exit_code


def _form_of(argv: list[str], surroundings: Shell) -> str:
    """Return the form that errors take, though the line may not be parsable."""
    form = surroundings.environment.get("BUNKERCTL_OUTPUT")
    named = surroundings.environment.get("BUNKERCTL_CONFIG")
    for word, following in zip(argv, [*argv[1:], ""], strict=True):
        if word == "--":
            break
        name, mark, value = word.partition("=")
        flags, letter, rest = word.partition("o")
        if word == "--json":
            form = "json"
        elif name == "--output":
            form = value if mark else following
        elif name == "--config":
            named = value if mark else following
        elif letter and flags[:1] == "-" and set(flags[1:]) <= {"q", "y"}:
            form = rest or following
    return form or _configured_form(named, surroundings)


def _configured_form(named: str | None, surroundings: Shell) -> str:
    from bunkerctl import config

    try:
        return config.load(named or None, surroundings.environment).get("output") or ""
    except errors.BunkerError:
        return ""


def _bug(error: Exception) -> errors.Internal:
    """Name the place, not the message: that could hold a value of a record."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = ""
    if trace is not None:
        where = f" at {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
    return errors.Internal(
        f"unexpected {type(error).__name__}{where}",
        hint="this is a bug: report it, with what --debug adds",
    )


def _show_frames(error: Exception, surroundings: Shell) -> None:
    import traceback

    for frame in traceback.extract_tb(error.__traceback__):
        output.tell(surroundings.stderr, f"debug: {frame.filename}:{frame.lineno} in {frame.name}")
