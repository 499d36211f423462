"""The script for fish."""

from collections.abc import Iterable, Sequence

from .bash import told
from .grammar import Line

_ENGINE = """\
# Completion of Arboretum's commands, made by `manage.py completion`. Load it with:
#   python manage.py completion fish | source
function __arboretum_answer
    switch $argv[1]
%(answers)s
        case '*'
            echo flag
    end
end
function __arboretum_offer
    set -l kind (string split ' ' -- $argv[1])
    switch $kind[1]
        case words
            string join \\n -- $kind[2..]
        case files
            __fish_complete_path (commandline -ct)
        case anything flag
        case '*'
            set -l run $argv[2..]
            command $run[1] $run[2..] completion --values $kind[1] $__arboretum_as 2>/dev/null
    end
end
function __arboretum
    set -l words (commandline -opc)
    set -l start 1
    if string match -qr '(^|/)python[0-9.]*$' -- $words[1]
        string match -qr '(^|/)manage\\.py$' -- "$words[2]"; or return
        set start 2
    end
    set -g __arboretum_as
    set -l line ''
    set -l pending ''
    set -l places 0
    for word in $words[(math $start + 1)..]
        if test -n "$pending"
            test "$pending" = --as; and set -g __arboretum_as --as $word
            set pending ''
        else if string match -q -- '--*=*' $word
            string match -q -- '--as=*' $word; and set -g __arboretum_as --as (string replace -- --as= '' $word)
        else if string match -q -- '-*' $word
            test (__arboretum_answer "$line $word") = flag; or set pending $word
        else if test -z "$line"
            set line $word
        else if test (__arboretum_answer "$line") = subcommand
            set line "$line $word"
        else
            set places (math $places + 1)
        end
    end
    set -l cur (commandline -ct)
    if test -n "$pending"
        __arboretum_offer (__arboretum_answer "$line $pending") $words[1..$start]
    else if string match -q -- '-*' "$cur"; or test -z "$line"
        __arboretum_offer (__arboretum_answer "$line options")
    else if test (__arboretum_answer "$line") = subcommand
        __arboretum_offer (__arboretum_answer "$line subcommands")
    else
        __arboretum_offer (__arboretum_answer "$line $places") $words[1..$start]
    end
end
function __arboretum_is_ours
    set -l words (commandline -opc)
    string match -qr '(^|/)manage\\.py$' -- $words[1] "$words[2]"
end
for program in manage.py python python3
    complete -c $program -n __arboretum_is_ours -f -a '(__arboretum)'
end
"""


def fish_script(lines: Sequence[Line]) -> str:
    """Return the script that fish reads."""
    return _ENGINE % {"answers": "\n".join(_case(pattern, answer) for pattern, answer in _answers(lines))}


def _answers(lines: Sequence[Line]) -> Iterable[tuple[str, str]]:
    yield " options", f"words {' '.join(line.words for line in lines if ' ' not in line.words)}"
    for line in lines:
        yield f"{line.words} options", f"words {' '.join(line.options)}"
        for name, value in line.options.items():
            if value is not None:
                yield f"{line.words} {name}", told(value)
        for place, value in enumerate(line.positionals):
            yield f"{line.words} {place}", told(value)
        if line.subcommands:
            yield line.words, "subcommand"
            yield f"{line.words} subcommands", f"words {' '.join(line.subcommands)}"


def _case(pattern: str, answer: str) -> str:
    return f"        case {_quoted(pattern)}\n            echo {_quoted(answer)}"


def _quoted(text: str) -> str:
    """Return `text` as fish reads it in single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
