"""The script for bash; zsh runs it too, by its own emulation of bash's completion."""

import shlex
from collections import defaultdict
from collections.abc import Iterable, Sequence

from .grammar import Line, Value

_ENGINE = """\
# Completion of Arboretum's commands, made by `manage.py completion`. Load it with:
#   eval "$(python manage.py completion SHELL)"
_arboretum_words() {
    case "$1" in
%(words)s
    esac
}
_arboretum_option() {
    case "$1" in
%(options)s
    *) echo flag ;;
    esac
}
_arboretum_positional() {
    case "$1" in
%(positionals)s
    *) echo anything ;;
    esac
}
_arboretum_offer() {
    local kind="$1" cur="$2" list=""
    case "$kind" in
    words\\ *) list="${kind#words }" ;;
    files) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    anything | flag) return ;;
    *) list="$("${_arboretum_run[@]}" completion --values "$kind" "${_arboretum_as[@]}" 2>/dev/null)" ;;
    esac
    COMPREPLY=($(compgen -W "$list" -- "$cur"))
}
_arboretum() {
    local word line="" kind="" pending="" cur="" raw="" i=0 start=1 places=0 joined=0 IFS=$' \\t\\n'
    local typed=() _arboretum_run=() _arboretum_as=()
    COMPREPLY=()
    # Bash breaks words at these signs, too; here they are one word again.
    for ((i = 0; i <= COMP_CWORD; i++)); do
        word="${COMP_WORDS[i]}"
        if ((i > 0)) && [[ $joined == 1 || $word == [@=:]* ]]; then
            typed[${#typed[@]} - 1]="${typed[${#typed[@]} - 1]}$word"
        else
            typed[${#typed[@]}]="$word"
        fi
        joined=0
        [[ $word == [@=:] ]] && joined=1
    done
    raw="${COMP_WORDS[COMP_CWORD]}"
    [[ $raw == [@=:] ]] && raw=""
    case "${typed[0]##*/}" in
    python*)
        [[ ${typed[1]##*/} == manage.py && ${#typed[@]} -gt 2 ]] || return 0
        start=2
        ;;
    esac
    # A slice of an array is not the same in zsh.
    _arboretum_run=("${typed[0]}")
    ((start == 2)) && _arboretum_run=("${typed[0]}" "${typed[1]}")
    cur="${typed[${#typed[@]} - 1]}"
    for ((i = start; i < ${#typed[@]} - 1; i++)); do
        word="${typed[i]}"
        if [[ -n $pending ]]; then
            [[ $pending == --as ]] && _arboretum_as=(--as "$word")
            pending=""
        elif [[ $word == --*=* ]]; then
            [[ $word == --as=* ]] && _arboretum_as=(--as "${word#--as=}")
        elif [[ $word == -* ]]; then
            [[ "$(_arboretum_option "$line $word")" == flag ]] || pending="$word"
        elif [[ -z $line ]]; then
            line="$word"
        elif [[ "$(_arboretum_positional "$line")" == subcommand && $line != *" "* ]]; then
            line="$line $word"
        else
            places=$((places + 1))
        fi
    done
    if [[ -n $pending ]]; then
        _arboretum_offer "$(_arboretum_option "$line $pending")" "$raw"
    elif [[ $cur == --*=* ]]; then
        _arboretum_offer "$(_arboretum_option "$line ${cur%%%%=*}")" "$raw"
    elif [[ $cur == -* || -z $line ]]; then
        COMPREPLY=($(compgen -W "$(_arboretum_words "$line")" -- "$cur"))
    elif [[ "$(_arboretum_positional "$line")" == subcommand ]]; then
        COMPREPLY=($(compgen -W "$(_arboretum_words "$line subcommands")" -- "$cur"))
    else
        _arboretum_offer "$(_arboretum_positional "$line $places")" "$raw"
    fi
}
complete -o default -F _arboretum manage.py python python3
"""
_ZSH = """\
autoload -Uz compinit bashcompinit
(( $+functions[compdef] )) || compinit
bashcompinit
"""


def bash_script(lines: Sequence[Line]) -> str:
    """Return the script that bash reads."""
    return _ENGINE % {
        "words": _cases(_words(lines)),
        "options": _cases(_options(lines)),
        "positionals": _cases(_positionals(lines)),
    }


def zsh_script(lines: Sequence[Line]) -> str:
    """Return the script that zsh reads."""
    return _ZSH + bash_script(lines)


def told(value: Value | None) -> str:
    """Return a value as the scripts know it: `flag`, `words a b`, or its kind."""
    if value is None:
        return "flag"
    return f"words {' '.join(value.words)}" if value.words else value.kind


def _words(lines: Iterable[Line]) -> list[tuple[str, str]]:
    commands = " ".join(line.words for line in lines if " " not in line.words)
    found = [("", commands), *((line.words, " ".join(line.options)) for line in lines)]
    return found + [(f"{line.words} subcommands", " ".join(line.subcommands)) for line in lines if line.subcommands]


def _options(lines: Iterable[Line]) -> list[tuple[str, str]]:
    return [
        (f"{line.words} {name}", told(value))
        for line in lines
        for name, value in line.options.items()
        if value is not None
    ]


def _positionals(lines: Iterable[Line]) -> list[tuple[str, str]]:
    places = [(f"{line.words} {place}", told(value)) for line in lines for place, value in enumerate(line.positionals)]
    return [*places, *((line.words, "subcommand") for line in lines if line.subcommands)]


def _cases(found: Iterable[tuple[str, str]]) -> str:
    """Return the branches of a `case`: what is answered alike stands together."""
    patterns: defaultdict[str, list[str]] = defaultdict(list)
    for pattern, answer in found:
        patterns[answer].append(shlex.quote(pattern))
    return "\n".join(f"    {'|'.join(all)}) echo {shlex.quote(answer)} ;;" for answer, all in patterns.items())
