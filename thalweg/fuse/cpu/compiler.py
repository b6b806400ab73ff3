"""Kernel text to object code: LLVM's language by `translation`, and LLVM's passes over it."""

from __future__ import annotations

import functools
import re
from typing import Any

import llvmlite.binding as llvm

from thalweg.fuse.cpu.linking import address_of
from thalweg.fuse.cpu.object_code import LIBRARY, Code, symbols_of
from thalweg.fuse.cpu.translation import translated

__all__ = ["compile_text", "link", "machine"]

_engines: list[Any] = []  # what owns the machine code, for as long as the process runs

_FUNCTION = re.compile(r"^(define .*)$", re.MULTILINE)
_DECLARED = re.compile(r'^declare [^@]*@"?([^"(\s]+)"?\(', re.MULTILINE)


def compile_text(text: str, arguments: int) -> Code:
    """The object code of a text's `kernel`, for the processor we run on."""
    # 1 / sqrt(x) from an estimate is NaN where x is infinite, and wrong in its last digits
    language = _FUNCTION.sub(r'\1 "reciprocal-estimates"="none"', str(translated(text, arguments)))
    target = machine()
    module = llvm.parse_assembly(language)
    module.triple = target.triple
    module.data_layout = str(target.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
    code = target.emit_object(module)
    symbols = symbols_of(code)
    if symbols is None:
        declared = _DECLARED.findall(str(module))
        symbols = tuple(name for name in declared if not name.startswith("llvm."))
    return Code(code, "kernel", symbols)


def link(made: Code) -> int:
    """Where its function lies, in memory that LLVM has made it ready in."""
    for symbol in LIBRARY:
        at = address_of(symbol)
        if at is not None and llvm.address_of_symbol(symbol) is None:
            llvm.add_symbol(symbol, at)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(made.code))
    engine.finalize_object()
    _engines.append(engine)
    return int(engine.get_function_address(made.function))


@functools.cache
def machine() -> Any:
    """The processor we run on, as LLVM's code generator sees it."""
    return _new_machine()


def _new_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    features = llvm.get_host_cpu_features().flatten()
    return target.create_target_machine(
        llvm.get_host_cpu_name(), features, opt=3, codemodel="jitdefault"
    )
