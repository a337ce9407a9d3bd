"""Order: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Facts, Settings
from lamina.lint.dependencies import UNREAD
from lamina.lint.fix import fix
from lamina.values import replace
from unit.lint.advice import found, lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1001", "COPY . /x\nRUN apt-get update && apt-get install -y x"),
        ("LM1001", "ADD . .\nRUN apk add --no-cache x"),
        ("LM1002", "COPY . .\nRUN npm ci"),
        ("LM1002", "COPY . .\nRUN pip install -r requirements.txt"),
        ("LM1003", "RUN apt-get update\nRUN apt-get install -y x"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("LM1001", "RUN apk add x\nCOPY . ."),
        ("LM1001", "COPY a /b\nRUN apk add x"),
        ("LM1001", "COPY . .\nRUN apk add ./x.apk"),
        ("LM1001", "COPY . .\nRUN ./configure && apk add x"),
        ("LM1001", "COPY . .\nRUN apk add $(cat list)"),
        ("LM1001", "COPY --from=x . .\nRUN apk add y"),
        ("LM1002", "COPY package.json .\nRUN npm ci\nCOPY . ."),
        ("LM1002", "COPY package.json .\nRUN npm ci\nCOPY . .\nRUN npm install"),
        ("LM1002", "COPY a b\nRUN npm ci"),
        ("LM1004", "RUN apk add x\nLABEL a=b"),
        ("LM1004", "LABEL a=b\nRUN make\nRUN apk add x"),
        ("LM1004", "ENV DEBIAN_FRONTEND=noninteractive\nRUN apt-get install x"),
        ("LM1004", "ENV what=x\nRUN apt-get install -y $what"),
        ("LM1004", "ENV v=1\nENV v=2\nUSER 1"),
        ("LM1004", 'CMD a\nSHELL ["x"]\nRUN apk add x'),
        ("LM1004", "ARG v\nLABEL a=$v\nARG v=2\nRUN apk add x"),
        ("LM1003", "RUN apt-get update && apt-get install -y x"),
        ("LM1003", "RUN apt-get install x"),
        ("LM1003", "RUN apt-get update\nFROM b:1\nRUN apt-get install x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "LM1003",
            "RUN apt-get update\n\nRUN apt-get install -y \\\n  x",
            "RUN apt-get update \\\n    && apt-get install -y \\\n  x",
        ),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


CONTEXT = Facts(
    has_context=True,
    files={
        "src": None,
        "src/package.json": "{}",
        "package.json": '{"dependencies": {"x": "1"}}',
        "package-lock.json": "{}",
        "requirements.txt": "# web\nflask[async]==3.1.2 ; python_version > '3'\n\nrequests\n",
        "nested.txt": "-r requirements.txt\n",
        "editable.txt": "-e .\n",
        "linked.txt": UNREAD,
        "go.mod": "module x\n",
        "../requirements.txt": "x\n",
        "/requirements.txt": "x\n",
    },
)


def moved(text: str, facts: Facts = CONTEXT) -> str:
    """`text` below a FROM, after the edits of the rules of order."""
    settings = Settings(only=frozenset(("LM1001", "LM1002", "LM1004")))
    return fix(f"FROM a:1\n{text}", settings=settings, facts=facts)[0].removeprefix("FROM a:1\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "WORKDIR /app\nCOPY . .\nRUN npm ci\nUSER 1\n",
            "WORKDIR /app\nCOPY package.json package-lock.json ./\nRUN npm ci\nCOPY . .\nUSER 1\n",
        ),
        (
            "WORKDIR /app\n# all\nCOPY --chown=1:1 . /app\nRUN pip install -r requirements.txt",
            "WORKDIR /app\nCOPY --chown=1:1 requirements.txt /app/\n"
            "RUN pip install -r requirements.txt\n# all\nCOPY --chown=1:1 . /app",
        ),
        (
            "COPY ./src /app\nWORKDIR /app\nRUN apt-get update && npm install\n",
            "COPY src/package.json /app/\nWORKDIR /app\n"
            "RUN apt-get update && npm install\nCOPY ./src /app\n",
        ),
        (
            "COPY . /go\nWORKDIR /go\nRUN go mod download\n",
            "COPY go.mod /go/\nWORKDIR /go\nRUN go mod download\nCOPY . /go\n",
        ),
        (
            'CMD ["x"]\nCOPY ./src /app\nRUN apt-get update && apt-get install -y x\n',
            'RUN apt-get update && apt-get install -y x\nCOPY ./src /app\nCMD ["x"]\n',
        ),
        ("COPY . .\nRUN apk add x\nRUN apk add y\n", "RUN apk add x\nRUN apk add y\nCOPY . .\n"),
        (
            "COPY . .\r\nRUN apk add x\r\nUSER 1\r\n",
            "RUN apk add x\r\nCOPY . .\r\nUSER 1\r\n",
        ),
        ("LABEL a=b\nEXPOSE 80\nRUN apk add x", "RUN apk add x\nEXPOSE 80\nLABEL a=b"),
    ],
)
def test_what_changes_often_sinks(text: str, expected: str) -> None:
    assert moved(text) == expected
    assert moved(expected) == expected


@pytest.mark.parametrize(
    "text",
    [
        "WORKDIR /app\nCOPY . .\nRUN npm ci && npm run build\n",
        "WORKDIR /app\nCOPY . .\nRUN cd web && npm ci\n",
        "WORKDIR /app\nCOPY . .\nRUN npm ci --prefix web\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r nested.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r editable.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r linked.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r requirements.txt .\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r $LIST\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r ../requirements.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN pip install -r /requirements.txt\n",
        "WORKDIR /app\nCOPY . .\nRUN poetry install\n",
        "WORKDIR /app\nCOPY . .\nWORKDIR /other\nRUN npm ci\n",
        "WORKDIR $W\nCOPY . .\nRUN npm ci\n",
        "WORKDIR /app\nCOPY . .\nRUN ./configure\nRUN npm ci\n",
        "WORKDIR /app\nCOPY . .\nCOPY other /app\nRUN npm ci\n",
        "COPY . /\nRUN apt-get install -y x\n",
        "COPY src /etc\nRUN apt-get install -y x\n",
        "COPY . /app\nCOPY sources.list /etc/apt/\nRUN apt-get install -y x\n",
        "COPY . /app\nENV http_proxy=x\nRUN apt-get install -y x\n",
        "COPY . /app\nUSER 1\nRUN apt-get install -y x\n",
        "COPY . /app\nRUN apt-get install -y x && rm -rf app/x\n",
    ],
)
def test_what_may_depend_on_it_stays(text: str) -> None:
    assert moved(text) == text


@pytest.mark.parametrize(
    "package",
    [
        '{"workspaces": ["a"]}',
        '{"scripts": {"postinstall": "node x"}}',
        '{"dependencies": {"a": "file:../a"}}',
    ],
)
def test_a_list_that_names_files_of_the_context_is_not_copied_alone(package: str) -> None:
    facts = Facts(has_context=True, files={"package.json": package})
    text = "WORKDIR /app\nCOPY . .\nRUN npm ci\n"
    assert moved(text, facts) == text


@pytest.mark.parametrize("name", ["node_modules", ".npmrc"])
def test_what_the_installer_would_find_beside_its_list_keeps_it_whole(name: str) -> None:
    facts = Facts(has_context=True, files={"package.json": "{}", name: None})
    text = "WORKDIR /app\nCOPY . .\nRUN npm ci\n"
    assert moved(text, facts) == text


def test_what_was_recorded_is_evidence() -> None:
    seen = ("package.json", "tools/setup.js")
    facts = replace(CONTEXT, opened={"RUN npm ci": seen})
    text = "FROM a:1\nWORKDIR /app\nCOPY . .\nRUN npm ci\n"
    (finding,) = found("LM1002", text, facts)
    assert finding.hint is not None
    assert "(recorded: it opened package.json, tools/setup.js only)" in finding.hint
    assert not finding.edits  # they lie in two directories
    facts = replace(CONTEXT, opened={"RUN npm ci": ("package.json", "extra.js")})
    (finding,) = found("LM1002", text, facts)
    assert "COPY extra.js package-lock.json package.json ./\n" in [e.text for e in finding.edits]


CARGO = """[package]
name = "app"
version = "0.1.0"
[dependencies]
serde = { version = "1", features = ["derive"] }
"""
TOLD = CARGO + '[[bin]]\nname = "app"\npath = "src/app.rs"\n'
FETCH = "WORKDIR /app\nCOPY . .\nRUN cargo fetch --locked\n"


def crate(manifest: str, *names: str) -> Facts:
    files: dict[str, str | None] = {"Cargo.toml": manifest, **dict.fromkeys(names, "")}
    return Facts(has_context=True, files=files)


def test_a_crate_is_fetched_above_its_sources() -> None:
    facts = crate(CARGO, "Cargo.lock", "src/main.rs", "src/lib.rs")
    assert moved(FETCH, facts) == (
        "WORKDIR /app\nCOPY Cargo.toml Cargo.lock ./\n"
        "RUN mkdir src && touch src/main.rs src/lib.rs && cargo fetch --locked && rm -r src\n"
        "COPY . .\n"
    )
    assert moved(moved(FETCH, facts), facts) == moved(FETCH, facts)


def test_what_is_set_for_the_fetch_alone_stays_with_it() -> None:
    text = "WORKDIR /app\nCOPY . .\nRUN CARGO_NET_RETRY=9 cargo fetch\n"
    stubbed = "RUN mkdir src && touch src/main.rs && CARGO_NET_RETRY=9 cargo fetch && rm -r src\n"
    assert stubbed in moved(text, crate(CARGO, "src/main.rs"))


def test_a_crate_whose_targets_say_their_paths_needs_no_stubs() -> None:
    assert moved(FETCH, crate(TOLD, "src/app.rs", "rust-toolchain.toml")) == (
        "WORKDIR /app\nCOPY Cargo.toml rust-toolchain.toml ./\nRUN cargo fetch --locked\nCOPY . .\n"
    )


@pytest.mark.parametrize(
    ("manifest", "names"),
    [
        (CARGO, ()),  # no target that cargo would find
        (CARGO, ("src/main.rs", ".cargo")),
        (CARGO, ("src/main.rs", "vendor")),
        (CARGO + "[workspace]\n", ("src/main.rs",)),
        (CARGO + 'near = { path = "near" }\n', ("src/main.rs",)),
        (CARGO + '[patch.crates-io]\nx = { path = "x" }\n', ("src/main.rs",)),
        (CARGO + "[target.'cfg(unix)'.dependencies]\nx.path = 'x'\n", ("src/main.rs",)),
        (CARGO + '[[bin]]\nname = "other"\n', ("src/main.rs",)),
        (CARGO + '[[test]]\nname = "other"\n', ("src/main.rs",)),
        (CARGO.replace("version =", "version.workspace = true #"), ("src/main.rs",)),
        (CARGO.replace("version =", 'build = "make.rs"\nversion ='), ("src/main.rs",)),
        ("[dependencies]\n", ("src/main.rs",)),
        ("[package", ("src/main.rs",)),
        (UNREAD, ("src/main.rs",)),
    ],
)
def test_a_crate_with_more_to_it_stays(manifest: str, names: tuple[str, ...]) -> None:
    assert moved(FETCH, crate(manifest, *names)) == FETCH


@pytest.mark.parametrize(
    "command",
    [
        "cargo fetch --manifest-path x/Cargo.toml",
        "cargo build --release",
        "cargo fetch && cargo build",
        "cargo +nightly fetch",
        "cargo fetch; true",
    ],
)
def test_another_command_of_cargo_stays(command: str) -> None:
    text = f"WORKDIR /app\nCOPY . .\nRUN {command}\n"
    assert moved(text, crate(CARGO, "src/main.rs")) == text


PROJECT = """<Project Sdk="Microsoft.NET.Sdk.Web">
  <ItemGroup><PackageReference Include="Serilog" Version="4.0.0" /></ItemGroup>
