"""Which variables no command gets by mention."""

from __future__ import annotations

import pytest

from codeai.dsl.envnames import is_reserved

NAMES = """
    PATH HOME IFS ENV PWD UID SECONDS RANDOM CDPATH SHELLOPTS BASH_ENV BASHOPTS PS1 PS2 PS3 PS4 PROMPT_COMMAND TMPDIR
    LD_PRELOAD DYLD_LIBRARY_PATH GCONV_PATH PYTHONPATH PERL5LIB RUBYOPT NODE_OPTIONS JAVA_TOOL_OPTIONS GIT_DIR
    SSH_AUTH_SOCK HTTP_PROXY https_proxy EDITOR PAGER LESSOPEN OPENSSL_CONF SSL_CERT_FILE DOCKER_HOST KUBECONFIG
    AWS_PROFILE _ CODEAI_STEP_ID"""


@pytest.mark.parametrize("name", NAMES.split())
def test_names_that_the_shell_the_loader_or_an_interpreter_reads(name: str) -> None:
    assert is_reserved(name)


@pytest.mark.parametrize(
    "name", ["path", "home", "VERSION", "image", "HOST", "PORT", "USER", "_x", "proxy", "x_HOME"]
)
def test_other_names_are_passed(name: str) -> None:
    assert not is_reserved(name)
