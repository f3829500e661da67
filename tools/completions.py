"""Completion scripts for bash, zsh and fish: static, so that completing never runs the program."""

from __future__ import annotations

from collections.abc import Iterable

from bunkerctl.cli import grammar

NOTE = "# Made by `make docs` from the command table; do not edit."
PATHS = ("FILE", "DIR")


def scripts() -> dict[str, str]:
    """Return the text of each script, by its file name."""
    commands = grammar.load_all()
    return {
        "bunkerctl.bash": _bash(commands),
        "_bunkerctl": _zsh(commands),
        "bunkerctl.fish": _fish(commands),
    }


FISH_FUNCTIONS = """\
function __bunkerctl_words
    set -l skip
    for word in (commandline -opc)[2..]
        if test -n "$skip"
            set skip
        else if contains -- $word {options}
            set skip 1
        else if not string match -q -- '-*' $word
            echo $word
        end
    end
end
function __bunkerctl_exactly
    set -l typed (__bunkerctl_words)
    test "$argv" = "$typed"
end
function __bunkerctl_below
    set -l typed (__bunkerctl_words)
    string match -q -- "$argv *" "$typed "
end
complete -c bunkerctl -f"""

Commands = dict[tuple[str, ...], grammar.Command]


def _next_words(commands: Commands) -> dict[str, list[str]]:
    """Return the words that may follow, by the words before."""
    following: dict[str, list[str]] = {}
    for words in commands:
        for count in range(len(words)):
            known = following.setdefault(" ".join(words[:count]), [])
            if words[count] not in known:
                known.append(words[count])
    return following


def _flat(options: Iterable[grammar.Option]) -> str:
    return " ".join(name for option in options for name in option.names)


def _takes_value(commands: Commands) -> list[str]:
    options = [*grammar.GLOBALS, *(one for found in commands.values() for one in found.options)]
    return sorted({name for option in options if option.metavar for name in option.names})


def _values(commands: Commands) -> dict[str, tuple[str, ...]]:
    """Return `option` or `words option` → its choices, or a metavar of PATHS."""
    found = _values_of("", grammar.GLOBALS)
    for words, command in commands.items():
        found |= _values_of(" ".join(words) + " ", command.options)
    return found


def _values_of(prefix: str, options: Iterable[grammar.Option]) -> dict[str, tuple[str, ...]]:
    return {
        prefix + name: option.choices or (option.metavar or "",)
        for option in options
        for name in option.names
        if option.choices or option.metavar in PATHS
    }


def _takes_file(commands: Commands) -> list[str]:
    return [
        " ".join(words)
        for words, command in commands.items()
        if any(argument.metavar in PATHS for argument in command.arguments)
    ]


def _cases(rows: Iterable[tuple[str, str]], depth: int) -> str:
    margin = " " * depth
    return "\n".join(f"{margin}'{pattern}') {action} ;;" for pattern, action in rows)


def _bash(commands: Commands) -> str:
    files = 'compopt -o filenames; COMPREPLY=($(compgen -f -- "$cur")); return'
    values = [
        (key, files if set(what) <= set(PATHS) else f'words="{" ".join(what)}"')
        for key, what in _values(commands).items()
    ]
    return f"""{NOTE}
_bunkerctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}}
    local path= word words= skip= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ $skip ]]; then skip=; continue; fi
        case $word in
            {"|".join(_takes_value(commands))}) skip=1 ;;
            -*) ;;
            *) case " $path $word" in
                {_patterns(commands)}) path="${{path:+$path }}$word" ;;
            esac ;;
        esac
    done
    COMPREPLY=()
    for word in "$path $prev" "$prev"; do
        case $word in
{_cases(values, 12)}
        esac
        [[ $words ]] && break
    done
    if [[ -z $words && $skip ]]; then return; fi
    if [[ -z $words ]]; then
        case $path in
{_cases(_bash_words(commands), 12)}
        esac
        if [[ $cur == -* ]]; then words="$words {_flat(grammar.GLOBALS)}"; fi
    fi
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
    case $path in
        {_either(_takes_file(commands))}) [[ $cur == -* ]] || {{ {files}; }} ;;
    esac
}}
complete -F _bunkerctl bunkerctl
"""


def _patterns(commands: Commands) -> str:
    """Return shell patterns of ` path word` for the words of commands alone."""
    found = [
        f"'{' ' if not before else ' ' + before} {word}'".replace("'  ", "'  ")
        for before, words in _next_words(commands).items()
        for word in words
    ]
    return "|".join(found)


