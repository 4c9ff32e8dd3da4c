"""Compile kernels that only kernels call as parts of their callers, and what numba does more than once only once.

numba makes machine code of every function, and optimises it again wherever it has been inlined. Here what no Python
code calls stays as it was written down for LLVM (a `Part`): whatever calls it is optimised with all it calls at once.
Called from Python later, it is compiled as others are.

This looks into numba, so it is done with the versions it was made for only; others compile as they do, and longer.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from types import BuiltinFunctionType
from typing import Any

import numba
from llvmlite.binding import Linkage, parse_bitcode
from numba.core import config, ir, sigutils, types
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_lock import global_compiler_lock
from numba.core.datamodel.models import TupleModel, UniTupleModel
from numba.core.datamodel.registry import default_manager
from numba.core.environment import lookup_environment
from numba.core.targetconfig import ConfigStack, TargetConfig
from numba.extending import register_jitable
from numba.np import arrayobj

LINKS = numba.__version__.rpartition(".")[0] in ("0.68",)
"""Whether this is a numba that all this was made for."""
ENOUGH = 2
"""Level to which LLVM optimises: at the highest, 3, kernels take longer to compile and are no faster."""
ENVIRONMENT = "_ZN08NumbaEnv"
"""What the names of all environments begin with: what numba keeps for a function beside its code."""

_known: dict[Any, dict[Any, Any]] = {}
_hashes: dict[type, int] = {}


class Part(JITCodeLibrary):
    """The code of one function, linked with that of all it calls when machine code of it is asked for."""

    _shared = b""
    """Of a kernel that was kept: bitcode for others to be linked with."""

    def add_linking_library(self, library: Any) -> None:
        """What it calls; nothing of that has to be compiled yet."""
        self._linking_libraries.append(library)

    def _optimize_functions(self, ll_module: Any) -> None:
        """Leave it to `finalize`, which sees the callers too."""
        ll_module.data_layout = self._codegen._data_layout

    def get_pointer_to_function(self, name: str) -> int:
        """Address of machine code; 0, as numba has it, for what is not in here: the wrapper that Python calls."""
        if not self._finalized:
            try:
                self._final_module.get_function(name)
            except NameError:
                return 0
            self.finalize()
        return int(super().get_pointer_to_function(name))

    def serialize_using_object_code(self) -> Any:
        """Numba's, with the names of what it defines: `_unserialize` need not look for them."""
        name, kind, (code, shared) = super().serialize_using_object_code()
        module = self._get_module_for_linking()
        defined = [
            value.name
            for values in (module.functions, module.global_variables)
            for value in values
            if not value.is_declaration
        ]
        return name, kind, (code, shared, defined)

    @classmethod
    def _unserialize(cls, codegen: Any, state: Any) -> Any:
        """Numba's, but what others are linked with is parsed when one is: for most runs it is not."""
        name, _, (code, shared, defined) = state
        library = codegen.create_library(name)
        library.enable_object_caching()
        library._set_compiled_object(code)
        library._shared = shared
        library._finalize_final_module()
        codegen._engine._defined_symbols.update(defined)
        return library

    def _ensure_finalized(self) -> None:
        """Nothing but `get_pointer_to_function` needs machine code."""

    def finalize(self) -> None:
        """Make machine code."""
        codegen: Any = self._codegen
        codegen._check_llvm_bugs()
        self._raise_if_finalized()
        self._shared_module = None
        self._link_into(self._final_module)
        # callers are optimised with it as it was, or they would depend on which kernel was compiled first
        self._shared_module = _for_others(self._final_module)
        level: Any = config
        passes, builder = codegen._module_pass_manager(opt=min(int(level.OPT), ENOUGH))
        passes.run(self._final_module, builder)
        self._finalize_final_module()
        for name in [value.name for value in self._final_module.global_variables]:
            environment = lookup_environment(name) if name.startswith(ENVIRONMENT) else None
            if environment is not None:
                codegen.set_env(name, environment)

    def _get_module_for_linking(self) -> Any:
        """For libraries of numba's own kind: this and all it calls."""
        if self._shared_module is None and self._shared:
            self._shared_module = parse_bitcode(self._shared)
        if self._finalized:
            return super()._get_module_for_linking()
        if self._shared_module is None:
            module = self._own()
            self._link_into(module)
            self._shared_module = module
        return self._shared_module

    def _own(self) -> Any:
        """The function without what it calls, to be dropped where it is not called."""
        if self._finalized:
            return self._get_module_for_linking()
        return _for_others(self._final_module)

    def _link_into(self, module: Any) -> None:
        """Add all it calls, callers first: LLVM takes only functions that something has called so far."""
        found: dict[Any, None] = {}
        _visit(self, found)
        for library in list(found)[-2::-1]:
            self._reload_init.update(library._reload_init)
            other = library._own() if isinstance(library, Part) else library._get_module_for_linking()
            module.link_in(other, preserve=True)


