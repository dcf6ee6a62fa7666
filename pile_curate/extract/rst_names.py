"""Name the directives of docutils and Sphinx (and MyST) by what becomes of them."""

from __future__ import annotations

from pile_curate.extract.wikitext_names import names

ADMONITIONS = names(
    "note warning tip hint important caution danger error attention seealso todo info success failure bug example quote "
    "abstract question admonition"
)
"""Boxes whose name is their title."""

CODE = names(
    "code code-block sourcecode parsed-literal literal ipython ipython3 doctest testcode testoutput prompt productionlist "
    "console jupyter-execute code-cell highlight-code terminal program-output"
)
"""Blocks of code; the argument is the language."""

DROPPED = names(
    "toctree image raw contents sectnum section-numbering include literalinclude meta currentmodule module py:module "
    "py:currentmodule highlight highlightlang default-role role title header footer tabularcolumns "
    "autosummary graphviz digraph graph inheritance-diagram plot "
    "mermaid plantuml uml index target-notes testsetup testcleanup sectionauthor codeauthor moduleauthor youtube video program "
    "bibliography cssclass rst-class date unicode c:namespace cpp:namespace js:module "
    "eval-rst figure-md button-ref button-link nbinfo"
)
"""What holds no text of its own, or is made by the build."""

VERSIONS = {
    "versionadded": "New in version", "versionchanged": "Changed in version", "deprecated": "Deprecated since version",
    "versionremoved": "Removed in version", "deprecated-removed": "Deprecated since version",
}  # fmt: skip

TITLED = names(
    "admonition topic sidebar dropdown tab-item tab card collapse grid-item-card rubric centered details"
)
"""Blocks whose argument is a title."""

OBJECTS = names(
    "function method classmethod staticmethod class exception attribute property data decorator decoratormethod describe "
    "object option cmdoption envvar macro type member var enum enumerator struct union directive confval setting opcode "
    "2to3fixer pdbcommand token interface coroutinefunction coroutinemethod awaitablefunction abstractmethod templatetag "
    "templatefilter fieldlookup django-admin django-admin-option jsonobject command monitoring-event audit-event"
)
"""Descriptions of things in programs: the argument is a signature, the body describes it."""
