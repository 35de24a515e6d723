"""Hub of the tests' own models on a local server, with a cache of the test alone."""

import hashlib

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Hub that serves files at ``/owner/name/resolve/revision/file``, as huggingface_hub asks for them."""

    def __init__(self, host, cache):
        self.host, self.cache = host, cache
        host.refuse("/", 404, {"X-Error-Code": "RepoNotFound"})

    def publish(self, repository, folder, revision="main", commit=COMMIT):
        """Serve the files of a folder."""
        for name in (revision, commit):
            prefix = f"/{repository}/resolve/{name}/"
            self.host.refuse(prefix, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            for path in folder.iterdir():
                data = path.read_bytes()
                etag = f'"{hashlib.sha256(data).hexdigest()}"'
                self.host.put(prefix + path.name, data, headers={"X-Repo-Commit": commit, "ETag": etag})
        self.host.refuse(f"/{repository}/", 404, {"X-Error-Code": "RevisionNotFound"})

    @property
    def requested(self):
        """Files that were asked for, in order, without repeats."""
        return list(dict.fromkeys(path.rpartition("/")[2] for path, _ in self.host.requests))
