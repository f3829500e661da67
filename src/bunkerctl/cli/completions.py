"""Completion scripts for bash, zsh and fish: static, so that completing never runs the program.

All three walk over the words before the cursor: `path` is the words of the command so far, each
with a space before it, `option` the one whose value comes next, `about` is `help` or `schema`,
behind which the words of commands come again. Then one table gives what fits.
"""

from __future__ import annotations

from bunkerctl import config
from bunkerctl.cli import grammar
from bunkerctl.model import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FILES = {"bash": "bunkerctl.bash", "zsh": "_bunkerctl", "fish": "bunkerctl.fish"}
"""The scripts for the shells, by their names."""

NOTE = "# Made by `make docs` from the command table; do not edit."
PATHS = ("FILE", "DIR", "PATH")
SETTING_PATHS = (("config", "get"), ("config", "set"))


class Place(Value):
    """What may come behind the words of `path`: words with their meanings, options, files."""

    path: str
    words: list[tuple[str, str]]
    options: tuple[grammar.Option, ...]
    files: bool


def script(shell: str) -> str:
    """Return the script for one of the shells of FILES."""
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](_places())


def _places() -> list[Place]:
    commands = grammar.load_all()
    paths = {words[:count] for words in commands for count in range(len(words) + 1)}
    return [_place(path, commands) for path in sorted(paths)]


def _place(path: tuple[str, ...], commands: dict[tuple[str, ...], grammar.Command]) -> Place:
    below = [words for words in commands if words[: len(path)] == path and words != path]
    words = {found[len(path)]: _about((*path, found[len(path)]), commands) for found in below}
    command = commands.get(path)
    arguments = command.arguments if command else ()
    words |= {choice: one.help for one in arguments for choice in one.choices}
    if path in SETTING_PATHS:
        words |= {name: setting.help for name, setting in config.SETTINGS.items()}
    return Place(
        path="".join(f" {word}" for word in path),
        words=list(words.items()),
        options=command.options if command else (),
        files=any(one.metavar in PATHS for one in arguments),
    )


def _about(words: tuple[str, ...], commands: dict[tuple[str, ...], grammar.Command]) -> str:
    return grammar.GROUPS.get(" ".join(words)) or commands[words].summary()


def _values(places: Iterable[Place]) -> Iterator[tuple[list[str], tuple[str, ...]]]:
    """Yield patterns of `path option` and the choices there, none for files; own options first."""
    for place in places:
        for option in place.options:
            if option.choices or option.metavar in PATHS:
                yield [f"'{place.path} {name}'" for name in option.names], option.choices
    for option in grammar.GLOBALS:
        if option.choices or option.metavar in PATHS:
            yield [f"*' {name}'" for name in option.names], option.choices


def _valued(places: Iterable[Place]) -> list[str]:
    """Return the names of all options that take a value."""
    options = [*grammar.GLOBALS, *(option for place in places for option in place.options)]
    return sorted({name for option in options if option.metavar for name in option.names})


def _patterns(places: Iterable[Place]) -> list[str]:
    return [f"'{place.path}'" for place in places if place.path]


def _names(options: Iterable[grammar.Option]) -> list[str]:
    return [name for option in options for name in option.names]


def _topics() -> dict[str, list[str]]:
    """Return what comes behind `help` and `schema` besides the words of commands."""
    from bunkerctl.cli import manual, schemas

    return {"help": list(manual.TOPICS), "schema": [schemas.ERROR_NAME]}


def _bash(places: list[Place]) -> str:
    rows = []
    for place in places:
        words = f'words="{" ".join(word for word, _ in place.words)}"; ' if place.words else ""
        options = f'options="{" ".join(_names(place.options))}"; ' if place.options else ""
        files = "files=1 " if place.files else ""
        rows.append(f"'{place.path}') {words}{options}{files};;")
    values = [
        f'{"|".join(patterns)}) words="{" ".join(choices)}" files={"" if choices else 1} ;;'
        for patterns, choices in _values(places)
    ]
    topics = [f"{about}) words+=' {' '.join(more)}' ;;" for about, more in _topics().items()]
    return f"""{NOTE}
_bunkerctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} path= option= about= words= options= files= word i
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${{COMP_WORDS[i]}}
        if [[ $word == = ]]; then continue; fi  # bash takes --option=value apart
        if [[ $option ]]; then option=; continue; fi
        case $word in
            {"|".join(_valued(places))}) option=$word ;;
            -*) ;;
            *) case "$about$path $word" in
                ' help'|' schema') about=$word ;;
                *) case "$path $word" in
                    {"|".join(_patterns(places))}) path+=" $word" ;;
                esac ;;
            esac ;;
        esac
    done
    if [[ $cur == = ]]; then cur=; fi
    COMPREPLY=()
    if [[ $option ]]; then
        case "$path $option" in
{_indented(values, 12)}
        esac
    else
        case $path in
{_indented(rows, 12)}
        esac
        if [[ $cur == -* ]]; then
            words="$options {" ".join(_names(grammar.GLOBALS))}" files=
        elif [[ -z $path ]]; then
            case $about in
{_indented(topics, 16)}
            esac
        fi
    fi
    for word in $words; do
        if [[ $word == "$cur"* ]]; then COMPREPLY+=("$word"); fi
    done
    if [[ $files ]]; then compopt -o default; fi
}}
complete -F _bunkerctl bunkerctl
"""


