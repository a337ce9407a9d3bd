"""Yum, dnf and zypper: firing and not firing."""

from __future__ import annotations

import pytest

from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3030", "RUN yum install x"),
        ("DL3030", "RUN yum groupinstall x"),
        ("DL3032", "RUN yum install -y x"),
        ("DL3032", "RUN yum clean all && yum install -y x"),
        ("DL3033", "RUN yum install -y x"),
        ("DL3033", "RUN yum install python3-pip"),
        ("DL3033", "RUN yum module install x"),
        ("DL3034", "RUN zypper install x"),
        ("DL3034", "RUN zypper patch"),
        ("DL3034", "RUN zypper rm x"),
        ("DL3035", "RUN zypper dup"),
        ("DL3035", "RUN zypper dist-upgrade -y"),
        ("DL3036", "RUN zypper in x"),
        ("DL3036", "RUN zypper clean; zypper in x"),
        ("DL3037", "RUN zypper in x"),
        ("DL3038", "RUN dnf install x"),
        ("DL3038", "RUN microdnf install x"),
        ("DL3040", "RUN dnf install -y x"),
        ("DL3040", "RUN dnf upgrade"),
        ("DL3040", "RUN microdnf install x && dnf clean all"),
        ("DL3040", "RUN rm -rf /var/cache/libdnf5 && dnf install x"),
        ("DL3041", "RUN dnf install x"),
        ("DL3041", "RUN microdnf install rpm-sign"),
        ("DL3041", "RUN dnf module install x"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3030", "RUN yum install -y x"),
        ("DL3030", "RUN yum -y install x"),
        ("DL3030", "RUN yum update"),
        ("DL3032", "RUN yum install -y x && yum clean all"),
        ("DL3032", "RUN yum install x; rm -rf /var/cache/yum"),
        ("DL3032", "RUN --mount=type=cache,target=/var/cache/yum yum install x"),
        ("DL3033", "RUN yum install x-1.2"),
        ("DL3033", "RUN yum install gcc-c++-1.1"),
        ("DL3033", "RUN yum install openssl-1:1.1.1k"),
        ("DL3033", "RUN yum install x.rpm"),
        ("DL3033", "RUN yum module install x:1"),
        ("DL3034", "RUN zypper -n install x"),
        ("DL3034", "RUN zypper in -y x"),
        ("DL3034", "RUN zypper refresh"),
        ("DL3035", "RUN zypper update"),
        ("DL3036", "RUN zypper in x && zypper cc"),
        ("DL3036", "RUN --mount=type=cache,target=/var/cache/zypp zypper in x"),
        ("DL3037", "RUN zypper in x=1"),
        ("DL3037", 'RUN zypper in "x>=1"'),
        ("DL3037", "RUN zypper in x.rpm"),
        ("DL3038", "RUN dnf -y install x"),
        ("DL3038", "RUN notdnf install x"),
        ("DL3040", "RUN dnf up && dnf clean all"),
        ("DL3040", "RUN dnf install x && rm -rf /var/cache/dnf/*"),
        ("DL3040", "RUN --mount=type=tmpfs,target=/var/cache/libdnf5 dnf install x"),
        ("DL3040", "RUN dnf search x"),
        ("DL3041", "RUN dnf install x-1"),
        ("DL3041", "RUN dnf module install x:9"),
        ("DL3041", 'RUN dnf group install "Development Tools"'),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DL3032", "RUN yum install -y x", "RUN yum install -y x && yum clean all"),
        ("DL3036", "RUN zypper in x", "RUN zypper in x && zypper clean"),
        ("DL3040", "RUN dnf install x", "RUN dnf install x && dnf clean all"),
        ("DL3030", "RUN yum install x", "RUN yum install -y x"),
        ("DL3034", "RUN zypper in x", "RUN zypper in -y x"),
        ("DL3038", "RUN dnf install x", "RUN dnf install -y x"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected
