from __future__ import annotations

from lamina.analysis.packages import Package, packages
from lamina.image.stack import Node, Stack
from lamina.layer.entry import DIR, FILE, Entry

DPKG = """Package: bash
Status: install ok installed
Version: 5.2-1
Description: a shell
 Version: not this one

Package: gone
Status: deinstall ok config-files
Version: 1
"""
APK = "C:Q1x=\nP:musl\nV:1.2.5-r0\nF:lib\n\nP:busybox\nV:1.36\n"


def found(files: dict[str, str]) -> list[Package]:
    stack = Stack()
    stack.push([Entry(path, FILE, size=len(text)) for path, text in files.items()])
    return packages(stack, lambda node: files[node.entry.path].encode())


def test_debian_packages_that_are_installed_are_found() -> None:
    assert found({"var/lib/dpkg/status": DPKG}) == [Package("dpkg", "bash", "5.2-1")]


def test_distroless_images_have_a_file_for_each() -> None:
    text = "Package: tzdata\nVersion: 2024a\n"
    files = {"var/lib/dpkg/status.d/tzdata": text, "var/lib/dpkg/status.d/tzdata.md5sums": "x"}
    assert found(files) == [Package("dpkg", "tzdata", "2024a")]


def test_alpine_packages_are_found() -> None:
    assert found({"lib/apk/db/installed": APK}) == [
        Package("apk", "busybox", "1.36"),
        Package("apk", "musl", "1.2.5-r0"),
    ]


def test_python_packages_are_found_by_their_metadata() -> None:
    stack = Stack()
    site = "usr/lib/python3/site-packages"
    stack.push(
        [
            Entry(f"{site}/PyYAML-6.0.1.dist-info", DIR),
            Entry(f"{site}/typing_extensions-4.1.dist-info", DIR),
            Entry(f"{site}/old-1.0-py3.11.egg-info", FILE),
            Entry(f"{site}/no_version.dist-info", DIR),
        ]
    )

    def read(node: Node) -> bytes:
        raise AssertionError("names say enough")

    assert packages(stack, read) == [
        Package("python", "old", "1.0"),
        Package("python", "pyyaml", "6.0.1"),
        Package("python", "typing-extensions", "4.1"),
    ]


def test_a_package_that_a_later_layer_removed_is_not_there() -> None:
    stack = Stack()
    stack.push([Entry("x/a-1.dist-info", DIR)])
    stack.push([Entry("x/.wh.a-1.dist-info")])
    assert packages(stack, lambda node: b"") == []
