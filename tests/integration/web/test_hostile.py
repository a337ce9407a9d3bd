"""Images that mean harm: shown as what they are, or refused, and never executed."""

from __future__ import annotations

import io
import os
import re
import tarfile
from pathlib import Path

from tests.pictures import keep, picture, shop
from tests.registries import Client

from lamina.engine import Engine
from lamina.oci.config import RunConfig
from lamina.serve.web.links import to
from lamina.testing.images import Made, Symlink

SCRIPT = "<script>alert(1)</script>"
IMG = '"><img src=x onerror=alert(1)>'


def hostile() -> Made:
    return picture(
        [
            (
                f"RUN {SCRIPT}",
                {
                    f"/{IMG}": SCRIPT,
                    "/page.html": f"<html>{SCRIPT}</html>",
                    "/bad\udcff\udcfe": "bytes",
                    "/dir\udc80/in": "below",
                    "/a\u202egnp.exe": "x",
                    "/link": Symlink("javascript:alert(1)"),
                    "/up": Symlink("../../../../etc/passwd"),
                    "/round": Symlink("round"),
                },
            ),
            (f"RUN {IMG}", {"/bad\udcff\udcfe": None, f"/{IMG}": None}),
        ],
        config=RunConfig(env=(f"A={SCRIPT}",), labels={SCRIPT: IMG}),
    )