def _for_others(module: Any) -> Any:
    """A copy to be linked with, of which what nobody calls is dropped."""
    copy = module.clone()
    for function in copy.functions:
        if not function.is_declaration and function.linkage == Linkage.external:
            function.linkage = "linkonce_odr"
    return copy


def _visit(library: Any, found: dict[Any, None]) -> None:
    """Libraries that this one needs, and this after them."""
    if isinstance(library, Part) and not library._finalized:
        for other in library._linking_libraries:
            if other not in found:
                _visit(other, found)
    found[library] = None


class _Handed:
    """A record goes from kernel to kernel as it is: numba takes it apart to the last word, and back, in every call."""

    def get_argument_type(self) -> Any:
        """What LLVM knows it as."""
        return self.get_value_type()  # type: ignore[attr-defined]

    def as_argument(self, _: Any, value: Any) -> Any:
        """In the caller."""
        return value

    def from_argument(self, _: Any, value: Any) -> Any:
        """In the kernel that is called."""
        return value


class _Record(_Handed, TupleModel):
    """Of fields of several types."""


class _Row(_Handed, UniTupleModel):
    """Of fields of one type."""


def _of_ours(ours: type, others: type) -> Callable[[Any, Any], Any]:
    """How numba sees a named tuple: those of this package have a way of their own."""

    def model(manager: Any, kind: Any) -> Any:
        own = kind.instance_class.__module__.partition(".")[0] == __name__.partition(".")[0]
        return (ours if own else others)(manager, kind)

    return model


if LINKS:
    default_manager.register(types.NamedTuple, _of_ours(_Record, TupleModel))
    default_manager.register(types.NamedUniTuple, _of_ours(_Row, UniTupleModel))


class Whole(Compiler):
    """Compiles what Python calls."""


class Linked(Compiler):
    """Compiles what other kernels call: without the wrapper that Python calls."""

    def define_pipelines(self) -> Any:
        """Numba's; what is set here is not looked at where it tells by the flags whether it knows a function."""
        self.state.flags.no_cpython_wrapper = True
        return super().define_pipelines()


def is_linked_only(compiled: Any) -> bool:
    """Whether there is no machine code of a compiled function."""
    return isinstance(compiled.library, Part) and not compiled.library._finalized


def link(kernel: Any) -> None:
    """Compile a kernel as a `Part` where another kernel asks for it, and as a whole where Python does."""
    if not LINKS:
        return
    compile_kernel, add_overload, resolve = kernel.compile, kernel.add_overload, kernel.get_call_template
    asked = [False]  # by another kernel

    def compile_one(signature: Any) -> Any:
        with global_compiler_lock, _in_parts(kernel.targetctx.codegen(), kernel.typingctx):
            linked, asked[0] = asked[0], False
            arguments, _ = sigutils.normalize_signature(signature)
            known = kernel.overloads.get(tuple(arguments))
            if known and not linked and is_linked_only(known):
                del kernel.overloads[tuple(arguments)]
            kernel._compiler.pipeline_class = Linked if linked else Whole
            return compile_kernel(signature)

    def add(compiled: Any) -> None:
        if is_linked_only(compiled):
            kernel.overloads[tuple(compiled.signature.args)] = compiled
        else:
            add_overload(compiled)

    def get_call_template(arguments: Any, named: Any) -> Any:
        asked[0] = True
        try:
            return resolve(arguments, named)
        finally:
            asked[0] = False

    kernel.compile, kernel.add_overload, kernel.get_call_template = compile_one, add, get_call_template


