"""A real HTTP server with the OpenAI protocol and bad manners, on loopback.

It counts an answer as served when the whole of it has been written to a client that is there.
"""

import json
import random
import socket
import struct
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FAULTS = ("429", "500", "slow", "broken", "truncated", "reset", "empty", "page")


def sometimes(share, faults=FAULTS):
    """Faults at random, but the same for the same content and attempt."""

    def choose(content, attempt):
        drawn = random.Random(f"{content}/{attempt}")
        return drawn.choice(faults) if drawn.random() < share else None

    return choose


class Hostile(ThreadingHTTPServer):
    """Answers, or does what ``faults(content, attempt)`` says, on a port of its own.

    Args:
        answer: From a prompt (text, or the last turn's) to the answer.
        faults: None, or one of `FAULTS`, for the attempt of that number (from 1) at a content.
        models: What it offers.
        key: The only key it accepts; None accepts all.
        usage: Whether it tells tokens: one for each word.
        listing: Whether it has a list of its models at all.
        chat_only: Whether it has no text completions.
        modern: Whether it knows the limit of a conversation by its newer name only.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        answer=str.upper,
        faults=lambda content, attempt: None,
        models=("teacher",),
        key=None,
        usage=True,
        listing=True,
        chat_only=False,
        modern=False,
    ):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer, self.faults, self.models, self.key = answer, faults, models, key
        self.usage, self.listing, self.chat_only = usage, listing, chat_only
        self.modern = modern
        self.served, self.attempts, self.arrivals = Counter(), Counter(), {}
        self.bodies, self.busy, self.most_busy = [], 0, 0
        self.retry_after = "0"
        self.pause_seconds = 5.0
        self.finish_reason = "stop"
        self.gate = threading.Event()  # answers wait for it
        self.gate.set()
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return super().__enter__()

    def __exit__(self, *error):
        self.gate.set()
        self.shutdown()
        super().__exit__(*error)

    def handle_error(self, request, client_address):
        """A client that left is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def do_GET(self):
        if self._refused():
            return
        if self.path != "/v1/models" or not self.server.listing:
            self._send(404, {"detail": "Not Found"})
            return
        models = [{"id": m, "object": "model", "created": 0} for m in self.server.models]
        self._send(200, {"object": "list", "data": models})

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self._refused():
            return
        chat = self.path == "/v1/chat/completions"
        if not chat and (server.chat_only or self.path != "/v1/completions"):
            self._send(404, {"detail": "Not Found"})
            return
        if body["model"] not in server.models:
            self._send(404, {"error": {"message": "no such model", "code": "model_not_found"}})
            return
        if chat and server.modern and "max_tokens" in body:
            words = "'max_tokens' is not supported: use 'max_completion_tokens' instead"
            self._send(400, {"error": {"message": words, "param": "max_tokens"}})
            return
        content = json.dumps([body.get("messages") or body["prompt"], body.get("seed")])
        with server.lock:
            server.attempts[content] += 1
            server.arrivals.setdefault(content, []).append(time.monotonic())
            server.bodies.append(body)
            server.busy += 1
            server.most_busy = max(server.most_busy, server.busy)
            fault = server.faults(content, server.attempts[content])
        try:
            self._answer(body, chat, content, fault)
        finally:
            with server.lock:
                server.busy -= 1

    def _answer(self, body, chat, content, fault):
        server = self.server
        prompt = body["messages"][-1]["content"] if chat else body["prompt"]
        text = server.answer(prompt)
        choice = {"index": 0, "finish_reason": server.finish_reason}
        choice |= {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        found = {"id": "x", "object": "x", "created": 0, "model": "x", "choices": [choice]}
        if server.usage:
            tokens = len(prompt.split()), len(text.split())
            found["usage"] = {
                "prompt_tokens": tokens[0],
                "completion_tokens": tokens[1],
                "total_tokens": sum(tokens),
            }
        whole = json.dumps(found).encode()
        if fault == "429":
            self._send(
                429, {"error": {"message": "slow down"}}, {"Retry-After": server.retry_after}
            )
        elif fault == "quota":
            error = {"message": "no money left", "code": "insufficient_quota"}
            self._send(429, {"error": error})
        elif fault == "500":
            self._send(500, {"error": {"message": "oops"}})
        elif fault == "slow":
            time.sleep(server.pause_seconds)
            self.close_connection = True
        elif fault == "broken":
            self._write(200, whole[: len(whole) // 2])
        elif fault == "truncated":
            self._write(200, whole[: len(whole) // 2], length=len(whole))
            self.close_connection = True
        elif fault == "reset":
            self._write(200, whole[:20], length=len(whole))
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
            self.close_connection = True
        elif fault == "empty":
            self._send(200, {})
        elif fault == "page":
            self._write(200, b"<html>one moment</html>", kind="text/html")
        else:
            server.gate.wait()
            if self._gone():
                return
            self._write(200, whole)
            with server.lock:
                server.served[content] += 1

    def _gone(self):
        """Whether the client has closed its end."""
        self.connection.setblocking(False)
        try:
            return self.connection.recv(1, socket.MSG_PEEK) == b""
        except BlockingIOError:
            return False
        except OSError:
            return True
        finally:
            self.connection.setblocking(True)

    def _refused(self):
        key = self.server.key
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if key is None or given == key:
            return False
        self._send(401, {"error": {"message": f"Incorrect API key provided: {given}"}})
        return True

    def _send(self, status, found, headers=None):
        self._write(status, json.dumps(found).encode(), headers=headers)

    def _write(self, status, body, kind="application/json", length=None, headers=None):
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body) if length is None else length),
            **(headers or {}),
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
