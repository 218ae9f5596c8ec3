"""The command `codeai`: dispatches, and answers every error with one line."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line and exits with its code."""
    code = _run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has gone; without this Python would complain about it at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _run(words: list[str]) -> int:
    from codeai.cli.exits import Done, Exit, Stop

    try:
        return _dispatch(words)
    except Done as done:
        return done.code
    except Stop as stop:
        return _say(str(stop), stop.code)
    except KeyboardInterrupt:
        return _say("interrupted", Exit.DETACHED)
    except BrokenPipeError:
        return Exit.FAILED
    except Exception as error:
        if os.environ.get("CODEAI_DEBUG"):
            raise
        return _say(
            f"an error of ours: {type(error).__name__}: {error} (CODEAI_DEBUG=1 shows where)", Exit.FAILED
        )


def _dispatch(words: list[str]) -> int:
    if words[:1] == ["check"]:
        from codeai.cli.checking import checked_at_once

        if (code := checked_at_once(words[1:])) is not None:
            return code
    if words[:1] == ["worker"]:
        from codeai.cli.moments import end_when_told

        end_when_told()
    return _dispatch_by_typer(words)


def _dispatch_by_typer(words: list[str]) -> int:
    import typer

    from codeai.cli.commands import root
    from codeai.cli.exits import Exit

    try:
        ended = root().main(args=words, prog_name="codeai", standalone_mode=False)
    except typer.Abort:
        return _say("interrupted", Exit.DETACHED)
    except typer.TyperException as error:
        message = error.format_message() if hasattr(error, "format_message") else str(error)
        if message.startswith("Usage:"):  # a group without a command: its help
            print(message)
            return Exit.INVALID
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "codeai"
        return _say(
            f"{message.splitlines()[0] if message else 'wrong usage'} See: {path} --help", Exit.INVALID
        )
    return ended if isinstance(ended, int) else Exit.OK


def _say(message: str, code: int) -> int:
    from codeai.cli.terminal import visible

    for line in message.splitlines():
        print(f"codeai: {visible(line)}", file=sys.stderr)
    return code


if __name__ == "__main__":
    main()