@contextmanager
def _in_parts(codegen: Any, typing: Any) -> Iterator[None]:
    """Let numba work as this module wants it, until the outermost kernel is compiled; needs the compiler's lock."""
    if codegen._library_class is Part:
        yield
        return
    set_environment = codegen.set_env

    def set_env(name: str, environment: Any) -> None:
        if codegen._engine.is_symbol_defined(name):
            set_environment(name, environment)

    with ExitStack() as stack:
        _replace(stack, codegen, "_library_class", Part)
        _replace(stack, Compiler, "define_pipelines", _without_wrapper_for_c(Compiler.define_pipelines))
        _replace(stack, codegen, "set_env", set_env)
        _replace(stack, typing, "resolve_function_type", _remembered(typing.resolve_function_type))
        _replace(stack, TargetConfig, "__hash__", _flags_hash)
        _replace(stack, TargetConfig, "__eq__", _flags_equal)
        _replace(stack, ir.Inst, "_rec_list_vars", _variables)
        _replace(stack, types.Type, "__hash__", _hashed_once())
        if hasattr(arrayobj, "raise_with_shape_context"):
            _replace(stack, arrayobj, "raise_with_shape_context", _refuse)
        if gc.isenabled():  # of the many objects that a compiler makes, next to none is garbage before its end
            stack.callback(gc.enable)
            gc.disable()
        yield


def _replace(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    if name in vars(owner):
        stack.callback(setattr, owner, name, vars(owner)[name])
    else:
        stack.callback(delattr, owner, name)
    setattr(owner, name, value)


def _without_wrapper_for_c(define: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Nobody calls a kernel, or what numba has for kernels to call, as a C function."""

    def define_pipelines(self: Any) -> Any:
        self.state.flags.no_cfunc_wrapper = True
        return define(self)

    return define_pipelines


def _flags_hash(flags: Any) -> int:
    """As numba has it, which takes the names of all flags and not their values, each time anew."""
    if type(flags) not in _hashes:
        _hashes[type(flags)] = hash(tuple(sorted(flags.options)))
    return _hashes[type(flags)]


def _flags_equal(one: Any, other: Any) -> Any:
    """As numba has it, but without a look at what is not set."""
    if not isinstance(other, TargetConfig):
        return NotImplemented
    if one is other or one._values == other._values:
        return True
    return all(getattr(one, name) == getattr(other, name) for name in {**one._values, **other._values})


def _variables(_: Any, value: Any) -> list[Any]:
    """As numba has it, which makes a list of each part of an instruction and asks each for all it could be."""
    found: list[Any] = []
    _add_variables(value, found)
    return found


def _add_variables(value: Any, found: list[Any]) -> None:
    kind = type(value)
    if kind is ir.Var:
        found.append(value)
    elif kind is list or kind is tuple:
        for one in value:
            _add_variables(one, found)
    elif kind is dict:
        for one in value.values():
            _add_variables(one, found)
    elif kind is not ir.Loc and kind is not str and isinstance(value, ir.Inst):
        found += value.list_vars()


def _hashed_once() -> Callable[[Any], int]:
    """A type's hash as numba has it, once for each: that of a record goes through all of its fields."""
    found: dict[int, tuple[Any, int]] = {}  # a type beside its hash, so that no other takes its place in memory

    def type_hash(one: Any) -> int:
        known = found.get(id(one))
        if known is None:
            known = found[id(one)] = one, hash(one.key)
        return known[1]

    return type_hash


@register_jitable
def _refuse(given: Any, wanted: Any) -> None:
    """What `a[:] = b` calls where b has another shape than a.

    A message without the shapes: numba writes numbers out with all of its strings, compiled for no other reason.
    """
    raise ValueError("cannot assign slice from input of different size")


def _remembered(resolve: Callable[[Any, Any, Any], Any]) -> Callable[[Any, Any, Any], Any]:
    """Types of the results of numba's own functions and operators: it tries dozens of ways for each `+` anew."""
    last: list[Any] = [None, {}]  # flags, and what is known under them

    def resolve_function_type(function: Any, arguments: Any, named: Any) -> Any:
        if named or not isinstance(function, types.Function | types.BoundFunction | BuiltinFunctionType):
            return resolve(function, arguments, named)
        flags = ConfigStack.top_or_none()
        if flags is not last[0]:
            last[:] = flags, _known.setdefault(flags, {})
        known = last[1]
        key = function, arguments
        with suppress(KeyError):
            return known[key]
        found = resolve(function, arguments, named)
        if found is not None:
            known[key] = found
        return found

    return resolve_function_type
