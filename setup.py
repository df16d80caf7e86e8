"""Compiles the modules of `compiled_modules.txt` with mypyc while the packages are built.

It promises an install on every machine: without a working C compiler the packages are built interpreted and the build
says so once. A listed module that does not exist, or that mypy finds fault with, is an error and never a fallback.
Everything that needs no compiler is said in `pyproject.toml`; `runtime/kernel_stamp.json` tells what was compiled.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CCompilerError, ExecError, PlatformError

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT))

import hftrun_kernel  # noqa: E402  the path to it is known only here: an isolated build does not start in this folder

# All compiled modules lie in one library, each translated to a file of C of its own: what one tick runs through lies
# together and is called directly. The files beside the sources only name their module in it.
LIBRARY = "hftrun"

# Only these commands need extensions; the others only ask for names and versions and must not wait for mypyc.
BUILDING = {"build", "build_ext", "bdist_wheel", "editable_wheel", "develop", "install"}
COMPILING = not BUILDING.isdisjoint(sys.argv)


def listed_modules() -> list[str]:
    """The modules to compile; a wrong list stops the build."""
    modules = hftrun_kernel.read_list(str(ROOT / hftrun_kernel.LIST))
    for module in modules:
        if not (ROOT / module).is_file():
            sys.exit(f"{hftrun_kernel.LIST} names {module}, which does not exist: add the module or take the line out")
        if modules.count(module) > 1 or module.endswith("__init__.py"):
            sys.exit(f"{hftrun_kernel.LIST} may name {module} once at most, and no package's __init__.py")
    return modules


def reason_not_to_compile() -> str:
    """Why this build stays interpreted, or an empty text."""
    if os.environ.get("HFTRUN_PURE") == "1":
        return "it was built with HFTRUN_PURE=1"
    try:
        probe_compiler()
    except OSError:
        return f"no C compiler was found when it was built (looked for {compiler_command()[0]})"
    except subprocess.SubprocessError:
        return f"the C compiler {compiler_command()[0]} could not compile against Python's headers when it was built"
    return ""


def compiler_command() -> list[str]:
    """The compiler that the build will call."""
    return shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc")


def probe_compiler(*flags: str) -> None:
    """Compiles a few words against Python's headers; raises what went wrong."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "probe.c")
        source.write_text("#include <Python.h>\nint probe(void) { return PY_MAJOR_VERSION; }\n", encoding="utf-8")
        include = sysconfig.get_paths()["include"]
        command = [*compiler_command(), *flags, f"-I{include}", "-c", str(source), "-o", str(Path(folder, "probe.o"))]
        subprocess.run(command, check=True, capture_output=True, timeout=60)


def flags_that_help() -> list[str]:
    """Flags that make the modules quicker, where the compiler knows them."""
    # Nobody replaces our functions at load time, so calls within a module need not go through a table of addresses,
    # and small functions can be written out where they are called.
    # What only a module's own parts call is not told to others, so that it is called directly too.
    flags = ["-fno-semantic-interposition", "-fvisibility=hidden"]
    try:
        probe_compiler("-Werror", *flags)
    except subprocess.SubprocessError:
        return []
    return flags


def translate(modules: list[str]) -> list[Extension]:
    """The modules as C extensions; ends the build when mypy finds an error in them."""
    from mypyc.build import mypycify

    # In place and in a wheel, and for each Python, the translation is kept apart, so that neither spoils the other's.
    place = "in-place" if "--inplace" in sys.argv else "wheel"
    folder = Path("build", place, str(sys.implementation.cache_tag))
    print(f"translating {len(modules)} modules to C", flush=True)
    # No cache: what mypyc 2.4 reads back from it has forgotten which attributes of a class have a "defined" bit, so a
    # module that uses or extends a class of an unchanged module would get another layout. The whole translation takes
    # some seconds; files of C that come out as they were are left alone, and the C compiler passes over them.
    extensions = mypycify(
        [f"--cache-dir={os.devnull}", *modules],
        opt_level="3",
        debug_level="0",
        separate=[(modules, LIBRARY)],
        multi_file=True,
        target_dir=str(folder),
    )
    quicker = flags_that_help()
    for extension in extensions:
        # A warning that only some compiler gives must not cost a user the compiled modules.
        kept = [flag for flag in extension.extra_compile_args if flag != "-Werror"]
        extension.extra_compile_args = [*kept, *quicker]
    return [extension for extension in extensions if isinstance(extension, Extension)]


