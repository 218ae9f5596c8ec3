"""The commands there are (★), and where each lives; a module is imported when its command is used."""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: dict[str, str] = {
    "up": "codeai.cli.up",
    "down": "codeai.cli.down",
    "status": "codeai.cli.status",
    "run": "codeai.cli.run",
    "check": "codeai.cli.check",
    "fmt": "codeai.cli.fmt",
    "plan": "codeai.cli.plan",
    "ast": "codeai.cli.ast",
    "lsp": "codeai.cli.lsp",
    "logs": "codeai.cli.logs",
    "state": "codeai.cli.state",
    "trace": "codeai.cli.trace",
    "cancel": "codeai.cli.cancel",
    "pause": "codeai.cli.pause",
    "resume": "codeai.cli.resume",
    "approve": "codeai.cli.approve",
    "reject": "codeai.cli.reject",
    "approvals": "codeai.cli.approvals",
    "retry": "codeai.cli.retry",
    "skip": "codeai.cli.skip",
    "set": "codeai.cli.set",
    "patch": "codeai.cli.patch",
    "rollback": "codeai.cli.rollback",
    "abort": "codeai.cli.abort",
    "compensate": "codeai.cli.compensate",
    "executions": "codeai.cli.executions",
    "deployments": "codeai.cli.deployments",
    "configs": "codeai.cli.configs",
    "events": "codeai.cli.events",
    "query": "codeai.cli.query",
    "secrets": "codeai.cli.secrets",
    "roles": "codeai.cli.roles",
    "audit": "codeai.cli.audit",
    "token": "codeai.cli.token",
    "config": "codeai.cli.config_show",
    "migrate": "codeai.cli.migrate",
    "serve": "codeai.cli.serve",
    "worker": "codeai.cli.worker",
}
"""The command and the module whose `app` it is."""


class Commands(TyperGroup):
    """The root: finds its commands by name in the table."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 (as its base has it)
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 (as its base has it)
        if cmd_name not in COMMANDS:
            return None
        command = get_command(import_module(COMMANDS[cmd_name]).app)
        command.name = cmd_name
        return command


def new(help: str = "", **more: Any) -> typer.Typer:
    """The `app` of a command's module."""
    return typer.Typer(
        help=help, rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False, **more
    )


def root() -> Any:
    """The whole command."""
    app = typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        help="Deployments as small scripts that run durably on Temporal.",
        epilog="A first look: codeai up, then: codeai run hello.cai",
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    @app.callback()
    def codeai(
        _: Annotated[
            bool, typer.Option("--version", is_eager=True, callback=_version, help="The version, and leave.")
        ] = False,
    ) -> None:
        pass

    return get_command(app)


def _version(asked: bool) -> None:
    if asked:
        print(f"codeai {version('codeai')}")
        raise typer.Exit