def test_markup_in_names_texts_and_files_is_only_text(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    keep(engine.store, shop(), "shop:1")
    for address in (
        to("image", ref="evil:1", at=1),
        to("image", ref="evil:1", at=2),
        to("waste", ref="evil:1"),
        to("file", ref="evil:1", at=1, path=IMG),
        to("file", ref="evil:1", path="page.html"),
        to("document", ref="evil:1", kind="config"),
        to("compare", one="evil:1", two="shop:1"),
        to("find", ref="evil:1", q="*"),
        to("find", ref="evil:1", q=SCRIPT),
        to("find", ref="evil:1", q=IMG),
        to("find", ref="evil:1", q="bad\udcff"),
        to("image", ref=SCRIPT),
        to("", q=SCRIPT),
        to("compare", one=IMG, two=IMG),
        to("image", ref="evil:1", dir=SCRIPT),
        to("image", ref="evil:1", platform=SCRIPT),
    ):
        html = pages("GET", f"/{address}").body.decode()
        assert html.count("<script") == html.count('<script src="script.js" defer>') == 1, address
        assert "<img" not in html, address
        assert not re.search(r'href="\s*javascript:', html), address


def test_a_file_is_handed_out_and_never_rendered(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    got = pages("GET", "/raw?ref=evil:1&path=page.html")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith("attachment")
    assert "default-src 'none'" in got.headers["content-security-policy"]


def test_names_that_are_not_utf8_can_be_followed(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    html = pages("GET", "/image?ref=evil:1&at=1").body.decode()
    assert "bad\\xff\\xfe" in html
    assert "a\\u202egnp.exe" in html
    (href,) = re.findall('href="(file[^"]*bad%FF%FE)"', html)
    assert "bytes" in pages("GET", "/" + href.replace("&amp;", "&")).body.decode()
    (href,) = re.findall('href="(image[^"]*dir%80[^"]*)"', html)
    assert ">in</a>" in pages("GET", "/" + href.replace("&amp;", "&")).body.decode()


def test_names_that_are_not_utf8_are_found(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    for q in ("bad%FF%FE", "bad%5Cxff", "*xfe"):
        html = pages("GET", f"/find?ref=evil:1&q={q}").body.decode()
        (href,) = re.findall('href="(file[^"]*bad%FF%FE[^"]*)"', html)
        assert "bytes" in pages("GET", "/" + href.replace("&amp;", "&")).body.decode()
        assert "deleted at 2" in html


def test_links_stay_within_the_image(pages: Client, engine: Engine) -> None:
    keep(engine.store, hostile(), "evil:1")
    html = pages("GET", "/file?ref=evil:1&at=1&path=up").body.decode()
    assert "root:" not in html
    assert pages("GET", "/raw?ref=evil:1&at=1&path=up").status == 404
    assert pages("GET", "/raw?ref=evil:1&at=1&path=round").status == 404


def blob(engine: Engine, number: int) -> Path:
    _, image = engine.image("shop:1")
    return engine.store.blobs.path(image.layers[number - 1].descriptor.digest)


def test_a_missing_layer_is_named_and_what_is_below_is_shown(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    blob(engine, 3).unlink()
    found = pages("GET", "/image?ref=shop:1&dir=etc")
    html = found.body.decode()
    assert found.status == 200
    assert "Layer 3 cannot be shown" in html
    assert "motd" in html
    assert pages("GET", "/waste?ref=shop:1").status == 404
    assert pages("GET", "/compare?one=shop:1&two=shop:1").status == 404


def test_a_corrupt_layer_is_named(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    path = blob(engine, 2)
    data = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(data[: len(data) // 2] + os.urandom(9) + data[len(data) // 2 + 9 :])
    html = pages("GET", "/image?ref=shop:1").body.decode()
    assert "Layer 2 cannot be shown" in html
    assert pages("GET", "/waste?ref=shop:1").status >= 400
    assert b"welcome" in pages("GET", "/file?ref=shop:1&at=1&path=etc/motd").body


def test_a_layer_that_is_lost_after_it_was_looked_at(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    assert pages("GET", "/image?ref=shop:1").status == 200
    blob(engine, 1).unlink()
    for page in ("file", "raw"):
        found = pages("GET", f"/{page}?ref=shop:1&at=1&path=etc/motd")
        assert found.status == 404
        assert b"is not in the store" in found.body


def test_a_damaged_index_is_said(pages: Client, engine: Engine) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(3000):
            archive.addfile(tarfile.TarInfo(f"{number}"))
    out.seek(0)
    engine.import_tar(out, "many:1")
    diff_id = engine.image("many:1")[1].layers[0].diff_id
    known = engine.store.indexes.get(diff_id)
    assert known is not None
    broken = known[:100] + bytes(40) + known[140:]
    with engine.store.database.transaction() as connection:
        connection.execute("DELETE FROM indexes")
    engine.store.indexes.put(diff_id, broken)
    html = pages("GET", "/image?ref=many:1").body.decode()
    assert "Layer 1 cannot be shown: a layer&#39;s index is damaged" in html


def test_a_layer_that_nobody_has_read_is_read_for_the_page(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    _, image = engine.image("shop:1")
    assert not engine.store.indexes.has(image.layers[0].diff_id)
    assert b"os-release" in pages("GET", "/image?ref=shop:1&dir=etc").body


def test_a_missing_config_leaves_the_manifest(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    _, image = engine.image("shop:1")
    engine.store.blobs.path(image.id).unlink()
    html = pages("GET", "/image?ref=shop:1").body.decode()
    assert "There is no image to look into" in html
    assert "schemaVersion" in html


def test_a_directory_of_many_entries_comes_in_pages(pages: Client, engine: Engine) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(10_000):
            archive.addfile(tarfile.TarInfo(f"d/{number:05}"))
    out.seek(0)
    engine.import_tar(out, "many:1")
    html = pages("GET", "/image?ref=many:1&dir=d").body.decode()
    assert len(html) < 200_000
    assert html.count("<tr") == 251
    assert ">00249</a>" in html
    last = pages("GET", "/image?ref=many:1&dir=d&page=40").body.decode()
    assert ">09999</a>" in last


def test_a_strange_host_is_not_answered(engine: Engine) -> None:
    from lamina.engine.shelves import Analyst, StoreShelf
    from lamina.serve.server import Running
    from lamina.serve.web.site import Alone, Site

    site = Site(StoreShelf(engine), Analyst())
    app = Alone(site, hosts=lambda host: host.startswith("127.0.0.1:"))
    with Running(app) as server:
        client = Client(server.url)
        assert client("GET", "/").status == 200
        assert client("GET", "/", Host="evil.example").status == 421
    app.close()
