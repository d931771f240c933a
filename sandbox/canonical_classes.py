"""Which attributes belong to a file's own classes alone, and so may be renamed."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from evoarch.sandbox.canonical_scopes import FUNCTION, Scope, Scopes, Site, Variable
from evoarch.sandbox.words import words

MODULE_NAMES = words(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda double
    dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter get_submodule
    half ipu load_state_dict modules mtia named_buffers named_children named_modules named_parameters
    parameters register_backward_hook register_buffer register_forward_hook register_forward_pre_hook
    register_full_backward_hook register_full_backward_pre_hook register_load_state_dict_post_hook
    register_load_state_dict_pre_hook register_module register_parameter register_state_dict_post_hook
    register_state_dict_pre_hook requires_grad_ set_extra_state set_submodule share_memory state_dict to
    to_empty train training type xpu zero_grad _apply _backward_hooks _backward_pre_hooks _buffers
    _call_impl _compiled_call_impl _forward_hooks _forward_hooks_always_called
    _forward_hooks_with_kwargs _forward_pre_hooks _forward_pre_hooks_with_kwargs _get_backward_hooks
    _get_backward_pre_hooks _get_name _is_full_backward_hook _load_from_state_dict
    _load_state_dict_post_hooks _load_state_dict_pre_hooks _maybe_warn_non_full_backward_hook _modules
    _named_members _non_persistent_buffers_set _parameters _register_load_state_dict_pre_hook
    _register_state_dict_hook _replicate_for_data_parallel _save_to_state_dict _slow_forward
    _state_dict_hooks _state_dict_pre_hooks _version _wrapped_call_impl
    """
)
"""The names of torch.nn.Module itself (a test holds this against torch)."""

NAMED = words(
    """
    named_buffers named_children named_modules named_parameters state_dict load_state_dict weight_norm
    spectral_norm orthogonal parametrize parametrizations remove_parametrizations prune attrgetter
    _modules _parameters _buffers
    """
)
"""Names that hand out attribute names as strings, or take them so: then no attribute is renamed."""

NAMING = frozenset({"register_buffer", "register_parameter", "add_module", "register_module"})
"""Methods whose first argument makes an attribute."""

PLAIN = frozenset({"torch.nn.Module", "object"})


@dataclass(eq=False)
class _Family:
    """Classes of the file that are tied by inheritance, and so share their attributes."""

    own: bool = True
    """Whether nothing but nn.Module and object stands above them."""
    sites: dict[str, list[Site]] = field(default_factory=dict)
    stored: set[str] = field(default_factory=set)


