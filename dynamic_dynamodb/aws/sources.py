"""Where credentials come from: botocore's chain, read again for each look-up, and a name for each of its links."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import botocore.configloader
import botocore.credentials
import botocore.exceptions
import botocore.session

from dynamic_dynamodb.output.masking import hide, mask_url


def check(session: Any) -> None:
    """Raises ValueError, or one of botocore's errors, if a setting of the look-up cannot be used."""
    for variable in ("metadata_service_timeout", "metadata_service_num_attempts"):
        try:
            session.get_config_variable(variable)
        except ValueError as error:
            name = f"AWS_{variable.upper()}, or {variable} in the AWS profile,"
            raise ValueError(f"{name} is not a whole number") from error
    botocore.credentials.create_credential_resolver(session)


class Pair:
    """The key pair in the options."""

    place = "the options aws-access-key-id and aws-secret-access-key-id"

    def __init__(self, key_id: str, secret: str) -> None:
        self._pair = key_id, secret

    def find(self) -> botocore.credentials.Credentials:
        return botocore.credentials.Credentials(*self._pair)

    def kill(self) -> None:
        """There is nothing to end."""


class Chain:
    """One look-up along botocore's chain of providers.

    It uses a new session, because a session never reads a file twice and never drops the credentials of a role.
    """

    def __init__(self, profile: str | None, region: str) -> None:
        self._profile = profile
        self._region = region
        self._helpers = _Helpers()
        self._place = "AWS's configuration files"

    @property
    def place(self) -> str:
        return self._place + self._helpers.named

    def find(self) -> Any:
        session = botocore.session.Session(profile=self._profile)
        session.set_config_variable("region", self._region)
        for provider in self._providers(session):
            self._place = _place(session, str(provider.METHOD))
            credentials = provider.load()
            if credentials is not None:
                return credentials
        self._place = "AWS's files"
        for variable in ("credentials_file", "config_file"):
            _check_readable(Path(session.get_config_variable(variable)).expanduser())
        return None

    def kill(self) -> None:
        self._helpers.kill()

    def _providers(self, session: Any) -> list[Any]:
        """The providers of botocore, with two changes: helpers can be killed, and a prompt for an MFA code fails."""
        chain = botocore.credentials.create_credential_resolver(session, region_name=self._region)
        for provider in chain.providers:
            if isinstance(provider, botocore.credentials.ProcessProvider):
                provider._popen = self._helpers.start
            elif isinstance(provider, botocore.credentials.AssumeRoleProvider):
                provider._prompter = _refuse_to_type
                provider._profile_provider_builder = _Profiles(session, self._helpers, self._region)
        return list(chain.providers)


def _check_readable(path: Path) -> None:
    """Raises OSError if the file cannot be read: botocore treats such a file as missing."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.open("rb").close()


class _Profiles(botocore.credentials.ProfileProviderBuilder):  # type: ignore[misc]  # botocore has no types
    """The look-up for the source_profile of a role."""

    def __init__(self, session: Any, helpers: _Helpers, region: str) -> None:
        super().__init__(session, region_name=region)
        self._own_session = session
        self._helpers = helpers

    def _create_process_provider(self, profile_name: str) -> Any:
        return botocore.credentials.ProcessProvider(
            profile_name=profile_name, load_config=lambda: self._own_session.full_config, popen=self._helpers.start
        )


def _refuse_to_type(_prompt: str) -> NoReturn:
    raise ValueError("the role requires an MFA code (mfa_serial), which this program cannot ask for")


# credential_process


class _Helper:
    """A credential_process, detached from the terminal: if it prompts a person, it gets no input and does not wait."""

    def __init__(self, command: list[str]) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - the user's command, as boto3 starts it
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, start_new_session=True
        )
        self.returncode = 0

    def communicate(self) -> tuple[bytes, bytes]:
        """Raises ValueError, with the rest of a sentence, if botocore would fail on the output."""
        output, complaint = self._process.communicate()
        if code := self._process.returncode:
            text = complaint.decode(errors="replace").strip() or "it printed nothing on stderr"
            raise ValueError(f"ended with exit code {code}: {text}")
        if not _is_object(output):
            raise ValueError("did not print a JSON object")
        return output, complaint

    def kill(self) -> None:
        """Kill it with its children, which are in its process group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)


def _is_object(output: bytes) -> bool:
    try:
        return isinstance(json.loads(output), dict)
    except ValueError:
        return False


class _Helpers:
    """The processes that one look-up starts; only one runs at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: _Helper | None = None
        self._killed = False
        self.named = ""  # the last one, with a comma before it

    def start(self, command: list[str], **_: Any) -> _Helper:
        """Replaces subprocess.Popen for botocore."""
        self.named = f", credential_process {command[0]}" if command else ""  # an argument may be a secret
        with self._lock:
            if self._killed:
                raise ValueError("given up meanwhile")
            self._running = _Helper(command)
            return self._running

    def kill(self) -> None:
        with self._lock:
            self._killed = True
            if self._running is not None:
                self._running.kill()


# Names


def _place(session: Any, method: str) -> str:
    """The place that a provider looks in, named so that a person can find it."""
    profile = session.get_config_variable("profile") or "default"
    if method == "shared-credentials-file":
        return f"profile {profile} in {session.get_config_variable('credentials_file')}"
    if method == "assume-role-with-web-identity" and os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"):
        return "AWS_WEB_IDENTITY_TOKEN_FILE in the environment"
    if method in _OF_PROFILE:
        return f"{_OF_PROFILE[method]}profile {profile} in {_file(session, profile)}"
    if method == "container-role":
        return f"the container's credentials at {_container(os.environ)}"
    if method == "iam-role":
        return f"the role of the instance, {session.get_config_variable('ec2_metadata_service_endpoint') or _METADATA}"
    return _OTHERS.get(method, method)


_METADATA = "the metadata service"
_OF_PROFILE = {
    "assume-role": "the role of ",
    "assume-role-with-web-identity": "the web identity of ",
    "sso": "the SSO login of ",
    "login": "the login of ",
    "custom-process": "",
    "config-file": "",
}
_OTHERS = {
    "env": "the environment (AWS_ACCESS_KEY_ID)",
    "ec2-credentials-file": "the file of AWS_CREDENTIAL_FILE",
    "boto-config": "boto's own configuration file",
}


def _container(environ: Mapping[str, str]) -> str:
    """The path is kept secret, because every process on the machine could request it."""
    relative, full = (environ.get(f"AWS_CONTAINER_CREDENTIALS_{kind}_URI", "") for kind in ("RELATIVE", "FULL"))
    hide("the path of the container's credentials", relative)
    return "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI" if relative else mask_url(full)


def _file(session: Any, profile: str) -> str:
    """The file with this profile. Both files may have parts of it."""
    path = str(session.get_config_variable("config_file"))
    try:
        named = botocore.configloader.load_config(path).get("profiles", {})
    except botocore.exceptions.ConfigNotFound:
        named = {}
    return path if profile in named else str(session.get_config_variable("credentials_file"))
