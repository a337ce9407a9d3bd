from __future__ import annotations

import sys
from pathlib import Path

import pytest

from lamina.engine import Engine, Settings, serving
from lamina.errors import Unsupported
from lamina.serve.server import Address
from lamina.serve.settings import Auth
from lamina.serve.settings import Settings as Served


@pytest.mark.parametrize(
    ("lacking", "auth"),
    [
        ("httptools", Auth()),
        ("bcrypt", Auth(mode="basic", htpasswd=Path("users"))),
        ("joserfc", Auth(mode="token", htpasswd=Path("users"))),
    ],
)
def test_what_is_not_installed_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str, auth: Auth
) -> None:
    monkeypatch.setitem(sys.modules, lacking, None)
    chosen = Served(address=Address("127.0.0.1", 0), auth=auth)
    with pytest.raises(Unsupported, match=f'needs "{lacking}"') as caught:
        serving.serve(Engine(Settings(tmp_path)), chosen, local=False, log=lambda line: None)
    assert "lamina[serve]" in (caught.value.hint or "")
    assert list(tmp_path.iterdir()) == []
