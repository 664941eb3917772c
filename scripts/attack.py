#!/usr/bin/env python3
"""Attacks a server of its own while honest agents go on writing, and says how long their messages take meanwhile.

attack.py SERVER [--seconds 20] [--only NAME …]: SERVER is the program. Honest agents write 200 messages a second in all, one
to another, stored and acknowledged, under the limits of the default; they come from 127.0.0.1. Attackers come from
127.0.0.2, or from many addresses of 127.0.1.0/24, and run at a lower priority, as if they were on other machines. Prints a
table: what honest messages took, how many came, and the server's memory, files and processor time. Exit code 1 if a message
was lost or an honest agent thrown out. `scripts/attack.sh` builds the server and installs what this needs.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import random
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from websockets.asyncio.client import connect

PAIRS = 150  # at 80 messages a minute each; the limit is 100
RATE = 200
ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
ONE = ["127.0.0.2"]
MANY = [f"127.0.1.{n}" for n in range(1, 41)]
UPGRADE = (
    b"GET /v1/connect HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


class Agent:
    """An identity that can sign a connect."""

    def __init__(self):
        self.key = Ed25519PrivateKey.generate()
        raw = serialization.Encoding.Raw, serialization.PublicFormat.Raw
        self.public = self.key.public_key().public_bytes(*raw)
        digest = hashlib.sha256(self.public).digest()[:20]
        n, text = int.from_bytes(digest, "big"), ""
        while n:
            n, digit = divmod(n, 58)
            text = ALPHABET[digit] + text
        self.amid = "1" * (len(digest) - len(digest.lstrip(b"\0"))) + text

    def connect(self):
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + f"{random.randrange(1, 999):03}Z"
        return json.dumps(
            {
                "type": "connect",
                "protocol": "agentmesh/0.2",
                "amid": self.amid,
                "public_key": "ed25519:" + base64.b64encode(self.public).decode(),
                "signature": base64.b64encode(self.key.sign(now.encode())).decode(),
                "timestamp": now,
                "p2p_capable": False,
                "features": ["ack"],
            }
        )

    async def open(self, port, source):
        socket = await connect(f"ws://127.0.0.1:{port}/v1/connect", compression=None, local_addr=(source, 0), ping_interval=None)
        await socket.send(self.connect())
        answer = json.loads(await socket.recv())
        if answer["type"] != "connected":
            raise ConnectionError(answer)
        return socket


# ---- honest agents, in a process of their own


async def honest(port, pipe):
    waiting, took = {}, []
    everybody = [Agent() for _ in range(2 * PAIRS)]
    sockets = [await agent.open(port, "127.0.0.1") for agent in everybody]
    trouble = []

    async def listen(agent, socket):
        try:
            async for text in socket:
                frame = json.loads(text)
                if frame["type"] == "receive" and frame.get("message_id"):
                    began = waiting.pop(frame["message_id"], None)
                    if began is not None:
                        took.append(time.monotonic() - began)
                    await socket.send(json.dumps({"type": "ack", "from": frame["from"], "message_id": frame["message_id"]}))
                elif frame["type"] == "error":
                    trouble.append(frame["code"])
            trouble.append("an honest agent was disconnected")
        except Exception as error:
            trouble.append(repr(error))

    listeners = [asyncio.create_task(listen(*pair)) for pair in zip(everybody, sockets)]
    loop = asyncio.get_running_loop()
    pipe.send("ready")
    while await loop.run_in_executor(None, pipe.poll, 3600):
        seconds = pipe.recv()
        if seconds is None:
            break
        took.clear(), trouble.clear(), waiting.clear()
        began, sent = time.monotonic(), 0
        while (now := time.monotonic()) < began + seconds:
            while sent < (now - began) * RATE:
                pair = sent % PAIRS
                id = secrets.token_hex(16)
                waiting[id] = time.monotonic()
                frame = {"type": "send", "to": everybody[pair + PAIRS].amid, "encrypted_payload": "x" * 400,
                         "message_type": "message", "message_id": id}
                await sockets[pair].send(json.dumps(frame))
                sent += 1
            await asyncio.sleep(0.002)
        patience = time.monotonic() + 15
        while waiting and time.monotonic() < patience:
            await asyncio.sleep(0.05)
        pipe.send({"sent": sent, "took": sorted(took), "lost": len(waiting), "trouble": sorted(set(trouble))})
    for listener in listeners:
        listener.cancel()


# ---- attacks: each runs until it is killed, and counts what it does


async def raw(port, source, data=b""):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0))
    writer.write(data)
    return reader, writer


async def hold(port, sources, count, data, drip, done):
    """Keeps `count` sockets open on which `drip` comes every second."""
    held = []

    async def one(source):
        while True:
            writer = None
            try:
                reader, writer = await raw(port, source, data)
                done["sockets opened"] = done.get("sockets opened", 0) + 1
                while not reader.at_eof():
                    if drip:
                        writer.write(drip)
                        await writer.drain()
                    try:
                        await asyncio.wait_for(reader.read(4096), 1)
                    except asyncio.TimeoutError:
                        pass
            except OSError:
                done["refused"] = done.get("refused", 0) + 1
            finally:
                if writer:
                    writer.close()
            await asyncio.sleep(random.uniform(0.5, 1.5))

    for n in range(count):
        held.append(asyncio.create_task(one(sources[n % len(sources)])))
        if n % 50 == 0:
            await asyncio.sleep(0.01)
    await asyncio.gather(*held)


async def flood(port, sources, requests, done, workers=20):
    """Sends requests as fast as answers come, on new and on old connections."""

    async def one(n):
        while True:
            try:
                reader, writer = await raw(port, sources[n % len(sources)])
                while True:
                    writer.write(requests())
                    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
                    status = head.split(b" ", 2)[1].decode()
                    done[status] = done.get(status, 0) + 1
                    length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
                    await reader.readexactly(int(length[0].split(b":")[1]) if length else 0)
                    if b"connection: close" in head.lower():
                        break
                writer.close()
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError):
                done["cut off"] = done.get("cut off", 0) + 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(one(n) for n in range(workers)))


def post(path, body, kind="application/json"):
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def idle_one(port, done):
    await hold(port, ONE, 6000, b"", b"", done)


async def half_open(port, done):
    await hold(port, MANY, 10_000, b"GET /v1/he", b"", done)


async def slow_heads(port, done):
    await hold(port, MANY, 2000, b"GET /health HTTP/1.1\r\n", b"X: y\r\n", done)


async def slow_bodies(port, done):
    data = post("/v1/registry/register", b" " * (2 << 20))[: 1 << 20]
    await hold(port, MANY, 1000, data, b" ", done)


async def slow_handshakes(port, done):
    await hold(port, MANY, 2000, UPGRADE + b"\x81\xfe\x10\x00aaaa", b"a", done)


async def header_flood(port, done):
    headers = b"".join(b"X-%d: %s\r\n" % (n, b"a" * 500) for n in range(99))
    await flood(port, MANY, lambda: b"GET /health HTTP/1.1\r\n" + headers + b"\r\n", done)


async def deep_bodies(port, done):
    bodies = [post("/v1/registry/register", b'{"amid":' + b"[" * 60_000), post("/api/signal?room=A", b'{"a":' * 10_000),
              post("/agents/0123456789abcdef01234567/connect", b"[" * 60_000)]
    await flood(port, MANY, lambda: random.choice(bodies), done)


async def requests_of_one(port, done):
    await flood(port, ONE, lambda: b"GET /v1/registry/search?capability=x HTTP/1.1\r\nHost: x\r\n\r\n", done)


async def secrets_guessed(port, done):
    guess = lambda: post(f"/agents/{secrets.token_hex(12)}/connect", b'{"secret":"guess"}')
    await flood(port, ONE, guess, done)


async def polling_sessions(port, done):
    await flood(port, MANY, lambda: b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n", done)


async def pipelines(port, done):
    """Requests on requests, and no answer is read."""

    async def one(n):
        while True:
            try:
                reader, writer = await raw(port, MANY[n % len(MANY)])
                reader._transport.pause_reading()
                while True:
                    writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 500)
                    await writer.drain()
                    done["written"] = done.get("written", 0) + 500
            except OSError:
                done["cut off"] = done.get("cut off", 0) + 1
                await asyncio.sleep(0.1)

    await asyncio.gather(*(one(n) for n in range(200)))


async def connects(port, sources, done):
    async def one(n):
        while True:
            try:
                socket = await connect(f"ws://127.0.0.1:{port}/v1/connect", compression=None, local_addr=(sources[n % len(sources)], 0))
                await socket.send(Agent().connect().replace('"signature": "', '"signature": "AAAA'))
                await socket.recv()
                await socket.close()
                done["refused"] = done.get("refused", 0) + 1
            except Exception as error:
                name = str(getattr(getattr(error, "response", None), "status_code", type(error).__name__))
                done[name] = done.get(name, 0) + 1
                await asyncio.sleep(0.01)

    await asyncio.gather(*(one(n) for n in range(20)))


async def connects_of_one(port, done):
    await connects(port, ONE, done)


async def connects_of_many(port, done):
    await connects(port, MANY, done)


async def knocks(port, identities, sources, done):
    victims = [Agent().amid for _ in range(20)]

    async def one(n):
        while True:
            try:
                socket = await Agent().open(port, sources[n % len(sources)])
                while True:
                    for _ in range(35):
                        frame = {"type": "send", "to": random.choice(victims), "encrypted_payload": "x" * 3000,
                                 "message_type": "knock", "message_id": secrets.token_hex(16)}
                        await socket.send(json.dumps(frame))
                        answer = json.loads(await socket.recv())
                        name = answer.get("code", answer["type"])
                        done[name] = done.get(name, 0) + 1
                    if identities == "many":
                        await socket.close()
                        break
            except Exception as error:
                name = str(getattr(getattr(error, "response", None), "status_code", type(error).__name__))
                done[name] = done.get(name, 0) + 1
                await asyncio.sleep(0.05)

    await asyncio.gather(*(one(n) for n in range(1 if identities == "one" else 30)))


async def knocks_of_one(port, done):
    await knocks(port, "one", ONE, done)


async def knocks_of_many(port, done):
    await knocks(port, "many", MANY, done)


ATTACKS = [
    ("nothing", None),
    ("6,000 idle sockets of one address", idle_one),
    ("10,000 half-open sockets of 40 addresses", half_open),
    ("2,000 slow heads", slow_heads),
    ("1,000 slow bodies of 2 MiB", slow_bodies),
    ("2,000 slow WebSocket handshakes", slow_handshakes),
    ("heads of 50 kB", header_flood),
    ("bodies nested 60,000 deep", deep_bodies),
    ("searches of one address", requests_of_one),
    ("guessed secrets (AIWM)", secrets_guessed),
    ("polling sessions (Engine.IO)", polling_sessions),
    ("pipelines without reading", pipelines),
    ("forged connects of one address", connects_of_one),
    ("forged connects of 40 addresses", connects_of_many),
    ("KNOCKs of one identity", knocks_of_one),
    ("KNOCKs of ever new identities", knocks_of_many),
    ("nothing again", None),
]


def attacker(attack, port, pipe):
    os.nice(10)
    raise_files()
    done = {}

    async def run():
        task = asyncio.create_task(attack(port, done))
        while not pipe.poll() and not task.done():
            await asyncio.sleep(0.1)
        if task.done() and task.exception():
            done["failed"] = repr(task.exception())

    asyncio.get_event_loop_policy()
    try:
        asyncio.run(asyncio.wait_for(run(), 600))
    finally:
        pipe.send(done)
        os._exit(0)


def raise_files():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def honest_process(port, pipe):
    raise_files()
    asyncio.run(honest(port, pipe))


class Server:
    def __init__(self, program, directory):
        environment = {**os.environ, "JWT_SECRET": secrets.token_hex(32), "API_KEY": secrets.token_hex(32),
                       "USER_DATA_JWT_SECRET": secrets.token_hex(32), "AIWM_ADMIN_TOKEN": secrets.token_hex(32), "RUST_LOG": "error"}
        # Honest agents all come from one address here: 300 of them connect at once.
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data-dir", directory]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.port = int(json.loads(self.process.stdout.readline())["addr"].rsplit(":", 1)[1])

    def state(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/status") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        with open(f"/proc/{pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        return memory / 1024, len(os.listdir(f"/proc/{pid}/fd")), cpu


def quantile(took, share):
    return 1000 * took[min(len(took) - 1, int(len(took) * share))] if took else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--only", nargs="*", help="words of the names of attacks")
    arguments = parser.parse_args()
    multiprocessing.set_start_method("spawn")
    files, failed = raise_files(), False
    with tempfile.TemporaryDirectory() as directory:
        server = Server(arguments.server, directory)
        ours, theirs = multiprocessing.Pipe()
        agents = multiprocessing.Process(target=honest_process, args=(server.port, theirs), daemon=True)
        agents.start()
        try:
            assert ours.poll(120) and ours.recv() == "ready"
            print(f"{datetime.now():%Y-%m-%d %H:%M}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {files} files a process, "
                  f"{PAIRS} pairs of honest agents, {RATE} messages a second, {arguments.seconds:g} s each\n")
            print("| attack | p50 ms | p99 ms | longest ms | sent, lost | memory MiB | files | processor | load | what the attacker saw |")
            print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
            for name, attack in ATTACKS:
                if arguments.only and not any(word in name for word in arguments.only):
                    continue
                pipe, end = multiprocessing.Pipe()
                child = None
                if attack:
                    child = multiprocessing.Process(target=attacker, args=(attack, server.port, end), daemon=True)
                    child.start()
                    time.sleep(5)
                _, _, cpu = server.state()
                began = time.monotonic()
                ours.send(arguments.seconds)
                most = [0, 0]
                while not ours.poll(0.5):
                    memory, open_files, _ = server.state()
                    most = [max(most[0], memory), max(most[1], open_files)]
                result = ours.recv()
                used = (server.state()[2] - cpu) / (time.monotonic() - began)
                seen = {}
                if child:
                    pipe.send(None)
                    seen = pipe.recv() if pipe.poll(20) else {"silent": 1}
                    child.kill()
                    child.join()
                took = result["took"]
                failed |= bool(result["lost"] or result["trouble"])
                trouble = "; ".join(result["trouble"])
                told = ", ".join(f"{what}: {count}" for what, count in sorted(seen.items(), key=lambda item: -item[1] if isinstance(item[1], int) else 0)[:4])
                print(f"| {name} | {quantile(took, 0.5):.1f} | {quantile(took, 0.99):.1f} | {quantile(took, 1):.0f} | "
                      f"{result['sent']}, {result['lost']} {trouble} | {most[0]:.0f} | {most[1]} | {100 * used:.0f} % | "
                      f"{os.getloadavg()[0]:.1f} | {told} |", flush=True)
                time.sleep(3)
            ours.send(None)
        finally:
            agents.kill()
            server.process.send_signal(signal.SIGTERM)
            server.process.wait(20)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
