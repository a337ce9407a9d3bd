"""Every page of the store, by its address."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from tests.pictures import keep, picture, shop
from tests.registries import Client, Reply

from lamina.engine import Engine
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.testing.images import index


def page(pages: Client, address: str) -> str:
    found = pages("GET", f"/{address}")
    assert found.status == 200, found.body
    check_headers(found)
    return found.body.decode()


def check_headers(found: Reply) -> None:
    policy = found.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert found.headers["x-content-type-options"] == "nosniff"


def text(html: str) -> str:
    """What is to be read on a page."""
    return " ".join(re.sub("<[^>]*>", " ", html).split())


def rows(html: str) -> list[str]:
    return [text(row) for row in re.findall("<tr.*?</tr>", html, re.DOTALL)]


def test_a_store_without_images_says_so(pages: Client) -> None:
    assert "There are no images here yet." in page(pages, "")


def test_images_are_listed_by_repository(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop("1"), "shop:1", "shop:latest", "other:1")
    keep(engine.store, shop("2"))
    html = page(pages, "")
    assert [text(one) for one in re.findall("<h2>.*?</h2>", html)] == [
        "other",
        "shop",
        "Without a name",
    ]
    assert 'href="image?ref=shop:latest"' in html
    assert "other" not in text(page(pages, "?q=sho"))
    assert "No image fits" in page(pages, "?q=none")
    assert "latest" in page(pages, "tags?repository=shop")
    (nameless,) = re.findall('href="(image[?]ref=sha256:[^"]*)"', html)
    assert "Instructions" in page(pages, nameless)


def test_an_image_shows_its_instructions_with_layer_size_and_time(
    pages: Client, engine: Engine
) -> None:
    keep(engine.store, shop(), "shop:1")
    html = page(pages, "image?ref=shop:1")
    steps = [text(one) for one in re.findall("<li.*?</li>", html, re.DOTALL)]
    assert len(steps) == 6
    assert steps[1] == "2 ENV PATH=/usr/bin:/bin no layer 2026-11-20 10:01"
    assert re.fullmatch(
        r"3 RUN apt-get update && apt-get install -y libshop".replace("&&", "&amp;&amp;")
        + r" layer 2 [0-9a-f]{12} [0-9.]+ kB \+14 ~1 2026-11-20 10:02",
        steps[2],
    )
    assert 'min="1" max="6" value="6"' in html


@pytest.mark.parametrize(
    ("at", "directory", "expected"),
    [
        (1, "etc", ["A motd gone or replaced at 3 3.2 kB -rw-r--r-- 0:0 1", "A os-release"]),
        (2, "etc", ["motd gone or replaced at 3 3.2 kB", "os-release"]),
        (3, "etc", ["C motd gone or replaced at 4 2.4 kB", "os-release"]),
        (4, "etc", ["D motd", "os-release"]),
        (4, "usr", ["lib/", "share/ −1 ◦4 0 B"]),
        (4, "usr/share", ["D doc/ ◦4"]),
        (6, "etc", ["os-release"]),
    ],
)
def test_the_slider_tells_added_changed_deleted_and_hidden_apart(
    pages: Client, engine: Engine, at: int, directory: str, expected: list[str]
) -> None:
    keep(engine.store, shop(), "shop:1")
    found = rows(page(pages, f"image?ref=shop:1&at={at}&dir={directory}"))[1:]
    assert len(found) == len(expected)
    for row, start in zip(found, expected, strict=True):
        assert row.startswith(start)


def test_the_slider_can_leave_a_directory_behind(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    early = page(pages, "image?ref=shop:1&at=1&dir=app")
    assert "There is no such directory after instruction 1." in early
    gone = page(pages, "image?ref=shop:1&at=4&dir=usr/share/doc")
    assert [row.split(" ")[:2] for row in rows(gone)[1:]] == [["H", "a/"], ["H", "b/"]]
    assert pages("GET", "/image?ref=shop:1&at=1&dir=never").status == 404


def test_a_long_history_is_shown_around_the_chosen_instruction(
    pages: Client, engine: Engine
) -> None:
    keep(engine.store, picture([(f"ENV A={n}", None) for n in range(3000)]), "long:1")
    html = page(pages, "image?ref=long:1&at=1500")
    assert html.count('class="at"') == 400
    assert 'max="3000" value="1500"' in html
    assert "ENV A=1499<" in html


def test_only_what_an_instruction_touched(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    found = rows(page(pages, "image?ref=shop:1&at=5&only=1"))[1:]
    assert [row.split()[1] for row in found] == ["app/"]
    assert "Nothing here was touched" in page(pages, "image?ref=shop:1&at=6&only=1")


def test_a_file_is_shown_as_it_was(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    old = page(pages, "file?ref=shop:1&at=1&path=etc/motd")
    assert "<pre" in old
    assert "welcome\nwelcome" in old
    assert "changed\nchanged" in page(pages, "file?ref=shop:1&at=3&path=etc/motd")
    gone = page(pages, "file?ref=shop:1&at=4&path=/etc//motd")
    assert "There is no such file after instruction 4" in gone
    assert len(rows(gone)) == 3
    assert "7f 45 4c 46" in page(pages, "file?ref=shop:1&path=bin/busybox")


def test_a_file_is_downloaded_whole(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    got = pages("GET", "/raw?ref=shop:1&path=usr/lib/libshop.so")
    assert got.body == b"so" * 70000
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["content-disposition"].startswith('attachment; filename="libshop.so"')
    check_headers(got)
    head = pages("HEAD", "/raw?ref=shop:1&path=usr/lib/libshop.so")
    assert (head.body, head.headers["content-length"]) == (b"", "140000")


def test_waste_is_a_treemap_of_links_and_a_list(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    html = page(pages, "waste?ref=shop:1")
    (drawn,) = re.findall("<svg class=.treemap.*?</svg>", html, re.DOTALL)
    assert drawn.count("<rect") == drawn.count("<a ") > 9
    assert "lib8.deb, 81 kB, deleted by instruction 4" in drawn
    below = page(pages, "waste?ref=shop:1&dir=usr/share/doc")
    assert len(rows(below)) > 2
    assert "lib8.deb" not in below


def test_an_image_without_waste(pages: Client, engine: Engine) -> None:
    keep(engine.store, picture([("COPY a /", {"/a": "1"})]), "lean:1")
    assert "Everything that the layers write is seen." in page(pages, "waste?ref=lean:1")


def test_two_images_side_by_side(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop("1"), "shop:1")
    keep(engine.store, shop("2"), "shop:2")
    assert 'value="shop:2"' in page(pages, "compare")
    found = rows(page(pages, "compare?one=shop:1&two=shop:2"))
    assert "Env VERSION 1 2" in found
    assert "libshop dpkg 1 2" in found
    assert "C /app/serve content" in found
    assert "None was added" in text(page(pages, "compare?one=shop:1&two=shop:2&change=added"))
    same = text(page(pages, "compare?one=shop:1&two=shop:1"))
    assert "Containers of both start the same way." in same


def test_documents_are_shown_and_handed_out_to_the_byte(pages: Client, engine: Engine) -> None:
    made = shop()
    keep(engine.store, made, "shop:1")
    assert "&#34;schemaVersion&#34;: 2" in page(pages, "document?ref=shop:1&kind=manifest")
    assert "VERSION=1" in page(pages, "document?ref=shop:1&kind=config")
    assert pages("GET", "/bare?ref=shop:1&kind=manifest").body == made.raw
    assert pages("GET", "/document?ref=shop:1&kind=index").status == 404


def test_an_index_offers_its_platforms(pages: Client, engine: Engine) -> None:
    both = index([shop(), picture([("COPY arm /", {"/arm": "x"})], platform="linux/arm64")])
    keep(engine.store, both, "both:1")
    html = page(pages, "image?ref=both:1")
    assert "apt-get install" in html
    assert "COPY arm" in page(pages, "image?ref=both:1&platform=linux/arm64")
    assert "image.index" in page(pages, "document?ref=both:1&kind=index")
    assert pages("GET", "/image?ref=both:1&platform=linux/s390x").status == 200
    assert (
        "no image for platform"
        in pages("GET", "/image?ref=both:1&platform=linux/s390x").body.decode()
    )


def test_nothing_is_signed_unless_something_says_so(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    assert "no signature" in page(pages, "signatures?ref=shop:1")


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("nowhere", 404),
        ("image", 404),
        ("image?ref=none:1", 404),
        ("image?ref=../../etc/passwd", 404),
        ("image?ref=shop:1&at=x", 400),
        ("image?ref=shop:1&dir=none", 404),
        ("image?ref=shop:1&platform=%00", 400),
        ("file?ref=shop:1&path=none", 404),
        ("file?ref=shop:1&path=etc", 404),
        ("raw?ref=shop:1&path=etc", 404),
        ("raw?ref=shop:1&path=../../../etc/shadow", 404),
        ("waste?ref=none", 404),
        ("compare?one=shop:1&two=none", 404),
        ("tags?repository=none", 404),
        ("document?ref=shop:1&kind=blob", 404),
        ("static/style.css", 404),
        ("templates/base.html", 404),
    ],
)
def test_what_is_not_there_is_said(
    pages: Client, engine: Engine, address: str, status: int
) -> None:
    keep(engine.store, shop(), "shop:1")
    found = pages("GET", f"/{address}")
    assert found.status == status, found.body
    check_headers(found)
    assert b"This cannot be shown" in found.body


def test_nothing_can_be_changed(pages: Client) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        refused = pages(method, "/")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD")


def test_what_has_the_image_as_its_subject_is_listed(pages: Client, engine: Engine) -> None:
    made = shop()
    keep(engine.store, made, "shop:1")
    config = engine.store.blobs.put(b"{}")
    document = {
        "schemaVersion": 2,
        "mediaType": types.OCI_MANIFEST,
        "artifactType": "application/x.signature",
        "config": {"mediaType": types.OCI_EMPTY, "digest": config, "size": 2},
        "layers": [],
        "subject": made.root.to_json(),
        "annotations": {"signer": "<me>"},
    }
    raw = json.dumps(document).encode()
    engine.store.names.keep(Descriptor(types.OCI_MANIFEST, engine.store.blobs.put(raw), len(raw)))
    found = rows(page(pages, "signatures?ref=shop:1"))
    assert len(found) == 2
    assert found[1].startswith("application/x.signature")
    assert found[1].endswith("signer &lt;me&gt;")


def test_files_are_found_by_name_over_all_layers(pages: Client, engine: Engine) -> None:
    keep(engine.store, shop(), "shop:1")
    empty = page(pages, "find?ref=shop:1")
    assert 'role="search"' in empty
    assert rows(empty) == []
    found = rows(page(pages, "find?ref=shop:1&q=MOTD"))[1:]
    assert found == [
        "/etc/motd 3.2 kB -rw-r--r-- 1 1 replaced at 3",
        "/etc/motd 2.4 kB -rw-r--r-- 2 3 deleted at 4",
    ]
    found = rows(page(pages, "find?ref=shop:1&q=lib*.so"))[1:]
    assert found == ["/usr/lib/libshop.so 140 kB -rw-r--r-- 2 3 there"]
    # What links lead to is what was found.
    html = page(pages, "find?ref=shop:1&q=etc/motd")
    (first, *_) = re.findall('href="(file[?][^"]*)"', html)
    assert "welcome" in page(pages, first.replace("&amp;", "&"))
    assert "Nothing fits." in page(pages, "find?ref=shop:1&q=nowhere")
    assert pages("GET", f"/find?ref=shop:1&q={'x' * 201}").status == 400
    assert 'action="find"' in page(pages, "image?ref=shop:1")


def test_what_is_found_has_a_bound(
    pages: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.serve.web.pages import find

    files = {f"/many/file-{number}": "" for number in range(700)}
    keep(engine.store, picture([("COPY many /many", files)]), "many:1")
    html = page(pages, "find?ref=many:1&q=file-&page=3")
    assert "501 to 700 of 700" in text(html)
    monkeypatch.setattr(find, "_FOUND", 300)
    assert "More than 300 found" in text(page(pages, "find?ref=many:1&q=file-"))


def test_two_images_are_compared_once(
    pages: Client, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.engine.shelves import Analyst

    asked = []
    compare = Analyst.differences

    def counted(self: Analyst, *sides: Any) -> Any:
        asked.append(sides)
        return compare(self, *sides)

    monkeypatch.setattr(Analyst, "differences", counted)
    keep(engine.store, shop("1"), "shop:1")
    keep(engine.store, shop("2"), "shop:2")
    first = page(pages, "compare?one=shop:1&two=shop:2")
    for more in ("", "&page=1", "&change=changed", "&change=added"):
        page(pages, f"compare?one=shop:1&two=shop:2{more}")
    assert len(asked) == 1
    assert page(pages, "compare?one=shop:1&two=shop:2") == first
    keep(engine.store, shop("3"), "shop:2")
    assert "Env VERSION 1 3" in rows(page(pages, "compare?one=shop:1&two=shop:2"))
    assert len(asked) == 2