class SelfAttributes:
    """The attributes that are only ever reached through `self` or `super()` of a file's own classes."""

    def __init__(self, nodes: Sequence[ast.AST], scopes: Scopes, strings: set[str]) -> None:
        self._scopes = scopes
        self._classes = [node for node in nodes if isinstance(node, ast.ClassDef)]
        self._variable = {self._scopes.of[node]: node for node in self._classes}
        self._blocked = MODULE_NAMES | strings
        self._family: dict[ast.ClassDef, _Family] = {}
        self._possible = self._can_be_told(nodes) and self._relate()
        if self._possible:
            self._collect(nodes)

    def groups(self) -> Iterator[list[Site]]:
        if not self._possible:
            return
        for family in dict.fromkeys(self._family.values()):
            for name, sites in family.sites.items():
                safe = name in family.stored and name not in self._blocked and not name.startswith("__")
                if family.own and safe:
                    yield sites

    def _can_be_told(self, nodes: Sequence[ast.AST]) -> bool:
        """Whether no name is handed over as a computed string, or a method called on a foreign object."""
        for node in nodes:
            if isinstance(node, ast.Name) and (node.id in NAMED or node.id.startswith("__")):
                return False
            if isinstance(node, ast.alias) and node.name in NAMED:
                return False
            if isinstance(node, ast.Attribute):
                special = node.attr.startswith("__") and node.attr != "__init__"
                receiver = self._scopes.of.get(node.value)
                if node.attr in NAMED or special or receiver in self._variable:
                    return False
            if isinstance(node, ast.Call) and not _names_by_literal(node):
                return False
            if isinstance(node, FUNCTION) and node.name.startswith("__") and "attr" in node.name:
                return False
        return True

    def _relate(self) -> bool:
        """Puts every class into its family. False where some base can't be told."""
        for node in self._classes:
            family = self._family.setdefault(node, _Family())
            family.own = family.own and not node.keywords and not node.decorator_list
            if self._scopes.of[node].kinds != ["class"]:
                return False
            for base in node.bases:
                variable = self._scopes.of.get(base)
                if variable in self._variable:
                    self._merge(node, self._variable[variable])
                elif isinstance(base, ast.Name | ast.Attribute) and self._from_library(base):
                    family = self._family[node]
                    family.own = family.own and ast.unparse(base) in PLAIN
                else:
                    return False
        return True

    def _from_library(self, base: ast.expr) -> bool:
        while isinstance(base, ast.Attribute):
            base = base.value
        variable = self._scopes.of.get(base)
        if variable is None:
            return isinstance(base, ast.Name)
        return set(variable.kinds) == {"import"}

    def _merge(self, one: ast.ClassDef, other: ast.ClassDef) -> None:
        first, second = self._family[one], self._family.setdefault(other, _Family())
        first.own = first.own and second.own
        for node, family in self._family.items():
            if family is second:
                self._family[node] = first

    def _collect(self, nodes: Sequence[ast.AST]) -> None:
        for node, scope, order in self._scopes.attributes:
            owner = self._owner(node.value, scope)
            if owner is None:
                self._blocked |= {node.attr}
                continue
            self._add(self._family[owner], node.attr, [Site(node, "attr", None, order)])
            if not isinstance(node.ctx, ast.Load):
                self._family[owner].stored.add(node.attr)
        for variable in self._scopes.variables:
            node_of_class = variable.scope.node
            if isinstance(node_of_class, ast.ClassDef):
                if variable.ambiguous or "import" in variable.kinds:
                    self._blocked |= {variable.name}
                family = self._family[node_of_class]
                self._add(family, variable.name, variable.sites)
                family.stored.add(variable.name)
        for node_ in nodes:
            if isinstance(node_, ast.MatchClass):
                self._blocked |= set(node_.kwd_attrs)

    @staticmethod
    def _add(family: _Family, name: str, sites: list[Site]) -> None:
        family.sites.setdefault(name, []).extend(sites)

    def _owner(self, receiver: ast.expr, scope: Scope) -> ast.ClassDef | None:
        """The class whose object `receiver` is: its method's first parameter, or `super()`."""
        if isinstance(receiver, ast.Call):
            if not (isinstance(receiver.func, ast.Name) and receiver.func.id == "super"):
                return None
            around: Scope | None = scope
            while around is not None and around.kind != "class":
                around = around.parent
            owner = around.node if around is not None else None
            return owner if isinstance(owner, ast.ClassDef) else None
        variable = self._scopes.of.get(receiver)
        return None if variable is None else _class_of(variable)


def _names_by_literal(call: ast.Call) -> bool:
    """Whether the call makes no attribute, or says its name in a string that can be read here."""
    if not (isinstance(call.func, ast.Attribute) and call.func.attr in NAMING):
        return True
    names = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    return len(names) == 1 and isinstance(names[0], ast.Constant)


def _class_of(variable: Variable) -> ast.ClassDef | None:
    function, parent = variable.scope.node, variable.scope.parent
    if variable.kinds != ["param"] or parent is None or not isinstance(parent.node, ast.ClassDef):
        return None
    if not isinstance(function, FUNCTION) or not _binds_self(function):
        return None
    positional = [*function.args.posonlyargs, *function.args.args]
    return parent.node if positional and positional[0].arg == variable.name else None


def _binds_self(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether its first parameter is an object of the class (or the class)."""
    known = {"property", "classmethod", "torch.no_grad()", "functools.cached_property"}
    return all(ast.unparse(decorator) in known for decorator in function.decorator_list)