def write_stamp(root: Path, modules: dict[str, str], reason: str) -> None:
    """Records under `root` what was compiled from which sources, or why nothing was."""
    stamp = {"python": sys.implementation.cache_tag, "reason": reason, "modules": modules}
    path = root / hftrun_kernel.STAMP
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(stamp, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def remove_compiled(root: Path, kept: set[str]) -> None:
    """Deletes compiled files of every module that is not kept, and the library when none is."""
    for source, path in hftrun_kernel.compiled_files(str(root)).items():
        if source not in kept:
            Path(path).unlink()
    if not kept:
        for library in root.glob(f"{LIBRARY}__mypyc.*"):
            library.unlink()


def say_interpreted(reason: str) -> None:
    """Tells whoever builds that the result is slower, and why."""
    sys.stderr.write(f"hftrun is built interpreted, several times slower: {reason}\n")


class BuildPackages(build_py):
    """Copies the packages afresh, so that a file deleted since the last build is in no wheel."""

    def run(self) -> None:
        """Copies, and says why the copy is interpreted if it is."""
        if not self.editable_mode:
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()
        if not self.editable_mode and not EXTENSIONS:
            write_stamp(Path(self.build_lib), {}, REASON)
            say_interpreted(REASON)


class BuildCompiled(build_ext):
    """Compiles on all cores, tells how far it is, and falls back to interpreted modules when the compiler fails."""

    def finalize_options(self) -> None:
        """Sets the number of compilers that run at once."""
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()
        self._done = 0
        self._files = 0
        self._counting = Lock()

    def run(self) -> None:
        """Builds every extension or none, and writes the stamp that says which."""
        root = ROOT if self.inplace else Path(self.build_lib)
        reason = REASON
        if not reason:
            try:
                super().run()
            except (CCompilerError, ExecError, PlatformError) as failure:
                reason = "the C compiler failed when it was built"
                sys.stderr.write(f"{failure}\n")
        modules = {} if reason else HASHES
        remove_compiled(root, set(modules))
        write_stamp(root, modules, reason)
        if reason:
            say_interpreted(reason)

    def build_extensions(self) -> None:
        """Builds the library, its files side by side, and then what names the modules in it."""
        library = next((extension for extension in self.extensions if len(extension.sources) > 1), None)
        self._files = len(self.extensions) + (len(library.sources) if library is not None else 0)
        if library is not None:
            objects = self.compile_files(library)
            library.depends = [*library.depends, *objects]
            library.sources = []
            library.extra_objects = objects
        super().build_extensions()

    def compile_files(self, library: Extension) -> list[str]:
        """Compiles the files that changed, or that include one that did; where all objects lie."""
        with ThreadPoolExecutor(os.cpu_count()) as compilers:
            return list(compilers.map(lambda source: self.compile_file(library, str(source)), library.sources))

    def compile_file(self, library: Extension, source: str) -> str:
        """Compiles one file, unless its object is newer than all that it is made of."""
        made = str(self.compiler.object_filenames([source], output_dir=self.build_temp)[0])
        notes = f"{made}.d"
        if self.force or not is_newer(made, notes):
            Path(made).unlink(missing_ok=True)
            noting = ["-MMD", "-MF", notes] if self.compiler.compiler_type == "unix" else []
            self.compiler.compile(
                [source],
                output_dir=self.build_temp,
                include_dirs=library.include_dirs,
                extra_postargs=[*library.extra_compile_args, *noting],
            )
        self.count(source)
        return made

    def build_extension(self, ext: Extension) -> None:
        """Builds one extension and counts it."""
        super().build_extension(ext)
        self.count(ext.name)

    def count(self, name: str) -> None:
        """Tells how far it is."""
        with self._counting:
            self._done += 1
            print(f"compiled {self._done} of {self._files}: {Path(name).name}", flush=True)


def is_newer(made: str, notes: str) -> bool:
    """Whether an object is newer than all that it was made of, as the compiler noted it, and than this file."""
    try:
        made_at = os.stat(made).st_mtime_ns
        words = Path(notes).read_text(encoding="utf-8").replace("\\\n", " ").split()
        return all(os.stat(word).st_mtime_ns < made_at for word in [*words[1:], __file__])
    except OSError:
        return False


MODULES = listed_modules()
REASON = reason_not_to_compile() if COMPILING else ""
HASHES = {module: hftrun_kernel.sha256_of(str(ROOT / module)) for module in MODULES}
EXTENSIONS = translate(MODULES) if COMPILING and not REASON else []

setup(ext_modules=EXTENSIONS, cmdclass={"build_py": BuildPackages, "build_ext": BuildCompiled})
