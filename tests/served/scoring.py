"""A real HTTP server that holds a real model, with vLLM's ``prompt_logprobs``, on loopback."""

import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import torch

from limbeck.engines import Sampling
from limbeck.engines.transformers import TransformersEngine


class Scoring(ThreadingHTTPServer):
    """Text completions of one model.

    Args:
        model: A transformers model.
        tokenizer: Its own, or another's.
        offers: Whether it knows ``prompt_logprobs``; if not, it ignores them, as servers do.
        most: Largest number of tokens that it shows at a position, as ``--max-logprobs``.
        context: Most tokens of a prompt and what follows it.
    """

    daemon_threads = True

    def __init__(self, model, tokenizer, offers=True, most=20, context=64):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.model, self.tokenizer = model.eval(), tokenizer
        self.offers, self.most, self.context = offers, most, context
        self.bodies, self.asked, self.fail_after = [], Counter(), None
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def scored(self):
        """Bodies of the requests for log-probabilities of given ids."""
        return [b for b in self.bodies if isinstance(b["prompt"], list)]

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return super().__enter__()

    def __exit__(self, *error):
        self.shutdown()
        super().__exit__(*error)

    def handle_error(self, request, client_address):
        """A client that left is no news."""

    @torch.no_grad()
    def shown(self, ids, k):
        """What stands at each position: the token there, then the k likeliest that it is not among."""
        log_p = self.model(input_ids=torch.tensor([ids])).logits[0].float().log_softmax(-1)
        positions = [None]
        for row, token in zip(log_p, ids[1:], strict=False):
            chosen = list(dict.fromkeys([token, *row.topk(k).indices.tolist()]))
            positions.append(
                {
                    str(i): {
                        "logprob": float(row[i]),
                        "rank": int((row > row[i]).sum()) + 1,
                        "decoded_token": self.tokenizer.decode([i]),
                    }
                    for i in chosen
                }
            )
        return positions

    def written(self, ids, body):
        engine = TransformersEngine(
            self.model, 0, [self.tokenizer.eos_token_id], len(self.tokenizer)
        )
        how = Sampling(body["max_tokens"], body["temperature"], body.get("top_p", 1.0))
        (done,) = engine.generate([ids], how, [body.get("seed", 0)])
        return done


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self._send(200, {"object": "list", "data": [{"id": "teacher", "object": "model"}]})

    def do_POST(self):
        server = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with server.lock:
            server.bodies.append(body)
            server.asked[json.dumps(body, sort_keys=True)] += 1
            late = server.fail_after is not None and len(server.scored) > server.fail_after
        prompt, k = body["prompt"], body.get("prompt_logprobs")
        ids = server.tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        if late:
            self._refuse("the account is closed")
        elif k is not None and server.offers and k > server.most:
            self._refuse(f"prompt logprobs of {k} asked for, and {server.most} is the most")
        elif len(ids) + body["max_tokens"] > server.context:
            self._refuse(f"the context is {server.context} tokens, and {len(ids)} were sent")
        else:
            self._answer(ids, k, body)

    def _answer(self, ids, k, body):
        done = self.server.written(ids, body)
        choice = {
            "index": 0,
            "text": self.server.tokenizer.decode(done.tokens, skip_special_tokens=True),
            "finish_reason": "stop" if done.finished else "length",
        }
        if self.server.offers:
            choice["prompt_logprobs"] = None if k is None else self.server.shown(ids, k)
        usage = {
            "prompt_tokens": len(ids),
            "completion_tokens": len(done.tokens),
            "total_tokens": len(ids) + len(done.tokens),
        }
        found = {"id": "x", "object": "text_completion", "created": 0, "model": "teacher"}
        self._send(200, {**found, "choices": [choice], "usage": usage})

    def _refuse(self, words):
        self._send(400, {"error": {"message": words, "type": "BadRequestError", "code": 400}})

    def _send(self, status, found):
        body = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
