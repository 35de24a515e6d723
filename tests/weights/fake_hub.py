"""Hub of the tests' own models on a local server, and changes of these models."""

import hashlib
import json

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """Hub that serves files at ``/owner/name/resolve/revision/file``, where huggingface_hub looks for them."""

    def __init__(self, host):
        self.host = host
        host.refuse("/", 404, {"X-Error-Code": "RepoNotFound"})

    def publish(self, repository, folder, revision="main", commit=COMMIT):
        """Serve the files of a folder."""
        self.host.refuse(f"/{repository}/", 404, {"X-Error-Code": "RevisionNotFound"})
        for name in (revision, commit):
            prefix = f"/{repository}/resolve/{name}/"
            self.host.refuse(prefix, 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit})
            for path in folder.iterdir():
                data = path.read_bytes()
                headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
                self.host.put(prefix + path.name, data, headers=headers)

    def requested(self):
        """Return the files that were asked for since the last call, in order, without repeats."""
        files = dict.fromkeys(path.rpartition("/")[2] for path, _ in self.host.requests)
        self.host.requests.clear()
        return list(files)


def edit(path, change):
    """Change values of a JSON file; None removes one."""
    document = json.loads(path.read_text()) | dict(change)
    path.write_text(json.dumps({key: value for key, value in document.items() if value is not None}))
