"""Image scraper for sphinx-gallery: show the figures that a block of a tutorial returned or assigned to variables.

The figures of `mxnet_audio.viz` are not registered with pyplot, where sphinx-gallery looks for figures by itself.
"""

from weakref import WeakSet

from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

shown: WeakSet[Figure] = WeakSet()


def scrape(block, block_vars: dict, gallery_conf: dict) -> str:
    """Save the figures that were not shown yet, and return the markup that shows them."""
    paths = []
    for value in list(block_vars["example_globals"].values()):
        if isinstance(value, Figure) and value not in shown:
            shown.add(value)
            paths.append(next(block_vars["image_path_iterator"]))
            value.savefig(paths[-1], dpi=100)
    return figure_rst(paths, gallery_conf["src_dir"])


def _get_sg_image_scraper():
    return scrape
