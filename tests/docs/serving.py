"""Servers that a page starts: they run in processes of their own, on free ports, until the page ends."""

import re
import subprocess
import sys

ADDRESS = "127.0.0.1:8000"  # that pages show


class Servers:
    """Servers of one page, as a context that ends them.

    The address that the page shows, `ADDRESS`, stands for that of the server that was started last.
    """

    def __init__(self):
        self._processes, self._address = [], ADDRESS

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.communicate(timeout=60)

    def start(self, words):
        """Start `mxnet-audio serve` with these words, and return the first line that it prints."""
        command = [sys.executable, "-m", "mxnet_audio", "serve", *words, "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self._processes.append(process)
        line = process.stdout.readline()
        found = re.search(r"127\.0\.0\.1:\d+", line)
        assert found, process.communicate()
        self._address = found[0]
        return line.replace(self._address, ADDRESS)

    def real(self, text):
        """Return a command or code with the address of the server."""
        return text.replace(ADDRESS, self._address)

    def shown(self, text):
        """Return what was printed with the address that the page shows."""
        return text.replace(self._address, ADDRESS)
