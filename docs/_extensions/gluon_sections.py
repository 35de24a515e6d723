"""Sphinx extension: render the sections Inputs and Outputs of Gluon blocks, which numpydoc has no name for."""

from numpydoc.docscrape import NumpyDocString
from numpydoc.docscrape_sphinx import SphinxDocString

render_returns = SphinxDocString._str_returns


def _str_returns(self, name: str = "Returns") -> list[str]:
    """Render a section of return values; before Returns, also Inputs and Outputs."""
    lines = []
    if name == "Returns":
        for section in ("Inputs", "Outputs"):
            if self[section] and isinstance(self[section][0], str):  # not parsed yet
                self[section] = self._parse_param_list(self[section], single_element_is_type=section == "Outputs")
        lines = self._str_param_list("Inputs") + render_returns(self, "Outputs")
    return lines + render_returns(self, name)


def setup(app) -> dict:
    """Add the sections to numpydoc."""
    NumpyDocString.sections |= {"Inputs": [], "Outputs": []}
    SphinxDocString._str_returns = _str_returns
    return {"parallel_read_safe": True}
