"""Completion scripts for shells, written from the table of commands.

A script knows every command and flag by itself, and asks `lamina` only for names of images.
"""

from __future__ import annotations

from lamina.cli.command import Args, Command, Kind
from lamina.cli.commands import ENTRIES, GROUPS, Entry, load, members

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine import Engine

_NAMES = "lamina images --format '{{.Repository}}:{{.Tag}}' 2>/dev/null"
_CONTAINERS = "lamina ps -a --format '{{.Names}}' 2>/dev/null"


def completion(args: Args, engine: Engine) -> int:
    writers = {"bash": _bash, "zsh": _zsh, "fish": _fish}
    writer = writers.get(args.rest[0])
    if writer is None:
        raise args.misused(f'shell "{args.rest[0]}" is not known: expected bash, zsh or fish')
    print(writer())
    return 0


COMPLETION = Command(
    run=completion,
    usage="bash|zsh|fish",
    arguments=(1, 1),
    about="Try it with: source <(lamina completion bash)",
)


def _flags(command: Command) -> list[str]:
    words = ["--help"]
    for flag in command.flags:
        if not flag.hidden:
            words.append(f"--{flag.name}" + ("" if flag.kind is Kind.BOOL else "="))
    return sorted(words)


def _rows() -> list[tuple[str, str, Entry, Command]]:
    """Every spelling: its words, what it names ("image", "container", ""), and the command."""
    rows = []
    for entry in ENTRIES:
        command = load(entry)
        first = command.usage.split(" ")[0].strip("[].")
        names = {"IMAGE": "image", "CONTAINER": "container", "SOURCE": "image"}.get(first, "")
        rows += [(words, names, entry, command) for words in (entry.name, *entry.also)]
    return sorted(rows, key=lambda row: row[0])


def _top() -> list[str]:
    return sorted({e.name for e in ENTRIES if " " not in e.name} | GROUPS.keys())


def _bash() -> str:
    cases = []
    for words, names, _, command in _rows():
        cases.append(
            f'    "{words}") flags="{" ".join(_flags(command))}"; names={names or "file"};;'
        )
    groups = [
        f'    {group}) COMPREPLY=($(compgen -W "{" ".join(w for w, _ in members(group))}" -- "$word")); return;;'  # noqa: E501
        for group in sorted(GROUPS)
    ]
    return "\n".join(
        [
            "# bash completion for lamina",
            "_lamina() {",
            "  local word=${COMP_WORDS[COMP_CWORD]} command= flags= names= i",
            "  COMPREPLY=()",
            "  for ((i = 1; i < COMP_CWORD; i++)); do",
            "    case ${COMP_WORDS[i]} in --root) ((i++));; -*) ;; *) break;; esac",
            "  done",
            "  if ((i >= COMP_CWORD)); then",
            f'    COMPREPLY=($(compgen -W "{" ".join(_top())} --help --version --root --debug" -- "$word"))',  # noqa: E501
            "    return",
            "  fi",
            "  command=${COMP_WORDS[i]}",
            f"  case $command in {'|'.join(sorted(GROUPS))})",
            '    if ((i + 1 < COMP_CWORD)); then command+=" ${COMP_WORDS[i + 1]}"; else',
            "    case $command in",
            *groups,
            "    esac; fi;;",
            "  esac",
            "  case $command in",
            *cases,
            "  esac",
            "  if [[ $word == -* ]]; then",
            '    COMPREPLY=($(compgen -W "$flags" -- "$word"))',
            "    [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace",
            "    return",
            "  fi",
            "  case $names in",
            f'    image) COMPREPLY=($(compgen -W "$({_NAMES})" -- "$word")); __ltrim_colon_completions "$word" 2>/dev/null;;',  # noqa: E501
            f'    container) COMPREPLY=($(compgen -W "$({_CONTAINERS})" -- "$word"));;',
            '    *) COMPREPLY=($(compgen -f -- "$word"));;',
            "  esac",
            "}",
            "complete -o default -F _lamina lamina",
        ]
    )


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _zsh_quoted(text: str) -> str:
    """Inside of an `_arguments` or `_describe` specification."""
    return "".join("\\" + c if c in ":[]\\" else c for c in text)


