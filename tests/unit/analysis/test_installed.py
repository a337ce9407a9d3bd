from __future__ import annotations

import json

import pytest

from lamina.analysis import installed
from lamina.image.stack import Node, Stack
from lamina.layer.entry import DIR, FILE, Entry


def tree(files: dict[str, bytes]) -> tuple[Stack, installed.Read]:
    stack = Stack()
    stack.push([Entry(path, FILE, size=len(data)) for path, data in files.items()])

    def read(node: Node, limit: int) -> bytes:
        data = files[node.entry.path]
        assert len(data) <= limit
        return data

    return stack, read


def package(version: object) -> bytes:
    return json.dumps({"name": "x", "version": version}).encode()


def test_a_package_of_npm_for_all_is_found() -> None:
    place = "usr/local/lib/node_modules"
    stack, read = tree(
        {
            f"{place}/typescript/package.json": package("5.9.2"),
            f"{place}/@scope/tool/package.json": package("1.0.0-rc.1"),
            "app/node_modules/express/package.json": package("4.0.0"),
        }
    )
    assert installed.npm(stack, read, "typescript") == "5.9.2"
    assert installed.npm(stack, read, "@scope/tool") == "1.0.0-rc.1"
    assert installed.npm(stack, read, "express") is None


@pytest.mark.parametrize(
    "data", [b"", b"[", b"[1]", b"{}", package(None), package("latest"), package("1.0.0 && x")]
)
def test_a_package_that_does_not_tell_has_no_version(data: bytes) -> None:
    stack, read = tree({"usr/lib/node_modules/x/package.json": data})
    assert installed.npm(stack, read, "x") is None


def test_two_of_a_kind_are_none() -> None:
    stack, read = tree(
        {
            "usr/lib/node_modules/x/package.json": package("1.0.0"),
            "usr/local/lib/node_modules/x/package.json": package("2.0.0"),
            "usr/lib/ruby/gems/3.3.0/specifications/rake-13.2.1.gemspec": b"",
            "usr/lib/ruby/gems/3.3.0/specifications/default/rake-13.1.0.gemspec": b"",
        }
    )
    assert installed.npm(stack, read, "x") is None
    assert installed.gem(stack, "rake") is None


def test_a_gem_is_found_by_its_specification() -> None:
    place = "usr/local/bundle/specifications"
    stack, _ = tree(
        {
            f"{place}/nokogiri-1.18.1-x86_64-linux-gnu.gemspec": b"",
            f"{place}/rack-test-2.2.0.gemspec": b"",
            f"{place}/rack-3.1.0.rc1.gemspec": b"",
            "app/sinatra-4.1.1.gemspec": b"",
        }
    )
    assert installed.gem(stack, "nokogiri") == "1.18.1"
    assert installed.gem(stack, "rack-test") == "2.2.0"
    assert installed.gem(stack, "rack") == "3.1.0.rc1"
    assert installed.gem(stack, "sinatra") is None


def program(path: str, version: str) -> bytes:
    info = f"path\t{path}\nmod\texample.com/cmd\t{version}\th1:abc=\nbuild\t-x=y\n"
    return b"\x7fELF" + bytes(5000) + info.encode() + bytes(100)


def test_a_program_of_go_tells_its_module() -> None:
    stack, read = tree(
        {
            "root/go/bin/tool": program("example.com/cmd/tool", "v1.2.3"),
            "go/bin/v2tool": program("example.com/v2tool/v2", "v2.0.1"),
            "usr/local/bin/other": program("example.com/cmd/other", "(devel)"),
            "usr/bin/plain": b"#!/bin/sh\n",
        }
    )
    assert installed.go(stack, read, "example.com/cmd/tool") == "v1.2.3"
    assert installed.go(stack, read, "example.com/v2tool/v2") == "v2.0.1"
    assert installed.go(stack, read, "example.com/fork/tool") is None
    assert installed.go(stack, read, "example.com/cmd/other") is None
    assert installed.go(stack, read, "example.com/cmd/plain") is None
    assert installed.go(stack, read, "tool") is None


def test_a_directory_is_no_program() -> None:
    stack = Stack()
    stack.push([Entry("go/bin/tool", DIR, 0o755)])
    assert installed.go(stack, lambda node, limit: b"", "example.com/tool") is None
