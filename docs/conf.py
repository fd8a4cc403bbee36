"""How Sphinx builds the documentation: `make docs`, and .readthedocs.yaml. Nothing is fetched."""

import re
import sys
from pathlib import Path

from docutils import nodes  # type: ignore[import-untyped]
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # the checkout's own package, installed or not

from dynamic_dynamodb import __version__

project = "Dynamic DynamoDB"
author = "The Dynamic DynamoDB maintainers"
version = release = __version__

extensions = ["myst_parser"]
exclude_patterns = ["_build", "demo"]

# Links are written as code hosts expect them: to files, and to headings by their text.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # troubleshooting.md has lines of the log as headings of the third level
nitpicky = True
smartquotes = False  # smart quotes would turn the two dashes of a flag into one
myst_enable_extensions = ["attrs_inline"]

html_theme = "furo"
html_title = f"{project} {__version__}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_sphinx = False
html_show_copyright = False
html_copy_source = False


class Anchors(SphinxTransform):
    """Makes `<a id="NAME"></a>`, which marks an option in a table, a target of links, as a heading is one."""

    default_priority = 400  # before MyST resolves the links within a page, at 879

    def apply(self, **_: object) -> None:
        targets = self.env.metadata[self.env.docname].setdefault("myst_slugs", {})
        for node in self.document.findall(nodes.raw):
            if found := re.fullmatch(r'<a id="([^"]+)">', node.astext()):
                targets[found[1]] = (node.line, found[1], found[1])
        self.document.myst_slugs = targets


# A number with its unit, a flag, an arrow: a line does not end within them. In HTML, so that what is copied has no
# other characters than the source.
PIECE = re.compile(
    r"""(?<![\w.])[-+]?\d[\d,.]*\ (?:%|s|ms|KB|MB|(?:unit|second|minute|hour|day)s?)(?!\w)  # 90 %
      | (?<![\w-])--?[a-z][a-z-]*                          # --run-once
      | (?:&lt;|&gt;)=?\ [\d.]+(?:\ %)?                     # >= 90 %
      | (?<![\w-])[a-z]{2}-[a-z]+-\d(?!\w)                  # us-east-1
      | -&gt;""",
    re.VERBOSE,
)
CODE_PIECE = re.compile(
    '(?:<span class="pre short">(?:&lt;|&gt;)=?</span> )?'
    r'<span class="pre short">[-+]?\d[\d,.]*</span> <span class="pre short">%\S*?</span>'
)
SHORT_WORD = re.compile('<span class="pre">(?=[^<]{1,32}</span>)')  # of code


def keep_together(
    _app: Sphinx, _page: str, _template: str, context: dict[str, object], _doctree: nodes.document | None
) -> None:
    """Wraps the pieces of a page's text that belong on one line; pages.css styles them."""
    body = SHORT_WORD.sub('<span class="pre short">', str(context.get("body", "")))
    parts = re.split("(<[^>]*>)", body)
    parts[::2] = (PIECE.sub(r'<span class="piece">\g<0></span>', text) for text in parts[::2])
    context["body"] = CODE_PIECE.sub(r'<span class="piece">\g<0></span>', "".join(parts))


def setup(app: Sphinx) -> None:
    app.add_transform(Anchors)
    app.connect("html-page-context", keep_together)
