"""Secrets that would stay in the image."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lamina.dockerfile import instructions as ins
from lamina.lint.file import File, Item
from lamina.lint.finding import Hit
from lamina.lint.rule import Phase
from lamina.lint.rules.kin import ERROR, WARNING, buildkit, hadolint, lamina, quote
from lamina.lint.text import Located

_HINT = "hand it to the RUN that needs it: RUN --mount=type=secret,id=…,env=NAME"
_DENIED = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)",
    re.IGNORECASE,
)
_ALLOWED = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_PARTS = ("api_key", "client_key", "password", "private", "secret", "token", "username")
_NAMES = frozenset(
    (
        *("application_key", "aws_access_key_id", "bittrex_api_key", "ci_deploy_user"),
        *("docker_email", "facebook_app_id", "heroku_api_user", "okta_authn_groupid"),
        *("okta_client_orgurl", "okta_oauth2_clientid", "stripe_device_name"),
        *("travis_os_name", "travis_secure_env_vars", "travis_sudo", "vault_client_key"),
    )
)
_VALUES = {
    "a private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    "an access key of AWS": re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    "a token of GitHub": re.compile(
        r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"
    ),
    "a token of GitLab": re.compile(r"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a token of Slack": re.compile(r"\bxox[abposr]-[0-9A-Za-z-]{10,}"),
    "a token of npm": re.compile(r"\bnpm_[A-Za-z0-9]{36}\b"),
    "a token of PyPI": re.compile(r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{20,}"),
    "a key of Stripe": re.compile(r"\b[rs]k_live_[0-9A-Za-z]{20,}"),
    "a key of Google": re.compile(r"\bAIza[0-9A-Za-z_-]{35}\b"),
    "a user and password in a URL": re.compile(
        r"\b[a-z][a-z0-9+.-]*://[^\s/:@'\"$]+:[^\s/:@'\"$]{3,}@[A-Za-z0-9]"
    ),
}


def secrets_used(file: File) -> Iterator[Hit]:
    """ARG and ENV hold no secrets.

    Both stay in the image's history or configuration, for everybody who can pull it.

        ARG AWS_SECRET_ACCESS_KEY                                           # no
        RUN --mount=type=secret,id=aws,env=AWS_SECRET_ACCESS_KEY upload     # yes
    """
    for item, name in _variables(file):
        if item.stage >= 0 and _DENIED.search(name) and not _ALLOWED.search(name):
            message = (
                "Do not use ARG or ENV instructions for sensitive data"
                f" ({item.instruction.name} {quote(name)})"
            )
            yield file.hit(item, message, at=name, hint=_HINT)


def sensitive_names(file: File) -> Iterator[Hit]:
    """ARG and ENV hold no secrets, by hadolint's list of names.

    It knows more names than BuildKit, users' among them, and looks into longer words.
    """
    seen: set[int] = set()
    for item, name in _variables(file, triggers=True):
        lower = name.lower()
        if item.index not in seen and (lower in _NAMES or any(p in lower for p in _PARTS)):
            seen.add(item.index)
            yield file.hit(item, f'"{name}" looks like a secret', at=name, hint=_HINT)


def secret_values(file: File) -> Iterator[Hit]:
    """No instruction holds a text that is a key or a token.

    Whatever the variable is called: some tokens are known by their form. What is in a Dockerfile
    is also in the repository, so the token has to be withdrawn, not only moved.

        ENV NPM_CONFIG=npm_0123456789abcdefghijABCDEFGHIJ012345      # no
        RUN git clone https://bob:hunter2@example.com/app.git        # no
    """
    for item in file.items:
        located = file.located(item)
        texts = [located, *_documents(file, item)]
        for text in texts:
            found = [(m, what) for what, form in _VALUES.items() if (m := form.search(text.text))]
            if found:
                match, what = min(found, key=lambda pair: pair[0].start())
                span = text.span(match.start(), match.end())
                hint = "withdraw it, and use RUN --mount=type=secret"
                yield Hit(item.index, span, f"this is {what}", hint, line=item.line)
                break


def _documents(file: File, item: Item) -> list[Located]:
    ran = file.ran_at.get(item.index)
    return [ran.located] if ran is not None and ran.run.command.heredocs else []


def _variables(file: File, *, triggers: bool = False) -> Iterator[tuple[Item, str]]:
    for item in file.of(ins.Arg, ins.Env, triggers=triggers):
        line = item.instruction
        if isinstance(line, ins.Arg):
            for name, _ in line.args:
                yield item, name
        elif isinstance(line, ins.Env):
            for name, _ in line.pairs:
                yield item, name


RULES = (
    buildkit(
        "SecretsUsedInArgOrEnv",
        "Sensitive data should not be used in the ARG or ENV commands",
        secrets_used,
        Phase.STEPS,
    ),
    hadolint(
        "DL3064", "sensitive-names", WARNING, "ARG or ENV looks like a secret", sensitive_names,
        twin="SecretsUsedInArgOrEnv",
    ),
    lamina("LM1301", "secret-value", ERROR, "an instruction holds a secret", secret_values),
)  # fmt: skip
