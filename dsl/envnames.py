"""Names of environment variables that no command gets by mention (★), only by `env:`.

A shell, the loader, an interpreter or a tool that programs often call reads them, so that a program's variable
of such a name would change how the command works rather than be a value in it. `X*` stands for all names that
begin so, `*X` for all that end so.
"""

from __future__ import annotations

RESERVED = {
    "the shell": """
        _ PATH HOME IFS ENV PWD OLDPWD UID EUID PPID GROUPS SECONDS RANDOM SRANDOM EPOCHSECONDS EPOCHREALTIME
        CDPATH SHELLOPTS SHELL SHLVL PS0 PS1 PS2 PS3 PS4 PROMPT_COMMAND PROMPT_DIRTRIM TMPDIR DIRSTACK FUNCNAME
        PIPESTATUS LINENO HOSTNAME HOSTTYPE OSTYPE MACHTYPE OPTARG OPTIND OPTERR REPLY MAPFILE COPROC GLOBIGNORE
        EXECIGNORE FIGNORE TIMEFORMAT TMOUT INPUTRC POSIXLY_CORRECT CHILD_MAX MAIL MAILCHECK MAILPATH HISTFILE
        HISTCMD HISTCONTROL HISTIGNORE HISTSIZE HISTFILESIZE HISTTIMEFORMAT BASH* COMP_* READLINE_*""",
    "the loader and the C library": """
        LD_* DYLD_* MALLOC_* GCONV_PATH GLIBC_TUNABLES LOCPATH NLSPATH TZ TZDIR LANG LANGUAGE LC_* TERM TERMINFO
        HOSTALIASES RES_OPTIONS LOCALDOMAIN RESOLV_HOST_CONF""",
    "interpreters": """
        PYTHON* PERL* RUBY* NODE_* LUA_* JAVA_TOOL_OPTIONS JDK_JAVA_OPTIONS _JAVA_OPTIONS CLASSPATH PHPRC
        PHP_INI_SCAN_DIR""",
    "tools": """
        GIT_* SSH_* *_PROXY *_proxy EDITOR VISUAL PAGER LESS* BROWSER MAKEFLAGS TAR_OPTIONS OPENSSL_CONF
        SSL_CERT_* CURL_CA_BUNDLE REQUESTS_CA_BUNDLE DOCKER_HOST DOCKER_CONFIG DOCKER_CONTEXT KUBECONFIG AWS_*
        GOOGLE_APPLICATION_CREDENTIALS""",
    "the platform": "CODEAI_*",
}

_WORDS = " ".join(RESERVED.values()).split()
_NAMES = frozenset(word for word in _WORDS if "*" not in word)
_STARTS = tuple(word[:-1] for word in _WORDS if word.endswith("*"))
_ENDS = tuple(word[1:] for word in _WORDS if word.startswith("*"))


def is_reserved(name: str) -> bool:
    """Whether a command never gets a variable of this name by mention."""
    return name in _NAMES or name.startswith(_STARTS) or name.endswith(_ENDS)
