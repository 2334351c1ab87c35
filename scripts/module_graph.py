#!/usr/bin/env python3
"""The modules of each crate and which of them use each other; fails when two modules need each other.

    scripts/module_graph.py             one line a crate; exit 1 with every circle that was found
    scripts/module_graph.py CRATE       also every edge of the crate, `user -> used`

A module is a file. A file uses another when a path that starts at `crate::`, `super::` or `self::` ends at an item which
the other declares or re-exports; a re-export counts as use of the file that declares the item. `mod x;` is no use. Test
modules inside a file belong to it, and files that only tests have (`#[cfg(test)] mod x;`) are left out.
"""

import pathlib
import re
import sys

CRATES = pathlib.Path(__file__).resolve().parent.parent / "crates"
NOISE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\])*\"", re.S)
DECLARED = re.compile(
    r"^\s*(?:pub(?:\([^)]*\))?\s+)?(?:const\s+|async\s+|unsafe\s+)*"
    r"(?:fn|struct|enum|trait|type|const|static|mod|union|macro_rules!)\s+(\w+)", re.M)
USE = re.compile(r"\buse\s+([^;]+);")
PATH = re.compile(r"\b((?:crate|super|self)(?:::\w+)+)")


def tree(text):
    """`a::{b, c::{d as e}}` -> [("a::b", "b"), ("a::c::d", "e")]: each path with the name that it gets."""
    text = text.strip()
    head, brace, rest = text.partition("{")
    if not brace:
        path, _, name = (part.strip() for part in head.partition(" as "))
        return [(path, name or path.rsplit("::", 1)[-1])]
    parts, depth, part = [], 0, ""
    for char in rest[: rest.rindex("}")]:
        depth += (char == "{") - (char == "}")
        if char == "," and depth == 0:
            parts.append(part)
            part = ""
        else:
            part += char
    return [(head.strip() + path, name) for item in (*parts, part) if item.strip() for path, name in tree(item)]


class Crate:
    def __init__(self, root):
        self.files, self.items, self.exports, self.edges = {}, {}, {}, {}
        self.add((), root)
        for module in self.files:
            self.edges[module] = {used for used in self.used_by(module) if used != module}

    def add(self, module, path):
        text = NOISE.sub(" ", path.read_text())
        self.files[module] = text
        self.items[module] = set(DECLARED.findall(text))
        self.exports[module] = {}
        for statement in USE.findall(text):
            for target, name in tree(re.sub(r"\s+", " ", statement)):
                self.exports[module][name] = target
        folder = path.parent if path.name in ("lib.rs", "main.rs", "mod.rs") else path.with_suffix("")
        for attributes, child in re.findall(r"((?:#\[[^\]]*\]\s*)*)(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+);", text):
            if "cfg(test)" in attributes:
                continue
            found = [file for file in (folder / f"{child}.rs", folder / child / "mod.rs") if file.is_file()]
            if found:
                self.add((*module, child), found[0])

    def absolute(self, module, path):
        """A path of a file as (module, rest): the deepest module that it names."""
        parts = path.split("::")
        if parts[0] == "crate":
            at, parts = (), parts[1:]
        elif parts[0] in ("self", "super"):
            at = module
            while parts and parts[0] in ("self", "super"):
                at = at[:-1] if parts[0] == "super" else at
                parts = parts[1:]
        elif (*module, parts[0]) in self.files:
            at = module
        else:
            return None
        while parts and (*at, parts[0]) in self.files:
            at, parts = (*at, parts[0]), parts[1:]
        return at, parts

    def declaring(self, module, path, seen=()):
        """The module that declares what a path names, behind re-exports; None for other crates' items."""
        found = self.absolute(module, path)
        if found is None or (found[0], tuple(found[1])) in seen:
            return None
        at, rest = found
        if not rest or rest[0] == "*" or rest[0] in self.items[at]:
            return at
        behind = self.exports[at].get(rest[0])
        return self.declaring(at, behind, (*seen, (at, tuple(rest)))) if behind else at

    def used_by(self, module):
        text = self.files[module]
        # What only tests use is no edge of the library.
        text = re.split(r"#\[cfg\(test\)\]\s*mod \w+ \{", text)[0]
        paths = [path for statement in USE.findall(text) for path, _ in tree(re.sub(r"\s+", " ", statement))]
        paths += PATH.findall(USE.sub(" ", text))
        for path in paths:
            if path.split("::")[0] not in ("crate", "super", "self") and not re.search(
                    rf"\buse\s+{re.escape(path.split('::')[0])}\b", text):
                continue
            used = self.declaring(module, path)
            if used is not None and used in self.files:
                yield used

    def circles(self):
        """Groups of modules that reach each other (Tarjan's strongly connected components of more than one)."""
        order, low, stack, found = {}, {}, [], []

        def visit(module):
            order[module] = low[module] = len(order)
            stack.append(module)
            for used in self.edges[module]:
                if used not in order:
                    visit(used)
                    low[module] = min(low[module], low[used])
                elif used in stack:
                    low[module] = min(low[module], order[used])
            if low[module] == order[module]:
                group = []
                while not group or group[-1] != module:
                    group.append(stack.pop())
                if len(group) > 1:
                    found.append(sorted(group))

        # A file that re-exports its children is the road to them, not a user of theirs.
        for module in self.edges:
            if module not in order:
                visit(module)
        return found


def show(module):
    return "::".join(module) or "(root)"


def main():
    failed = False
    for root in sorted(CRATES.glob("*/src/lib.rs")):
        name = root.parent.parent.name
        crate = Crate(root)
        circles = crate.circles()
        uses = sum(map(len, crate.edges.values()))
        print(f"{name:11} {len(crate.files):3} modules, {uses:3} uses, {len(circles)} circles")
        for circle in circles:
            failed = True
            print("  circle: " + ", ".join(map(show, circle)))
            for user in circle:
                for used in sorted(crate.edges[user] & set(circle)):
                    print(f"    {show(user)} -> {show(used)}")
        if name in sys.argv[1:]:
            for user in sorted(crate.edges):
                for used in sorted(crate.edges[user]):
                    print(f"  {show(user)} -> {show(used)}")
    return failed


if __name__ == "__main__":
    sys.exit(main())
