"""Commands of RUN, as the real hadolint sees them, where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.lint import Settings, check
from lamina.lint.rules import BY_CODE

PEER = shutil.which("hadolint")
pytestmark = pytest.mark.skipif(PEER is None, reason="hadolint is not installed")
CODES = frozenset(code for code, rule in BY_CODE.items() if code[:2] == "DL" and rule.on)
FORMS = {
    "plain": "RUN {}",
    "trigger": "ONBUILD RUN {}",
    "chain": "RUN set -eux; \\\n  a=1; \\\n  # a comment\n  {}; \\\n  b",
    "condition": "RUN if true; then {}; fi",
    "group": "RUN ( {} ) && {{ a; }}",
    "loop": "RUN for i in a b; do {}; done",
    "mounts": "RUN --mount=type=cache,target=/root/.cache --mount=type=tmpfs,target=/tmp {}",
}
COMMANDS = r"""
apt-get install -y --no-install-recommends curl
apt-get -y install curl=1 wget
apt-get install -yqq --no-install-recommends curl=1
apt-get install -t bookworm-backports -y --no-install-recommends curl=1
apt-get install --target-release=x -y curl=1
apt-get install -o Dpkg::Options::="--force-confold" -y curl=1
apt-get install -o APT::Install-Recommends=false -y curl=1
apt-get install -qq curl=1
apt-get install -q=2 curl=1
apt-get install --yes curl=1
apt-get install --quiet --quiet curl=1
apt-get install -y ./x.deb
apt-get install -y /tmp/x.deb
apt-get install -y x.deb
apt-get install -y $PKGS
apt-get install -y "curl=1.*"
apt-get install -y curl/stable
apt-get install -y linux-headers-$(uname -r)
apt-get update && apt-get upgrade -y
apt-get update && apt-get dist-upgrade -y
apt-get update
apt-get update; rm -rf /var/lib/apt/lists/*
apt-get update; rm -rf /var/lib/apt/lists
apt-get update; rm -r /var/lib/apt/lists/*
apt-get update; rm -fr /var/lib/apt/lists/*
apt-get update; rm -rf /var/lib/apt/lists/* /tmp/*
apt-get -qq update
apt update
apt-get clean
apt list
aptitude install x
aptitude update
apt-cache search x
sudo apt-get install -y curl=1
sudo -E x
DEBIAN_FRONTEND=noninteractive apt-get install -y curl=1
env X=1 apt-get install curl
xargs apt-get install -y
apk add curl
apk add --no-cache curl=1
apk --no-cache add curl=1
apk add --update curl=1
apk -U add curl=1 && rm -rf /var/cache/apk/*
apk add --no-cache -t .deps curl=1
apk add --no-cache --virtual .deps curl=1
apk add --no-cache --virtual=.deps curl=1
apk add --no-cache --repository http://x curl=1
apk add --no-cache --repository=http://x curl
apk add --no-cache "curl>1" "wget<2"
apk add --no-cache curl@edge
apk add --no-cache $X
apk upgrade
apk update && apk add curl=1
apk add --no-cache ./x.apk
apk del x
yum install -y x
yum install -y x-1.0 && yum clean all
yum install x-1.0 && yum clean all
yum -y install x-1.0 && yum clean all
yum install -y x-1.0 && rm -rf /var/cache/yum
yum install -y x-1.0 && rm -rf /var/cache/yum/*
yum module install -y x:1 && yum clean all
yum groupinstall x
yum localinstall x
yum update -y
yum reinstall -y x
yum -y --assumeyes install x-1
yum clean all && yum install -y x-1
dnf install -y x-1 && dnf clean all
dnf install x-1.2-3.el9.x86_64 && dnf clean all
dnf install -y python3-pip && dnf clean all
dnf install -y gcc-c++ && dnf clean all
dnf install -y gcc-12 && dnf clean all
dnf install -y x-1 && rm -rf /var/cache/dnf
dnf install -y x-1 && rm -rf /var/cache/libdnf5
dnf install -y x-1 && rm -rf /var/cache/yum
dnf upgrade -y
dnf -y upgrade && dnf clean all
dnf groupinstall x
dnf module enable -y x
dnf module install x:1 -y && dnf clean all
dnf reinstall x
dnf remove x
dnf5 install x
microdnf install x
microdnf install -y x-1 && dnf clean all
microdnf install --nodocs -y x-1.2 && microdnf clean all
zypper install x
zypper -n install x=1
zypper in -y x=1
zypper in -y "x>=1" && zypper clean
zypper install -y x && zypper cc
zypper --non-interactive in x=1 && zypper clean -a
zypper remove x
zypper rm -y x
zypper patch
zypper dup
zypper dist-upgrade -y
zypper update
zypper up
zypper source-install x
zypper si x
zypper refresh
zypper addrepo x
pip install x
pip install x==1
pip install x==1 y
pip install --no-cache-dir x==1
pip install -r r.txt
pip install -rr.txt
pip install --requirement=r.txt
pip install --no-cache-dir .
pip install --no-cache-dir .[dev]
pip install --no-cache-dir -e .
pip install --no-cache-dir --editable /x
pip install --no-cache-dir -e git+https://x/y.git
pip install --no-cache-dir --upgrade pip
pip install --no-cache-dir -U pip
pip install --no-cache-dir x[y]==1
pip install --no-cache-dir x@1
pip install --no-cache-dir "x @ https://y/z.zip"
pip install --no-cache-dir git+https://x/y.git@v1
pip install --no-cache-dir git+ssh://git@x/y.git
pip install --no-cache-dir x.tar.gz
pip install --no-cache-dir x.zip
pip install --no-cache-dir ./x
pip install --no-cache-dir -i https://x y
pip install --no-cache-dir --index-url=https://x y==1
pip install --no-cache-dir --target /x y==1
pip install --no-cache-dir -t /x y==1
pip install --no-cache-dir --user x
pip install --no-cache-dir -c c.txt x
pip install --no-cache-dir --constraint=c.txt x
pip install --no-cache-dir --timeout 3 x==1
pip install --no-cache-dir $X
pip install --no-cache-dir --only-binary :all: x==1
pip3 install x
pip3.11 install x
pip2 install x
python -m pip install x
python3 -m pip install --no-cache-dir x
/usr/bin/pip install x
pipx install x==1
pipx install x
pipenv install x
python -m pipx install x
uv pip install x
pip --no-cache-dir install x==1
pip download x
PIP_NO_CACHE_DIR=1 pip install x==1
PIP_NO_CACHE_DIR=0 pip install x==1
export PIP_NO_CACHE_DIR=1; pip install x==1
npm install
npm ci
npm install x
npm i x
npm install -g x
npm install -g x@1
npm install @a/b
npm install @a/b@1
npm install x@latest
npm install x@"1.0"
npm install ./x
npm install x.tgz
npm install git://x/y
npm install git+https://x/y#v1
npm install user/repo
npm install github:user/repo
npm install https://x/y.tgz
npm install https://x/y
npm --global install x
npm install --prefix /x y@1
npm install --prefix=/x y
npm install --registry=https://x y@1
npm install --loglevel verbose y@1
npm cache clean --force
npm run install
npm install $X
yarn install
yarn add x
yarn install && yarn cache clean
yarn install --frozen-lockfile
yarn global add x
yarn
gem install x
gem install x:1
gem install x -v 1
gem install x -v=1
gem install x --version 1
gem install x --version=1
gem install x --no-document
gem install -N x:1
gem install x:1 -- --with-y=z
gem install x -- --with-y
gem i x
gem update x
gem install x:1 y
bundle install
go install x/y
go install x/y@latest
go install x/y@v1
go install ./...
go install .
go install ./cmd/x
go get x
go get -u x
go get -d ./...
go get ./...
go get -t x@v1
go run .
go run ./x
go run x/y@v1 --flag z
go build ./...
go mod download
go install -v x/y@v1
go install -ldflags "-s" x/y@v1
go get golang.org/x/tools/cmd/cover@master
cd /x
cd x && make
(cd x; y)
pushd x
useradd -u 1234567 x
useradd -l -u 1234567 x
useradd -u 1000 x
useradd x -u 99999
useradd -u 100000 x
adduser -u 1234567 x
wget x
wget -q x
wget -nv x
wget -O - x
wget -O- x
wget -qO- x
wget --progress=dot:giga x
wget --no-check-certificate x
wget -o log x
wget -a log x
wget -c x
wget -nc x
curl x
curl x; wget -q y
a | b
a || b
a | b | c
a |& b
set -o pipefail && a | b
bash -c "a | b"
echo "a | b"
x=$(a | b)
[ "$(a | b)" = c ]
ln -s /bin/bash /bin/sh
ln -sf bash /bin/sh
ln -s /bin/sh /x
ln -fs /bin/bash /usr/bin/sh
mv /bin/bash /bin/sh
ssh x
vim
vi x
ps aux
kill 1
service x start
mount -t proc x /y
ifconfig
top -b
free -m
shutdown now
/usr/sbin/service x start
nano
su - x
chroot x
rm -rf /etc/apt/apt.conf.d/docker-clean
""".strip().splitlines()


@pytest.mark.parametrize("form", FORMS)
def test_commands_are_judged_as_by_the_peer(form: str, tmp_path: Path) -> None:
    files = {}
    for number, command in enumerate(COMMANDS):
        path = tmp_path / str(number)
        path.write_text(f"FROM debian:13\n{FORMS[form].format(command)}\n")
        files[str(path)] = command
    argv = [str(PEER), "-t", "style", "--no-fail", "-f", "json", *files]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    theirs: dict[str, set[tuple[str, int]]] = {name: set() for name in files}
    for row in json.loads(done.stdout):
        theirs[row["file"]].add((row["code"], row["line"]))
    differing = {}
    for name, command in files.items():
        if any(code == "DL1000" for code, _ in theirs[name]):
            continue
        found = check(Path(name).read_text(), settings=Settings(only=CODES))
        ours = {(each.code, each.line) for each in found}
        if ours != {place for place in theirs[name] if place[0] in CODES}:
            differing[command] = (ours, theirs[name])
    assert differing == {}