def _either(words: Iterable[str]) -> str:
    return "|".join(f"'{word}'" for word in words)


def _bash_words(commands: Commands) -> list[tuple[str, str]]:
    rows = [(path, f'words="{" ".join(words)}"') for path, words in _next_words(commands).items()]
    for command in commands.values():
        if command.options:
            path = " ".join(command.words)
            rows.append((path, f'[[ $cur == -* ]] && words="{_flat(command.options)}"'))
    return rows


def _zsh(commands: Commands) -> str:
    """Return a script in which zsh's own bash completion runs the other one's table."""
    return f"""#compdef bunkerctl
{NOTE}
_bunkerctl_words() {{
    local -a words_below options
    local path= word skip= i
    for ((i = 2; i < CURRENT; i++)); do
        word=${{words[i]}}
        if [[ -n $skip ]]; then skip=; continue; fi
        case $word in
            ({"|".join(_takes_value(commands))}) skip=1 ;;
            (-*) ;;
            (*) case " $path $word" in
                ({_patterns(commands)}) path="${{path:+$path }}$word" ;;
            esac ;;
        esac
    done
    local previous=${{words[CURRENT-1]}} key
    for key in "$path $previous" "$previous"; do
        case $key in
{_zsh_cases(_zsh_values(commands))}
        esac
    done
    [[ -n $skip ]] && return
    case $path in
{_zsh_cases(_zsh_words(commands))}
    esac
    if [[ ${{words[CURRENT]}} == -* ]]; then
        options+=({_described(grammar.GLOBALS)})
        _describe -o option options
    elif (( $#words_below )); then
        _describe command words_below
    else
        case $path in
            ({_either(_takes_file(commands))}) _files ;;
        esac
    fi
}}
_bunkerctl_words "$@"
"""


def _zsh_cases(rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"            ('{pattern}') {action} ;;" for pattern, action in rows)


def _zsh_values(commands: Commands) -> list[tuple[str, str]]:
    return [
        (key, "_files; return" if set(what) <= set(PATHS) else f"compadd {' '.join(what)}; return")
        for key, what in _values(commands).items()
    ]


def _zsh_words(commands: Commands) -> list[tuple[str, str]]:
    rows = []
    for path, words in _next_words(commands).items():
        below = " ".join(_quoted(word, _about(commands, path, word)) for word in words)
        rows.append((path, f"words_below=({below})"))
    for command in commands.values():
        if command.options:
            rows.append((" ".join(command.words), f"options=({_described(command.options)})"))
    return rows


def _described(options: Iterable[grammar.Option]) -> str:
    return " ".join(_quoted(name, option.help) for option in options for name in option.names)


def _quoted(word: str, meaning: str) -> str:
    text = f"{word}:{meaning}".replace("'", "'\\''")
    return f"'{text}'"


def _about(commands: Commands, path: str, word: str) -> str:
    words = (*path.split(), word)
    return grammar.GROUPS.get(word, "") if words not in commands else commands[words].summary()


def _fish(commands: Commands) -> str:
    lines = [NOTE, FISH_FUNCTIONS.format(options=" ".join(_takes_value(commands)))]
    for path, words in _next_words(commands).items():
        for word in words:
            meaning = _fish_text(_about(commands, path, word))
            lines.append(
                f"complete -c bunkerctl -n '__bunkerctl_exactly {path}' -a {word} -d '{meaning}'"
            )
    for option in grammar.GLOBALS:
        lines.append(_fish_option("complete -c bunkerctl", option))
    for command in commands.values():
        path = " ".join(command.words)
        prefix = f"complete -c bunkerctl -n '__bunkerctl_below {path}'"
        lines += [_fish_option(prefix, option) for option in command.options]
        if path in _takes_file(commands):
            lines.append(f"{prefix} -F")
    return "\n".join(lines) + "\n"


def _fish_option(prefix: str, option: grammar.Option) -> str:
    names = " ".join(
        f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names
    )
    value = ""
    if option.metavar in PATHS:
        value = " -r -F"
    elif option.choices:
        value = f" -x -a '{' '.join(option.choices)}'"
    elif option.metavar:
        value = " -x"
    return f"{prefix} {names}{value} -d '{_fish_text(option.help)}'"


def _fish_text(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
