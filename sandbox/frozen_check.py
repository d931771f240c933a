"""Whether a genome left the frozen modules as they were: noted before it runs, compared when its child ends.

What is compared: which modules there are and who finds them; what each name of a module means; the members
of its classes; the code and the defaults of its functions. What frozen code rebinds by itself, a counter or a
cache, may change. What lists and dicts hold is not compared: caches live there.
"""

from __future__ import annotations

import ast
import builtins
import sys
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from evoarch.sandbox.frozen_loader import FrozenFinder


class ChangedError(RuntimeError):
    """A genome changed a frozen module."""


@dataclass(frozen=True)
class _Kept:
    """A module or a class as it was."""

    owner: types.ModuleType | type
    names: Mapping[str, object]
    functions: tuple[tuple[types.FunctionType, tuple[object, ...]], ...]


_kept: dict[str, list[_Kept]] = {}
_finders: list[object] = []
_GONE = object()


def remember(held: FrozenFinder) -> None:
    """Notes all modules that ran since the last call, and who finds modules."""
    _finders[:] = _hooks()
    for name, module in held.made.items():
        if name not in _kept:
            own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == name]
            _kept[name] = [_keep(module), *map(_keep, own)]


def check(held: FrozenFinder) -> None:
    """Raises ChangedError where a module is not what it was."""
    if _hooks() != _finders:
        raise ChangedError("the genome changed how modules are found (sys.meta_path)")
    for name, module in held.made.items():
        if sys.modules.get(name) is not module:
            raise ChangedError(f"the genome replaced the frozen module {name}")
    for name, owners in _kept.items():
        for kept in owners:
            for attribute in _changes(kept):
                if not _rebinds(held, name, attribute):
                    raise ChangedError(f"the genome changed the frozen {name}: {attribute}")


def _hooks() -> list[object]:
    return [*sys.meta_path, *sys.path_hooks, builtins.__import__]


def _keep(owner: types.ModuleType | type) -> _Kept:
    names = dict(vars(owner))
    own = owner.__name__ if isinstance(owner, types.ModuleType) else owner.__module__
    functions = (f for f in map(_inner, names.values()) if isinstance(f, types.FunctionType))
    return _Kept(owner, names, tuple((f, _state(f)) for f in functions if f.__module__ == own))


def _inner(value: object) -> object:
    if isinstance(value, classmethod | staticmethod):
        return value.__func__
    return value.fget if isinstance(value, property) else value


def _state(function: types.FunctionType) -> tuple[object, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def _changes(kept: _Kept) -> Iterator[str]:
    """Names that mean something else now, and new ones that frozen code would find."""
    now = vars(kept.owner)
    for name, value in kept.names.items():
        if now.get(name, _GONE) is not value:
            yield name
    for function, state in kept.functions:
        if any(a is not b for a, b in zip(_state(function), state, strict=True)):
            yield function.__name__
    if len(now) != len(kept.names):
        for name in now.keys() - kept.names.keys():
            # A module that is imported later becomes a name of its package; Python notes things as __names__.
            special = name.startswith("__") and not callable(now[name])
            if not special and not isinstance(now[name], types.ModuleType):
                yield name


def _rebinds(held: FrozenFinder, module: str, name: str) -> bool:
    """Whether frozen code may do so itself: its texts are read only where something has changed."""
    if b"globals()" in held.sources[module] or b"sys.modules[__name__]" in held.sources[module]:
        return True
    return any(
        _writes(node, name)
        for source in held.sources.values()
        if name.encode() in source
        for node in ast.walk(ast.parse(source))
    )


def _writes(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Global):
        return name in node.names
    if isinstance(node, ast.Attribute) and node.attr == name and not isinstance(node.ctx, ast.Load):
        return not (isinstance(node.value, ast.Name) and node.value.id == "self")
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("setattr", "delattr")
    ):
        return any(isinstance(argument, ast.Constant) and argument.value == name for argument in node.args)
    return False
