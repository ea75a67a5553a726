"""Everything that the docs show is run: README.md, docs/ and examples/.

How a page is run
-----------------

The fences of one page run from top to bottom, in a temporary directory of that page's own:

- ``python`` blocks share one namespace;
- ``console`` blocks: each line that begins with ``$`` is run by the shell, and must exit with 0
  (``console exit=2``: with 2). With ``console check`` the lines below it must be what the command
  printed on standard output; blanks do not matter and ``...`` stands for anything. Programs: see
  ``PROGRAMS``;
- every other language (``text``, ``bash``, ``mermaid``, ``sql``) is only read.

A comment on the line before a block changes that: ``<!-- not run: reason -->`` leaves it out, and
``<!-- file: my_store.py -->`` also saves it under that name, so that later blocks can use it.

``<!-- needs: pymongo secantus -->`` anywhere on a page: without these modules it is skipped.
"""

from __future__ import annotations

import doctest
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Final

import attrs
import pytest
from markdown_it import MarkdownIt

ROOT: Final = Path(__file__).resolve().parent.parent
PAGES: Final = sorted((*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
EXAMPLES: Final = sorted(ROOT.glob("examples/*.py"))
PROGRAMS: Final = frozenset({"abandoned-booking", "pytest", "python"})
COMMENT: Final = re.compile(r"<!-- (?P<word>not run|file): (?P<rest>\S.*?) -->")
NEEDS: Final = re.compile(r"^<!-- needs: (?P<modules>[\w. ]+) -->$", re.MULTILINE)
ELLIPSIS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@attrs.frozen(kw_only=True)
class Block:
    """One fence of a page."""

    line: int
    """of its first line of code, from 1"""
    language: str
    options: frozenset[str]
    source: str
    not_run: str | None
    """the reason, if it is left out"""
    saved_as: str | None

    @property
    def exit_code(self) -> int:
        """What its commands must exit with."""
        return next((int(o.removeprefix("exit=")) for o in self.options if "exit=" in o), 0)


def read_blocks(text: str) -> Iterator[Block]:
    """The fences of a Markdown text, in order."""
    comment = None
    for token in MarkdownIt().parse(text):
        if token.type == "html_block":
            comment = COMMENT.fullmatch(token.content.strip())
            continue
        if token.type == "fence" and token.map:
            language, *options = token.info.split() or [""]
            said = {comment["word"]: comment["rest"]} if comment else {}
            yield Block(
                line=token.map[0] + 2,
                language=language,
                options=frozenset(options),
                source=token.content,
                not_run=said.get("not run"),
                saved_as=said.get("file"),
            )
        comment = None


@attrs.frozen(kw_only=True)
class Command:
    """One command of a ``console`` block and what is shown below it."""

    line: int
    typed: str
    shown: str


def read_commands(block: Block) -> Iterator[Command]:
    """The commands of a ``console`` block; a backslash at a line's end continues it."""
    lines = enumerate(block.source.splitlines(keepends=True), start=block.line)
    typed, shown, begun_on = "", "", block.line
    for number, line in lines:
        if not line.startswith("$ "):
            shown += line
            continue
        if typed:
            yield Command(line=begun_on, typed=typed, shown=shown)
        typed, shown, begun_on = line[2:], "", number
        while typed.endswith("\\\n"):
            typed += next(lines)[1]
    assert typed, f"line {block.line}: a console block shows commands; begin them with '$ '"
    yield Command(line=begun_on, typed=typed, shown=shown)


def run_command(command: Command, *, directory: Path) -> subprocess.CompletedProcess[str]:
    """Run it in the shell, with the programs of this environment first on the path."""
    program = shlex.split(command.typed)[0]
    assert program in PROGRAMS, f"{program} is not run here; use a bash block, or 'not run'"
    programs_of_this_environment = Path(sys.executable).parent
    return subprocess.run(
        ["sh", "-c", command.typed],
        cwd=directory,
        env=os.environ
        | {
            "PATH": f"{programs_of_this_environment}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "100",
            "NO_COLOR": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def run_console(block: Block, *, page: Path, directory: Path) -> None:
    """Run each command; check its exit code and, if the block asks for it, its output."""
    for command in read_commands(block):
        ran = run_command(command, directory=directory)
        where = f"{page}:{command.line}: {command.typed.strip()}"
        assert ran.returncode == block.exit_code, (
            f"{where}\nexited with {ran.returncode}, not with {block.exit_code}\n"
            f"{ran.stdout}{ran.stderr}"
        )
        if "check" in block.options:
            matches = doctest.OutputChecker().check_output(command.shown, ran.stdout, ELLIPSIS)
            assert matches, f"{where}\nthe page shows\n{command.shown}\nit printed\n{ran.stdout}"


def run_python(block: Block, *, page: Path, module: ModuleType) -> None:
    """Run it with the line numbers of its page."""
    source = "\n" * (block.line - 1) + block.source
    exec(compile(source, str(page), "exec", dont_inherit=True), vars(module))


def run_page(page: Path, *, directory: Path) -> None:
    """Run a page's blocks, from top to bottom; an error's note names page and line."""
    module = ModuleType("page_of_the_docs")
    sys.modules[module.__name__] = module
    for block in read_blocks(page.read_text(encoding="utf-8")):
        if block.not_run:
            continue
        try:
            if block.saved_as:
                (directory / block.saved_as).write_text(block.source, encoding="utf-8")
            if block.language == "python":
                run_python(block, page=page, module=module)
            elif block.language == "console":
                run_console(block, page=page, directory=directory)
        except Exception as error:
            error.add_note(f"in the {block.language} block at {page}:{block.line}")
            raise


def missing_modules(text: str) -> list[str]:
    """What a page says that it needs, and this environment does not have."""
    needed = [name for found in NEEDS.finditer(text) for name in found["modules"].split()]
    return [name for name in needed if find_spec(name) is None]


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A page's own directory: the current one, and importable; forgotten afterwards."""
    directory = tmp_path / "page"
    directory.mkdir()
    monkeypatch.chdir(directory)
    monkeypatch.syspath_prepend(str(directory))
    loaded = set(sys.modules)
    yield directory
    for name in set(sys.modules) - loaded:
        file = getattr(sys.modules[name], "__file__", None)
        if name == "page_of_the_docs" or (file and Path(file).is_relative_to(directory)):
            del sys.modules[name]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_all_code_of_a_page_runs(page: Path, directory: Path) -> None:
    missing = missing_modules(page.read_text(encoding="utf-8"))
    if missing:
        pytest.skip(f"not installed here: {', '.join(missing)}")
    run_page(page, directory=directory)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_the_files_that_a_page_links_to_are_there(page: Path) -> None:
    inline = (token for token in MarkdownIt().parse(page.read_text(encoding="utf-8")))
    links = (
        str(child.attrs.get("href") or child.attrs.get("src"))
        for token in inline
        for child in token.children or ()
        if child.type in {"link_open", "image"}
    )
    local = (link.partition("#")[0] for link in links if "://" not in link)
    missing = [link for link in local if not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_an_example_runs_as_a_script(example: Path, tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, str(example)],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


# --- the runner itself: it must be able to fail ------------------------------------------------

WRONG_PAGES: Final = {
    "a python block that raises": "text\n\n```python\nok = 1\nraise ValueError('no')\n```\n",
    "a command that exits with another code": "\n\n\n```console\n$ python -c 'exit(3)'\n```\n",
    "a command that should fail and does not": "\n\n\n```console exit=2\n$ python -c ''\n```\n",
    "output that is not what is shown": (
        "\n\n\n```console check\n$ python -c 'print(1)'\n2\n```\n"
    ),
    "a program that is not on the list": "\n\n\n```console\n$ true\n```\n",
    "a console block without a command": "\n\n\n```console\nabandoned-booking demo\n```\n",
    "a reason that is missing": "<!-- not run: -->\n\n\n```python\nraise ValueError\n```\n",
}


@pytest.mark.parametrize("text", WRONG_PAGES.values(), ids=WRONG_PAGES)
def test_a_wrong_page_fails_and_the_error_names_its_line(text: str, directory: Path) -> None:
    page = directory / "wrong.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises((AssertionError, ValueError)) as caught:
        run_page(page, directory=directory)
    line = text[: text.index("```")].count("\n") + 2
    assert any(note.endswith(f"wrong.md:{line}") for note in caught.value.__notes__)


RIGHT_PAGE: Final = """\
<!-- not run: it cannot be -->
```python
raise ValueError
```

<!-- file: helper.py -->
```python
answer = 42
```

```python
import helper
from pathlib import Path

answer += helper.answer
```

1. within a list:

   ```console check
   $ python -c 'import helper; print("one", helper.answer); \\
       print("two   three")'
   one ...
   two three
   $ python -c ''
   ```

```bash
exit 3
```

```python
Path("answer").write_text(str(answer))
```
"""


def test_blocks_share_a_namespace_a_directory_and_the_files_they_save(directory: Path) -> None:
    page = directory / "right.md"
    page.write_text(RIGHT_PAGE, encoding="utf-8")
    run_page(page, directory=directory)
    assert (directory / "answer").read_text() == "84"


def test_what_a_page_needs_and_is_not_there_is_named() -> None:
    page = "# Title\n\n<!-- needs: attrs no_such_module -->\n\ntext <!-- needs: neither -->\n"
    assert missing_modules(page) == ["no_such_module"]
    assert missing_modules("# Title\n") == []
