"""What of a module's source can change results: all but comments, docstrings and messages."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

_TELLING = {"HistotileError", "UnreadableTile", "echo", "secho", "print", "warn"}
_LOGGING = {"debug", "info", "warning", "error", "exception"}
_WORDED = {"Finding": {"subject", "fact", "remedy"}, "Alarm": {"fact", "remedy"}}
_NO_MEANING = {"ctx", "type_comment", "type_ignores", "kind"}
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


class _Use(IntEnum):
    """What becomes of a value; the last of a name's uses counts."""

    TOLD = 0  # people are told it, and no result holds it
    WORDED = 1  # it is part of a sentence in a result, or gathered to be told
    COUNTS = 2


@dataclass
class _Silence:
    """Statements that serve messages: left out, or their words left out."""

    whole: set[ast.AST] = field(default_factory=set)
    words: set[ast.AST] = field(default_factory=set)


def digest_source(source: bytes) -> str:
    """64 hex digits that stay when comments, docstrings, layout or messages alone change.

    Messages are what `raise`, errors, `click.echo` and loggers are given, and what is worked out
    for them alone; of findings and alarms, which stand in results, the words but not the numbers.

    >>> one, other = b'raise KeyError("no file")', b'raise KeyError("not there")  # why'
    >>> digest_source(one) == digest_source(other)
    True
    """
    tree = ast.parse(source)
    words = _meaning(tree, _silence(tree), wordless=False)
    return hashlib.sha256("\0".join(words).encode("utf-8", "surrogatepass")).hexdigest()


def _meaning(node: ast.AST, silence: _Silence, wordless: bool) -> Iterator[str]:
    """The parts of a tree that carry meaning, in order."""
    if node in silence.whole or _is_docstring(node):
        return
    wordless = wordless or node in silence.words
    if wordless and isinstance(node, ast.Constant) and isinstance(node.value, str):
        return
    uses = _uses_of_children(node)
    yield type(node).__name__
    for name, value in ast.iter_fields(node):
        if name in _NO_MEANING or value is None or value == []:
            continue
        parts = value if isinstance(value, list) else [value]
        heard = [part for part in parts if uses.get(id(part)) is not _Use.TOLD]
        if heard:
            yield name
        for part in heard:
            if isinstance(part, ast.AST):
                worded = uses.get(id(part)) is _Use.WORDED
                yield from _meaning(part, silence, wordless or worded)
            else:
                yield repr(part)


def _is_docstring(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _uses_of_children(node: ast.AST) -> dict[int, _Use]:
    """What becomes of a node's children, by `id`, where it is not what counts."""
    if isinstance(node, ast.Assert):
        return {id(node.msg): _Use.TOLD}
    if isinstance(node, ast.Raise):
        return {id(node.cause): _Use.TOLD, id(node.exc): _Use.WORDED}
    if not isinstance(node, ast.Call):
        return {}
    name = _name(node)
    if name in _TELLING or name.endswith(("Error", "Warning")) or _logs(node, name):
        return {id(part): _Use.TOLD for part in (*node.args, *node.keywords)}
    names = _WORDED.get(name, set())
    sentences = [*(k for k in node.keywords if k.arg in names), *(node.args[2:] if names else ())]
    return {id(part): _Use.WORDED for part in sentences}


def _name(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id
    return function.attr if isinstance(function, ast.Attribute) else ""


def _logs(call: ast.Call, name: str) -> bool:
    return name in _LOGGING and "log" in ast.unparse(call.func).lower()


def _silence(tree: ast.Module) -> _Silence:
    """Assignments in functions, and private definitions of the module, that serve messages."""
    silence = _Silence()
    scopes: list[Any] = [node for node in ast.walk(tree) if isinstance(node, _FUNCTIONS)]
    while True:
        before = len(silence.whole), len(silence.words)
        for scope in scopes:
            _hush(scope, silence, ast.walk(scope))
        _hush(tree, silence, tree.body)
        if (len(silence.whole), len(silence.words)) == before:
            return silence


def _hush(scope: ast.AST, silence: _Silence, places: Iterable[ast.AST]) -> None:
    """Adds what is bound in these places under names that only messages of the scope read."""
    uses: dict[str, _Use] = {}
    for name, use in _reads(scope, silence, _Use.COUNTS):
        uses[name] = max(use, uses.get(name, use))
    for node in places:
        for name in _bound(node, private=isinstance(scope, ast.Module)):
            if uses.get(name) is _Use.TOLD:
                silence.whole.add(node)
            elif uses.get(name) is _Use.WORDED and not isinstance(node, _FUNCTIONS):
                silence.words.add(node)


def _bound(node: ast.AST, private: bool) -> Iterator[str]:
    """The name that a statement gives a value, or adds to: `x = ...`, `x += ...`, `x.append()`."""
    target: ast.AST | None = None
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
    elif isinstance(node, (ast.AnnAssign, ast.AugAssign)):
        target = node.target
    elif isinstance(node, ast.Expr):
        target = _appended_to(node.value)
    name = target.id if isinstance(target, ast.Name) else ""
    if isinstance(node, _FUNCTIONS) and private:
        name = node.name
    if name and (not private or name.startswith("_")):
        yield name


def _appended_to(node: ast.AST) -> ast.AST | None:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.value if node.func.attr in {"append", "extend"} else None
    return None


def _reads(node: ast.AST, silence: _Silence, use: _Use) -> Iterator[tuple[str, _Use]]:
    """Names that are read below a node, and what becomes of their values."""
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
        yield node.id, use
    elif isinstance(node, (ast.Global, ast.Nonlocal)):
        yield from ((name, _Use.COUNTS) for name in node.names)
    if node in silence.whole:
        use = _Use.TOLD
    elif node in silence.words:
        use = min(use, _Use.WORDED)
    own = _uses_of_children(node)
    for child in ast.iter_child_nodes(node):
        lesser = min(use, own.get(id(child), use))
        if isinstance(child, ast.Name) and _is_neutral(node, child):
            lesser = min(lesser, _Use.WORDED)
        yield from _reads(child, silence, lesser)


def _is_neutral(node: ast.AST, child: ast.Name) -> bool:
    """Whether a name is asked only whether there is anything, or for a place to add to."""
    if isinstance(node, ast.If):
        return child is node.test
    return isinstance(node, ast.Attribute) and node.attr in {"append", "extend"}
