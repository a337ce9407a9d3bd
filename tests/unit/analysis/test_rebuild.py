from __future__ import annotations

import pytest

from lamina import dockerfile
from lamina.analysis.rebuild import reconstruct
from lamina.image.edit import Assembly
from lamina.image.view import Image, join
from lamina.oci.config import Healthcheck, History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.media_type import OCI_LAYER
from lamina.oci.platform import Platform

BLOB = Digest.of(b"layer")


def image(*texts: str, config: RunConfig | None = None, layers: int = 0) -> Image:
    """An image whose last `layers` instructions changed files."""
    made = Assembly(platform=Platform("linux", "amd64"), config=config or RunConfig())
    for at, text in enumerate(texts):
        history = History(created_by=text)
        if at >= len(texts) - layers:
            made = made.append(Descriptor(OCI_LAYER, BLOB, 5), DiffID(BLOB), history)
        else:
            made = made.record(history)
    manifest, document = made.make()
    return join(manifest.descriptor(), manifest, document)


def lines(*texts: str, config: RunConfig | None = None, layers: int = 0) -> list[str]:
    text = reconstruct(image(*texts, config=config, layers=layers))
    dockerfile.parse(text)  # whatever is written can be read
    return text.splitlines()[2:]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN /bin/sh -c make  && make install # buildkit", "RUN make  && make install"),
        ("/bin/sh -c make", "RUN make"),
        ("RUN make", 'RUN ["make"]'),
        ('/bin/sh -c #(nop)  CMD ["sh" "-c" "a b"]', 'CMD ["sh", "-c", "a b"]'),
        ('CMD ["sh"]', 'CMD ["sh"]'),
        ("/bin/sh -c #(nop) WORKDIR /app", "WORKDIR /app"),
        ("EXPOSE map[80/tcp:{} 81/udp:{}]", "EXPOSE 80/tcp 81/udp"),
        ("EXPOSE [80/tcp]", "EXPOSE 80/tcp"),
        ("VOLUME [/data /more]", "VOLUME /data /more"),
        ("STOPSIGNAL SIGINT", "STOPSIGNAL SIGINT"),
        ("ARG version=1", "ARG version=1"),
        ("USER app", "USER app"),
    ],
)
def test_an_instruction_is_what_it_was(text: str, expected: str) -> None:
    assert lines(text) == [expected]


def test_arguments_come_before_the_command_that_used_them() -> None:
    assert lines("RUN |2 A=1 B=two words /bin/sh -c echo $A # buildkit") == [
        "ARG A=1",
        'ARG B="two words"',
        "RUN echo $A",
    ]


def test_a_command_in_another_shell_is_read_by_it() -> None:
    config = RunConfig(shell=("/bin/bash", "-o", "pipefail", "-c"))
    texts = "SHELL [/bin/bash -o pipefail -c]", "RUN /bin/bash -o pipefail -c a | b # buildkit"
    assert lines(*texts, config=config) == [
        'SHELL ["/bin/bash", "-o", "pipefail", "-c"]',
        "RUN a | b",
    ]


def test_a_script_of_several_lines_stays_one() -> None:
    assert lines("RUN /bin/sh -c set -e\necho EOF\n # buildkit") == [
        'RUN <<"EOFF"',
        "set -e",
        "echo EOF",
        "EOFF",
    ]


def test_quotes_come_back_where_the_config_shows_that_they_were() -> None:
    config = RunConfig(env=("A=1 B=2", "C=3", "D=4"), labels={"l": "a $b"})
    assert lines("ENV A=1 B=2", "ENV C=3 D=4", "LABEL l=a $b", config=config) == [
        'ENV A="1 B=2"',
        "ENV C=3 D=4",
        'LABEL l="a \\$b"',
    ]


def test_a_layer_of_files_is_the_tar_that_it_is() -> None:
    assert lines("ADD file:abc in / ", "COPY . /app # buildkit", layers=2) == [
        "# ADD file:abc in /",
        f"# layer 1: {BLOB}",
        "ADD layer-1.tar /",
        "# COPY . /app",
        f"# layer 2: {BLOB}",
        "ADD layer-2.tar /",
    ]


def test_without_a_history_the_config_is_written_out() -> None:
    config = RunConfig(
        env=("A=b c",),
        entrypoint=("/e",),
        cmd=("x y",),
        user="u",
        working_dir="/w",
        exposed_ports=("80/tcp",),
        healthcheck=Healthcheck(("CMD-SHELL", "curl x"), interval=1_500_000_000, retries=3),
    )
    assert lines(config=config) == [
        'ENV A="b c"',
        "EXPOSE 80/tcp",
        "WORKDIR /w",
        "USER u",
        'ENTRYPOINT ["/e"]',
        'CMD ["x y"]',
        "HEALTHCHECK --interval=1500ms --retries=3 CMD curl x",
    ]
