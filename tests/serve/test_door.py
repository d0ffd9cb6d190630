"""The port is open before anything is said about it. (What `listen` refuses is in test_app.py, by its use.)"""

import socket

from learnable.serve.door import listen


def test_it_takes_calls_at_once_and_a_free_port_if_asked():
    with listen("127.0.0.1", 0) as door, socket.create_connection(door.getsockname()[:2], timeout=5):
        assert door.getsockname()[1] > 0
