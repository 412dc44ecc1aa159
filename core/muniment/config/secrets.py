"""Reads passwords from the places that vault.toml names, and keeps them from being shown."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from muniment.config.program import TooMuchOutput, TooSlow, owner_of, run_program
from muniment.errors import ConfigError
from muniment.system.environment import with_home
from muniment.system.paths import as_path

COMMAND_SECONDS = 30
"""Longest time for a command to print a password, in seconds."""
LIMIT = 4096
"""Most bytes of a secret."""


class Secret:
    """A password. Only `reveal` shows it; logs, messages, pickles and tracebacks do not."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The password itself."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret must not be stored")


def resolve(spec: Mapping[str, Any], base: Path, *, seconds: float = COMMAND_SECONDS) -> Secret:
    """Read the password from the place that vault.toml names.

    Args:
        spec: The place: exactly one of `keyring`, `file`, `env` and `command`.
        base: The vault's folder. Relative files are below it, and a command runs in it.
        seconds: Longest time for a command.

    Raises:
        ConfigError: It can't be read, or this process does not run as the vault's owner. The message says
            why, and never contains the password.
    """
    if len(spec) != 1 or next(iter(spec)) not in _WAYS:
        raise ConfigError(f"password must name exactly one of {', '.join(_WAYS)}")
    ((way, argument),) = spec.items()
    owner = owner_of(base)
    if owner is not None:  # the owner, who writes vault.toml, must not use the rights of another account
        raise ConfigError(
            f"password: only the vault's owner can use what vault.toml names ({way}): become uid {owner}"
        )
    return _checked(_WAYS[way](argument, base, seconds), way)


def is_one_line(value: str) -> bool:
    """Whether a text can be a password: it is not empty, and is on one line."""
    return bool(value) and not any(character in value for character in "\r\n\0")


def _checked(secret: Secret, way: str) -> Secret:
    value = secret.reveal()
    if not value:
        raise ConfigError(f"the password from {way} is empty")
    if not is_one_line(value):
        raise ConfigError(f"the password from {way} has more than one line; it must have only one")
    return secret


def _from_keyring(argument: object, base: Path, seconds: float) -> Secret:
    """Read a password from the keyring; `argument` is `service/user`, split at the last slash."""
    service, slash, user = _text(argument, "keyring").rpartition("/")
    if not slash or not service or not user:
        raise ConfigError('password: keyring must be "service/user"')
    import keyring
    import keyring.errors

    try:
        value = keyring.get_password(service, user)
    except keyring.errors.NoKeyringError:
        raise ConfigError(
            "password: there is no keyring on this machine; use file, env or command instead"
        ) from None
    except (keyring.errors.KeyringError, OSError, RuntimeError):
        raise ConfigError(
            "password: the keyring can't be read; unlock it, or use file, env or command instead"
        ) from None
    if value is None:
        raise ConfigError(
            f"password: the keyring has no password for {service}/{user}; "
            f"store it with `keyring set {shlex.quote(service)} {shlex.quote(user)}`"
        )
    return Secret(value)


def _from_file(argument: object, base: Path, seconds: float) -> Secret:
    """Read a password from a file; its last line end is removed."""
    path = base / with_home(as_path(_text(argument, "file")))
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            _require_private(path, os.fstat(handle))
            return _decoded(os.read(handle, LIMIT + 1), f"file {path}")
        finally:
            os.close(handle)
    except OSError as error:
        raise ConfigError(f"the password's file {path} can't be read: {error.strerror}") from None


def _require_private(path: Path, state: os.stat_result) -> None:
    if not stat.S_ISREG(state.st_mode):
        raise ConfigError(f"the password's file {path} is not a regular file; name one")
    if state.st_mode & 0o077:
        raise ConfigError(
            f"others can use the password's file {path}: run chmod 600 {shlex.quote(str(path))}"
        )


def _from_env(argument: object, base: Path, seconds: float) -> Secret:
    """Read a password from an environment variable, unchanged."""
    name = _text(argument, "env")
    value = os.environ.get(name)
    if value is None:
        raise ConfigError(f"password: the environment variable {name} is not set")
    return Secret(value)


def _from_command(argument: object, base: Path, seconds: float) -> Secret:
    """Run a program that prints a password, without a shell; the last line end is removed."""
    words = _words(argument)
    name = Path(words[0]).name
    try:
        code, output = run_program(words, base, seconds=seconds, most=LIMIT)
    except (OSError, ValueError):
        raise ConfigError(
            f"password: the command {name} can't be started; give its full path and check its permissions"
        ) from None
    except TooSlow:
        raise ConfigError(
            f"password: the command {name} took longer than {seconds} s; check that it doesn't wait for input"
        ) from None
    except TooMuchOutput:
        raise ConfigError(
            f"password: the output of the command {name} is longer than {LIMIT} bytes; "
            "it must print only the password"
        ) from None
    if code:
        raise ConfigError(f"password: the command {name} failed (exit code {code}); try it by hand")
    return _decoded(output, f"command {name}")


def _words(argument: object) -> Sequence[str]:
    if isinstance(argument, str):
        try:
            words = shlex.split(argument)
        except ValueError:
            raise ConfigError("password: a quote in command isn't closed") from None
    elif isinstance(argument, list | tuple) and all(isinstance(word, str) for word in argument):
        words = list(argument)
    else:
        words = []
    if not words or not words[0]:
        raise ConfigError('password: command must be a list of words, such as ["pass", "show", "mail"]')
    return words


def _decoded(data: bytes, where: str) -> Secret:
    if len(data) > LIMIT:
        raise ConfigError(f"the password from {where} is longer than {LIMIT} bytes")
    for end in (b"\r\n", b"\n"):
        if data.endswith(end):
            data = data[: -len(end)]
            break
    with suppress(UnicodeDecodeError):
        return Secret(data.decode("utf-8"))
    # Raised outside of the block above, since the decoder's error contains the bytes.
    raise ConfigError(f"the password from {where} is not UTF-8 text")


def _text(argument: object, way: str) -> str:
    if not isinstance(argument, str) or not argument or "\0" in argument:
        raise ConfigError(f"password: {way} must be text in quotes")
    return argument


_WAYS: dict[str, Callable[[object, Path, float], Secret]] = {
    "keyring": _from_keyring,
    "file": _from_file,
    "env": _from_env,
    "command": _from_command,
}
