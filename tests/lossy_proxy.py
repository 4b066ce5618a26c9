"""A proxy before a server, which loses replies to order."""

from __future__ import annotations

import contextlib
import socket
import threading


class Proxy:
    """Passes on what it gets. Of each request for which ``loses`` is true it drops the reply, and hangs up."""

    def __init__(self, port, loses):
        self.port, self.loses, self.lost = port, loses, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self.listener.getsockname()[1]}/0"
        self.threads = [threading.Thread(target=self._accept)]
        self.threads[0].start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server, requests = socket.create_connection(("127.0.0.1", self.port)), [b""]
                for serve in (self._pass_requests, self._pass_replies):
                    self.threads.append(threading.Thread(target=serve, args=(client, server, requests)))
                    self.threads[-1].start()

    def _pass_requests(self, client, server, requests):
        with contextlib.suppress(OSError):
            while request := client.recv(1 << 20):
                requests[0] = request  # a client sends no other one before it has the reply
                server.sendall(request)
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _pass_replies(self, client, server, requests):
        with client, server, contextlib.suppress(OSError):
            while reply := server.recv(1 << 20):
                if b"-NOSCRIPT" not in reply and self.loses(requests[0]):
                    self.lost += 1
                    client.shutdown(socket.SHUT_RDWR)
                    return
                client.sendall(reply)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self.threads:
            thread.join(10)


def first_times(times, matches):
    """Return what tells the proxy to lose the replies to so many requests that match."""
    left = [times]

    def loses(request):
        if matches(request) and left[0]:
            left[0] -= 1
            return True
        return False

    return loses
