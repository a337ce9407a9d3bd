"""What a credential shows of itself."""

from __future__ import annotations

from lamina.remote.keychain import Credential

SECRETS = ("s3cret", "refresh", "bearer")


def test_no_secret_is_ever_shown() -> None:
    credential = Credential("ada", *SECRETS)
    for shown in (repr(credential), str(credential), f"{credential}", f"{[credential]}"):
        assert "ada" in shown
        assert not any(secret in shown for secret in SECRETS)


def test_a_credential_without_anything_is_empty() -> None:
    assert Credential().is_empty
    assert not Credential(identity_token="x").is_empty
