"""Servers in a thread of this process, for clients and browsers."""

import socket
import threading
from contextlib import contextmanager


@contextmanager
def listening(app):
    """Serve an app on a free port, and yield its address."""
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(app, port=0, http="h11", log_level="error"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()