def _zsh(places: list[Place]) -> str:
    rows = []
    for place in places:
        words = f"below=({_described(place.words)}); " if place.words else ""
        own = [(name, option.help) for option in place.options for name in option.names]
        options = f"options=({_described(own)}); " if own else ""
        files = "files=1 " if place.files else ""
        rows.append(f"('{place.path}') {words}{options}{files};;")
    values = [
        f"({'|'.join(patterns)}) {'compadd -- ' + ' '.join(choices) if choices else '_files'} ;;"
        for patterns, choices in _values(places)
    ]
    topics = [f"({about}) below+=({' '.join(more)}) ;;" for about, more in _topics().items()]
    everywhere = [(name, option.help) for option in grammar.GLOBALS for name in option.names]
    return f"""#compdef bunkerctl
{NOTE}
_bunkerctl() {{
    local -a below options
    local path_ option about files word i
    for ((i = 2; i < CURRENT; i++)); do
        word=${{words[i]}}
        if [[ -n $option ]]; then option=; continue; fi
        case $word in
            ({"|".join(_valued(places))}) option=$word ;;
            (-*) ;;
            (*) case "$about$path_ $word" in
                (' help'|' schema') about=$word ;;
                (*) case "$path_ $word" in
                    ({"|".join(_patterns(places))}) path_+=" $word" ;;
                esac ;;
            esac ;;
        esac
    done
    word=${{words[CURRENT]}}
    if [[ $word == --*=* ]]; then option=${{word%%=*}}; compset -P '*='; fi
    if [[ -n $option ]]; then
        case "$path_ $option" in
{_indented(values, 12)}
        esac
        return
    fi
    case $path_ in
{_indented(rows, 8)}
    esac
    if [[ $word == -* ]]; then
        options+=({_described(everywhere)})
        _describe -o option options
        return
    fi
    if [[ -z $path_ ]]; then
        case $about in
{_indented(topics, 12)}
        esac
    fi
    if (( $#below )); then _describe command below; fi
    if [[ -n $files ]]; then _files; fi
}}
_bunkerctl "$@"
"""


def _fish(places: list[Place]) -> str:
    rows = []
    for place in places:
        lines = [f"case '{place.path}'"]
        if place.words:
            lines.append(f"    set words {_tabbed(place.words)}")
        if place.options:
            own = [(name, option.help) for option in place.options for name in option.names]
            lines.append(f"    set options {_tabbed(own)}")
        if place.files:
            lines.append("    set files 1")
        rows += lines if len(lines) > 1 else []
    values = []
    for patterns, choices in _values(places):
        values.append("case " + " ".join(patterns).replace("*'", "'*"))
        values.append(f"    set words {' '.join(choices)}" if choices else "    set files 1")
    topics = [
        line
        for about, more in _topics().items()
        for line in (f"case {about}", f"    set -a words {' '.join(more)}")
    ]
    everywhere = [(name, option.help) for option in grammar.GLOBALS for name in option.names]
    return f"""{NOTE}
function __bunkerctl
    set -l path ''
    set -l option ''
    set -l about ''
    set -l before ''
    set -l words
    set -l options
    set -l files
    for word in (commandline -opc)[2..]
        if test -n "$option"
            set option ''
            continue
        end
        switch $word
            case {" ".join(_valued(places))}
                set option $word
            case '-*'
            case '*'
                switch "$about$path $word"
                    case ' help' ' schema'
                        set about $word
                    case '*'
                        switch "$path $word"
                            case {" ".join(_patterns(places))}
                                set path "$path $word"
                        end
                end
        end
    end
    set -l current (commandline -ct)
    if string match -q -- '--*=*' $current
        set option (string replace -r '=.*' '' -- $current)
        set before $option=
        set current (string replace -r '^[^=]*=' '' -- $current)
    end
    if test -n "$option"
        switch "$path $option"
{_indented(values, 12)}
        end
    else
        switch $path
{_indented(rows, 12)}
        end
        if string match -q -- '-*' $current
            set words $options {_tabbed(everywhere)}
            set files
        else if test -z "$path"
            switch $about
{_indented(topics, 16)}
            end
        end
    end
    for word in $words
        echo $before$word
    end
    if test -n "$files"
        for word in (__fish_complete_path $current)
            echo $before$word
        end
    end
end
complete -c bunkerctl -f -a '(__bunkerctl)'
"""


def _indented(lines: Iterable[str], depth: int) -> str:
    return "\n".join(" " * depth + line for line in lines)


def _described(words: Iterable[tuple[str, str]]) -> str:
    """Return words as `_describe` of zsh takes them."""
    return " ".join(
        "'{}:{}'".format(word, meaning.replace("'", "'\\''")) for word, meaning in words
    )


def _tabbed(words: Iterable[tuple[str, str]]) -> str:
    """Return words as fish takes them: their meaning behind a tab."""
    return " ".join(
        "{}\\t'{}'".format(word, meaning.replace("\\", "\\\\").replace("'", "\\'"))
        for word, meaning in words
    )
