"""Pip, npm, yarn, gem and go: firing and not firing."""

from __future__ import annotations

import pytest

from lamina.lint import Facts, Settings
from lamina.lint.fix import fix
from unit.lint.advice import lines, mended


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3013", "RUN pip install x"),
        ("DL3013", "RUN pip3 install x==1 y"),
        ("DL3013", "RUN python3 -m pip install x"),
        ("DL3013", "RUN pip install git+https://x/y.git"),
        ("DL3013", "RUN pipx install x"),
        ("DL3016", "RUN npm install x"),
        ("DL3016", "RUN npm install x@1 y"),
        ("DL3016", "RUN npm install git+https://x/y"),
        ("DL3016", "RUN npm install --registry https://x y"),
        ("DL3028", "RUN gem install x"),
        ("DL3028", "RUN gem i x"),
        ("DL3042", "RUN pip install x"),
        ("DL3042", "ENV PIP_NO_CACHE_DIR=0\nRUN pip install x"),
        ("DL3060", "RUN yarn install"),
        ("DL3060", "RUN yarn cache clean && yarn install"),
        ("DL3062", "RUN go install a/b"),
        ("DL3062", "RUN go install a/b@latest"),
        ("DL3062", "RUN go get a/b"),
        ("DL3062", "RUN go run a/b"),
    ],
)
def test_it_fires(code: str, text: str) -> None:
    assert lines(code, text) == [text.count("\n") + 1]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("DL3013", "RUN pip install x==1"),
        ("DL3013", 'RUN pip install "x>=1"'),
        ("DL3013", "RUN pip install -r r.txt"),
        ("DL3013", "RUN pip install ."),
        ("DL3013", "RUN pip install ./x"),
        ("DL3013", "RUN pip install x.whl"),
        ("DL3013", "RUN pip install git+https://x/y@1"),
        ("DL3013", "RUN pip install -c c.txt x"),
        ("DL3013", "RUN pip install --index-url https://x y==1"),
        ("DL3013", "RUN pipenv install x"),
        ("DL3013", "RUN pip download x"),
        ("DL3016", "RUN npm install"),
        ("DL3016", "RUN npm install x@1"),
        ("DL3016", "RUN npm install @a/b@1"),
        ("DL3016", "RUN npm install ./x ../y /z ~/a"),
        ("DL3016", "RUN npm install x.tgz"),
        ("DL3016", "RUN npm install git+https://x/y#v1"),
        ("DL3016", "RUN npm ci"),
        ("DL3016", "RUN npm run install"),
        ("DL3028", "RUN gem install x:1"),
        ("DL3028", "RUN gem install x -v 1"),
        ("DL3028", "RUN gem install x --version=1"),
        ("DL3028", "RUN gem install x:1 -- --with-y=z"),
        ("DL3042", "RUN pip install --no-cache-dir x"),
        ("DL3042", "ENV PIP_NO_CACHE_DIR=1\nRUN pip install x"),
        ("DL3042", "RUN PIP_NO_CACHE_DIR=on pip install x"),
        ("DL3042", "RUN --mount=type=cache,target=/root/.cache/pip pip install x"),
        ("DL3042", "RUN pipx install x"),
        ("DL3042", "FROM a:1 AS b\nENV PIP_NO_CACHE_DIR=1\nFROM b\nRUN pip install x"),
        ("DL3060", "RUN yarn install && yarn cache clean"),
        ("DL3060", "RUN --mount=type=cache,target=/root/.cache/yarn yarn install"),
        ("DL3060", "FROM a:1 AS b\nRUN yarn install\nFROM c:1\nRUN x"),
        ("DL3060", "RUN yarn add x"),
        ("DL3062", "RUN go install a/b@v1"),
        ("DL3062", "RUN go run a/b@v1 --x y"),
        ("DL3062", "RUN go run main.go"),
        ("DL3062", "RUN go install ./..."),
        ("DL3062", "RUN go build x"),
    ],
)
def test_it_is_silent(code: str, text: str) -> None:
    assert lines(code, text) == []


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("DL3060", "RUN yarn install", "RUN yarn install && yarn cache clean"),
        ("DL3042", "RUN pip install x", "RUN pip install --no-cache-dir x"),
    ],
)
def test_it_is_mended(code: str, text: str, expected: str) -> None:
    assert mended(code, text) == expected


FACTS = Facts(
    versions={
        ("npm", "typescript"): "5.9.2",
        ("npm", "@scope/tool"): "1.0.0",
        ("gem", "rake"): "13.2.1",
        ("go", "example.com/cmd/tool"): "v1.2.3",
    }
)


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        (
            "DL3016",
            "RUN npm install -g typescript @scope/tool",
            "RUN npm install -g typescript@5.9.2 @scope/tool@1.0.0",
        ),
        ("DL3016", "RUN npm install typescript", "RUN npm install typescript"),
        ("DL3016", "RUN npm install -g typescript x", "RUN npm install -g typescript x"),
        ("DL3028", "RUN gem install rake", "RUN gem install rake:13.2.1"),
        ("DL3028", "RUN gem install rake x", "RUN gem install rake x"),
        (
            "DL3062",
            "RUN go install example.com/cmd/tool@latest",
            "RUN go install example.com/cmd/tool@v1.2.3",
        ),
        (
            "DL3062",
            "RUN go install example.com/cmd/tool",
            "RUN go install example.com/cmd/tool",
        ),
        (
            "DL3062",
            "RUN go install example.com/cmd/other@latest",
            "RUN go install example.com/cmd/other@latest",
        ),
    ],
)
def test_a_version_is_the_one_that_the_image_has(code: str, text: str, expected: str) -> None:
    settings = Settings(only=frozenset((code,)))
    changed, _ = fix(f"FROM a:1\n{text}", settings=settings, facts=FACTS)
    assert changed == f"FROM a:1\n{expected}"
    # What an earlier stage installs is not in the image.
    stages = f"FROM a:1 AS b\n{text}\nFROM b:1\n"
    assert fix(stages, settings=settings, facts=FACTS) == (stages, 0)
