"""`lamina build` as typed: its faults, its promises, and the tools that read what it makes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest

from mount_table import mount_table

ROOTFS = Path(__file__).parents[2] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="RUN steps need root"),
    pytest.mark.skipif(not ROOTFS.exists(), reason="../shared/images is not here"),
]
Done = subprocess.CompletedProcess[str]


class Shop:
    """A store with a base image, and a context to build."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.root = place / "store"
        self.context = place / "context"
        self.context.mkdir()
        done = self.lamina("import", str(ROOTFS), "busybox:musl")
        assert done.returncode == 0, done.stderr

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "lamina", "--root", str(self.root), *args]

    def lamina(self, *args: str, env: dict[str, str] | None = None, **options: object) -> Done:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            self.command(*args),
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **(env or {})},
            **options,
        )

    def write(self, dockerfile: str, **files: str) -> None:
        (self.context / "Dockerfile").write_text(dockerfile)
        for name, content in files.items():
            (self.context / name).write_text(content)

    def build(self, *args: str, **options: object) -> Done:
        return self.lamina("build", "--progress=plain", *args, str(self.context), **options)  # type: ignore[arg-type]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_second_build_comes_from_the_cache_whole(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nCOPY a /a\nRUN cat /a > /b\nCMD cat /b\n", a="1")
    first, second = shop.build("-t", "x"), shop.build("-t", "x")
    assert first.stdout == second.stdout != ""
    assert second.stderr.count("CACHED") == 2
    assert shop.lamina("run", "--rm", "x").stdout == "1"


def test_a_device_that_is_to_take_a_result_stays_one(shop: Shop) -> None:
    shop.write("FROM busybox:musl\n")
    device = shop.place / "null"
    os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    for flag in ("--iidfile=%s", "--metadata-file=%s", "--output=type=tar,dest=%s"):
        done = shop.build(flag % device)
        assert done.returncode == 0, done.stderr
        assert device.is_char_device()


def test_the_cache_answers_after_a_step_that_was_done_anew(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nARG V=1\nRUN true\nCOPY a /a\n", a="1")
    first, second = shop.build(), shop.build("--build-arg=V=2", timeout=60)
    assert "V changed" in second.stderr
    assert second.stderr.count("CACHED") == 1
    assert second.stdout != first.stdout


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda shop: (shop.context / "a").write_text("2"), "not cached: a changed"),
        (lambda shop: (shop.context / "a").chmod(0o755), "not cached: a has mode 0755, had 0644"),
    ],
    ids=["content", "mode"],
)
def test_a_miss_names_its_cause(shop: Shop, change: object, told: str) -> None:
    shop.write("FROM busybox:musl\nCOPY a /a\n", a="1")
    shop.build()
    change(shop)  # type: ignore[operator]
    assert told in shop.build().stderr