def _zsh() -> str:
    described = []
    for word in _top():
        summary = GROUPS.get(word) or next(e.summary for e in ENTRIES if e.name == word)
        described.append("    " + _quoted(f"{word}:{_zsh_quoted(summary)}"))
    groups = []
    for group in sorted(GROUPS):
        inner = " ".join(_quoted(f"{w}:{_zsh_quoted(e.summary)}") for w, e in members(group))
        groups.append(f"    {group}) words_=({inner});;")
    cases = []
    for words, names, _, command in _rows():
        specs = []
        for flag in command.flags:
            if flag.hidden:
                continue
            tail = "" if flag.kind is Kind.BOOL else f":{flag.value or flag.kind}:_files"
            equals = "" if flag.kind is Kind.BOOL else "="
            star = "*" if flag.kind is Kind.LIST else ""
            help_ = f"[{_zsh_quoted(flag.help)}]"
            specs.append(_quoted(f"{star}--{flag.name}{equals}{help_}{tail}"))
        rest = {"image": "_lamina_images", "container": "_lamina_containers"}.get(names, "_files")
        specs.append(_quoted(f"*:argument:{rest}"))
        cases.append(f"    {_quoted(words)}) _arguments -s {' '.join(specs)};;")
    return "\n".join(
        [
            "#compdef lamina",
            "# zsh completion for lamina",
            "_lamina_images() {",
            f'  local -a names=(${{(f)"$({_NAMES})"}}); compadd -a names',
            "}",
            "_lamina_containers() {",
            f'  local -a names=(${{(f)"$({_CONTAINERS})"}}); compadd -a names',
            "}",
            "_lamina() {",
            "  local -a words_",
            "  if ((CURRENT == 2)); then",
            "    words_=(",
            *described,
            "    )",
            "    _describe command words_; return",
            "  fi",
            "  local command=$words[2]",
            "  case $command in",
            *groups,
            "  esac",
            "  if (($#words_)); then",
            "    if ((CURRENT == 3)); then _describe command words_; return; fi",
            '    command+=" $words[3]"; shift words; ((CURRENT--))',
            "  fi",
            "  shift words; ((CURRENT--))",
            "  case $command in",
            *cases,
            "  esac",
            "}",
            'if [[ $funcstack[1] == _lamina ]]; then _lamina "$@"; else compdef _lamina lamina; fi',
        ]
    )


def _fish() -> str:
    lines = [
        "# fish completion for lamina",
        "complete -c lamina -f",
    ]
    for word in _top():
        summary = GROUPS.get(word) or next(e.summary for e in ENTRIES if e.name == word)
        lines.append(f"complete -c lamina -n __fish_use_subcommand -a {word} -d {_quoted(summary)}")
    for group in sorted(GROUPS):
        inner = members(group)
        known = " ".join(word for word, _ in inner)
        for word, entry in inner:
            lines.append(
                f"complete -c lamina -n '__fish_seen_subcommand_from {group}; "
                f"and not __fish_seen_subcommand_from {known}' "
                f"-a {word} -d {_quoted(entry.summary)}"
            )
    for words, names, _, command in _rows():
        seen = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in words.split())
        start = f"complete -c lamina -n '{seen}'"
        for flag in command.flags:
            if flag.hidden:
                continue
            short = f" -s {flag.short}" if flag.short else ""
            value = "" if flag.kind is Kind.BOOL else " -r -F"
            lines.append(f"{start} -l {flag.name}{short}{value} -d {_quoted(flag.help)}")
        source = {"image": f"({_NAMES})", "container": f"({_CONTAINERS})"}.get(names)
        lines.append(f'{start} -a "{source}"' if source else f"{start} -F")
    return "\n".join(lines)