</Project>
"""
RESTORE = "WORKDIR /app\nCOPY . .\nRUN dotnet restore\n"


def project(files: dict[str, str], above: tuple[str, ...] = (), place: str = "") -> Facts:
    names = tuple(path.removeprefix(f"{place}/") for path in files)
    listing = {"": above, place: names} if place else {"": (*above, *names)}
    return Facts(has_context=True, files={**files, "src": None}, listing=listing)


def test_a_project_of_dotnet_is_restored_above_its_sources() -> None:
    files = {
        "App.csproj": PROJECT,
        "Directory.Packages.props": "<Project/>",
        "NuGet.Config": '<add key="a" value="https://x.io/v3/index.json" />',
        "Program.cs": "",
        "packages.lock.json": "{}",
    }
    assert moved(RESTORE, project(files)) == (
        "WORKDIR /app\n"
        "COPY App.csproj Directory.Packages.props NuGet.Config packages.lock.json ./\n"
        "RUN dotnet restore\nCOPY . .\n"
    )


def test_a_project_that_is_named_is_the_one() -> None:
    files = {"src/App.csproj": PROJECT, "src/Other.csproj": PROJECT, "src/All.sln": ""}
    text = "COPY src /app\nWORKDIR /app\nRUN dotnet restore App.csproj -r linux-x64\n"
    assert moved(text, project(files, place="src")) == (
        "COPY src/App.csproj /app/\nWORKDIR /app\n"
        "RUN dotnet restore App.csproj -r linux-x64\nCOPY src /app\n"
    )
    assert moved(text, project(files, ("Directory.Build.props",), "src")) == text


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"App.csproj": PROJECT, "Other.fsproj": PROJECT},
        {"App.csproj": PROJECT, "All.sln": ""},
        {"App.csproj": PROJECT, "obj": ""},
        {"App.csproj": PROJECT.replace("PackageReference", "ProjectReference")},
        {"App.csproj": PROJECT.replace("<ItemGroup>", '<Import Project="../x.props" />')},
        {"App.csproj": PROJECT.replace("<ItemGroup>", "<ItemGroup Condition=\"Exists('x')\">")},
        {"App.csproj": PROJECT.replace("<ItemGroup>", "<RestoreSources>local</RestoreSources>")},
        {"App.csproj": UNREAD},
        {"App.csproj": PROJECT, "nuget.config": '<add key="a" value="./packages" />'},
        {"App.csproj": PROJECT, "directory.build.props": '<Import Project="x" />'},
    ],
)
def test_a_project_with_more_to_it_stays(files: dict[str, str]) -> None:
    assert moved(RESTORE, project(files)) == RESTORE


@pytest.mark.parametrize(
    "command",
    [
        "dotnet restore ../App.csproj",
        "dotnet restore --configfile x",
        "dotnet restore && dotnet build",
        "dotnet restore $P",
    ],
)
def test_another_command_of_dotnet_stays(command: str) -> None:
    text = f"WORKDIR /app\nCOPY . .\nRUN {command}\n"
    assert moved(text, project({"App.csproj": PROJECT})) == text