def test_a_miss_names_the_variable(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nARG V\nRUN echo $V\n")
    shop.build("--build-arg", "V=1")
    done = shop.build("--build-arg", "V=2")
    assert "not cached: the variable V changed from 1 to 2" in done.stderr


def test_all_faults_are_shown_with_their_lines(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUNN ls\nCOPY a\n")
    done = shop.build()
    assert done.returncode == 1
    assert 'unknown instruction "RUNN"' in done.stderr
    assert done.stderr.count('did you mean "RUN"?') == 1
    assert "COPY source destination" in done.stderr
    assert done.stderr.count("^") >= 2


def test_a_failed_command_is_shown_where_it_stands(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nRUN echo words && exit 3\n")
    done = shop.build()
    assert done.returncode == 1
    assert "exit code: 3" in done.stderr
    assert ">>> RUN echo words" in done.stderr
    assert "words" in done.stderr


@pytest.mark.parametrize(
    ("dockerfile", "flags", "told"),
    [
        ("FROM busybox:musl\nCOPY nope /\n", [], "nope"),
        ("FROM localhost:1/nowhere:1\n", [], "nowhere:1"),
        ("FROM busybox:musl\n", ["--target", "x"], 'target stage "x"'),
        ("FROM busybox:musl\n", ["--squash"], "--squash is not built yet"),
        ("FROM busybox:musl\n", ["--cache-to", "x"], "--cache-to is not built yet"),
        ("FROM busybox:musl\nRUN --security=insecure ls\n", [], "--security=insecure"),
        ("FROM busybox:musl\nADD https://example.com/x /\n", [], "not built yet"),
        ("FROM busybox:musl\nRUN --mount=type=secret,id=s,required=true ls\n", [], "secret s"),
    ],
)
def test_what_cannot_be_is_refused_by_name(
    shop: Shop, dockerfile: str, flags: list[str], told: str
) -> None:
    shop.write(dockerfile)
    done = shop.build(*flags)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_same_inputs_and_epoch_give_the_same_bytes(shop: Shop, tmp_path: Path) -> None:
    shop.write("FROM scratch\nCOPY a /a\nWORKDIR /w\n", a="1")
    digests = set()
    for number in (1, 2):
        shop.root = tmp_path / f"store{number}"
        out = tmp_path / "metadata"
        done = shop.build("--metadata-file", str(out), env={"SOURCE_DATE_EPOCH": "1000"})
        assert done.returncode == 0, done.stderr
        digests.add(json.loads(out.read_text())["containerimage.digest"])
        os.utime(shop.context / "a")
    assert len(digests) == 1


def test_certificates_and_proxies_reach_a_command_and_no_layer(shop: Shop) -> None:
    bundle = shop.place / "bundle.crt"
    bundle.write_text("this is the bundle\n")
    shop.write('FROM busybox:musl\nRUN cat "$SSL_CERT_FILE" && echo "$http_proxy"\n')
    out = shop.place / "image.tar"
    flags = ["--ca-bundle", str(bundle), "-o", f"type=oci,dest={out},compression=uncompressed"]
    done = shop.build(*flags, env={"http_proxy": "http://secret-proxy:1"})
    assert "this is the bundle" in done.stderr and "http://secret-proxy:1" in done.stderr
    data = out.read_bytes()
    assert b"this is the bundle" not in data
    assert b"secret-proxy" not in data
    assert b"run/lamina" not in data


def test_a_dockerfile_or_a_tar_may_come_on_standard_input(shop: Shop) -> None:
    dockerfile = b"FROM busybox:musl\nRUN true\n"
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        entry = tarfile.TarInfo("Dockerfile")
        entry.size = len(dockerfile)
        tar.addfile(entry, io.BytesIO(dockerfile))
    for given in (dockerfile, archive.getvalue()):
        done = subprocess.run(
            shop.command("build", "-q", "-"), input=given, capture_output=True, check=False
        )
        assert done.stdout.startswith(b"sha256:"), done.stderr


def test_independent_stages_run_side_by_side(shop: Shop) -> None:
    shop.write(
        "FROM busybox:musl AS a\nRUN touch /m; while [ ! -e /c/b ]; do usleep 1000; done\n"
        "FROM busybox:musl AS b\nRUN true\n".replace(
            "RUN touch", "RUN --mount=type=cache,target=/c touch"
        ).replace("RUN true", "RUN --mount=type=cache,target=/c touch /c/b")
        + "FROM scratch\nCOPY --from=a /m /\nCOPY --from=b /etc/passwd /\n"
    )
    # Stage a waits for what stage b writes: one after the other would never end.
    assert shop.build("--jobs", "2", timeout=30).returncode == 0


def test_a_killed_build_leaves_a_whole_store(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nCOPY a /a\nRUN sleep 60.5\n", a="1")
    before = mount_table(shop.place)
    build = subprocess.Popen(
        shop.command("build", "--progress=plain", str(shop.context)), stderr=subprocess.PIPE
    )
    assert build.stderr is not None
    awaited = [b"#1 DONE", b"#2 [3/3] RUN"]  # in whatever order
    for line in build.stderr:
        awaited = [text for text in awaited if text not in line]
        if not awaited:
            break
    build.send_signal(signal.SIGKILL)
    build.wait()
    build.stderr.close()
    deadline = time.monotonic() + 10
    while running("60.5") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running("60.5")
    assert mount_table(shop.place) == before
    shop.write("FROM busybox:musl\nCOPY a /a\nRUN true\n")
    done = shop.build("-t", "after")
    assert done.returncode == 0, done.stderr
    assert "CACHED" in done.stderr
    assert shop.lamina("run", "--rm", "after", "cat", "/a").stdout == "1"


def running(word: str) -> bool:
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and f"sleep\0{word}" in (entry / "cmdline").read_text():
                return True
        except OSError:
            continue
    return False


def test_a_full_disk_is_told_and_leaves_a_whole_store(shop: Shop) -> None:
    shop.write("FROM busybox:musl\nCOPY big /big\n", big="x" * 30_000_000)
    script = (
        'mount -t tmpfs -o size=16m tmpfs "$1" && cp -a "$2/." "$1" && shift 2 && "$@";'
        ' code=$?; "$1" "$2" "$3" --root "$5" images; exit $code'
    )
    small = shop.place / "small"
    small.mkdir()
    store, shop.root = shop.root, small
    command = shop.command("build", str(shop.context))
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", str(small), str(store), *command],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "no space left" in done.stderr.lower()
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["oci", "docker"])
def test_skopeo_and_umoci_read_what_is_built(shop: Shop, kind: str) -> None:
    if not shutil.which("skopeo") or not shutil.which("umoci"):
        pytest.skip("skopeo and umoci are not installed")
    shop.write('FROM busybox:musl\nCOPY a /a\nRUN rm /etc/group\nCMD ["cat", "/a"]\n', a="1")
    out = shop.place / "image.tar"
    assert shop.build("-t", "peer:one", "-o", f"type={kind},dest={out}").returncode == 0
    layout = shop.place / "layout"
    source = f"{kind}-archive:{out}"
    for command in (
        ["skopeo", "inspect", source],
        ["skopeo", "copy", source, f"oci:{layout}:one"],
        ["umoci", "unpack", "--image", f"{layout}:one", str(shop.place / "bundle")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    rootfs = shop.place / "bundle" / "rootfs"
    assert (rootfs / "a").read_text() == "1"
    assert not (rootfs / "etc/group").exists()


@pytest.mark.slow
def test_an_image_of_buildah_loads_and_runs(shop: Shop) -> None:
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")
    storage = ["--root", str(shop.place / "r"), "--runroot", str(shop.place / "rr")]
    buildah = ["buildah", *storage, "--storage-driver", "vfs"]
    archive = shop.place / "buildah.tar"

    def run(*args: str) -> str:
        done = subprocess.run([*buildah, *args], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    container = run("from", "scratch")
    run("add", container, str(ROOTFS), "/")
    run("config", "--cmd", '["echo", "from buildah"]', container)
    run("commit", container, f"docker-archive:{archive}:theirs:one")
    assert shop.lamina("load", "-i", str(archive)).returncode == 0
    assert shop.lamina("run", "--rm", "theirs:one").stdout == "from buildah\n"
