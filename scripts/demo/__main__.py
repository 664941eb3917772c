"""`make demo`: the main job, on real processes.

A relay and registry, and two agents with a store on disk each: they find each other, KNOCK, talk both ways, and are then
killed with SIGKILL one by one, and all together, with a message on its way. Every step is checked; the exit code is 0
only if all of them held.
"""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from processes import Failed, Process, build, environment

ROOT = pathlib.Path(__file__).resolve().parents[2]
CAPABILITY = "demo/weather"
QUIET = 2.0  # seconds in which a second copy of a message would show up
WORDS = {
    "stored": "stored by the relay",
    "delivered": "delivered: decrypted and on the recipient's disk",
    "handled": "handled: the recipient's program is done with it",
}


class Demo:
    def __init__(self, programs, directory):
        self.began = time.monotonic()
        self.directory = directory
        self.programs = programs
        self.env = environment(directory)
        self.sent = []  # (id, payload, recipient)
        self.relay = self.process("relay", [
            programs["agentmesh-server"], "serve", "--listen", "127.0.0.1:0", "--data-dir", f"{directory}/relay"])
        self.alice = self.bob = None

    def process(self, name, command):
        return Process(name, command, self.env, self.tell)

    def agent(self, name, *more):
        address = self.addr
        return self.process(name, [
            self.programs["agentmesh"], "--home", f"{self.directory}/{name}", "--registry", address, "--relay", address,
            "listen", "--stdin", "--json", "--name", name, *more])

    # What is printed

    def chapter(self, text):
        print(f"\n{text}", flush=True)

    def tell(self, who, text):
        name = f"{who.name} ({who.pid})" if isinstance(who, Process) else who
        print(f"  {time.monotonic() - self.began:7.3f} s  {name:15}  {text}", flush=True)

    def check(self, held, text):
        if not held:
            raise Failed(text)

    # What is done

    def start_relay(self):
        at = len(self.relay.lines)
        self.relay.start()
        _, line = self.relay.wait_for("listening", lambda line: line.get("event") == "listening", at)
        self.addr = line["addr"]
        # From now on the same port, so that the agents find it again.
        self.relay.command[3] = self.addr
        self.tell(self.relay, f"listens on {self.addr}, database on disk")

    def start_agent(self, agent):
        began, at = time.monotonic(), len(agent.lines)
        agent.start()
        _, line = agent.wait_for("started", lambda line: line["event"] == "started", at)
        known = getattr(agent, "amid", None)
        self.check(known in (None, line["amid"]), f"{agent.name} came back as somebody else")
        agent.amid = line["amid"]
        agent.wait_for("online", lambda line: line["event"] == "online", at)
        what = "registered and online" if known is None else "the same agent, online again"
        self.tell(agent, f"{agent.amid}: {what} after {1000 * (time.monotonic() - began):.0f} ms")

    def kill(self, process):
        self.tell(process, "killed with SIGKILL")
        process.kill()

    def send(self, sender, recipient, text, until=None, **more):
        """Hands a message over to `sender`; returns its id and when."""
        payload = {"text": text, "number": len(self.sent) + 1}
        at = len(sender.lines)
        began = sender.order(to=recipient.amid, payload=payload, **more)
        _, line = sender.wait_for("queued", lambda line: line["event"] in ("queued", "refused"), at)
        self.check(line["event"] == "queued", f"{sender.name} did not take the message: {line}")
        message = line["id"]
        self.sent.append((message, payload, recipient))
        self.tell(sender, f"sends \"{text}\" to {recipient.name}: on {sender.name}'s disk")
        if until:
            self.stage(sender, message, until, began)
        return message, began

    def stage(self, sender, message, stage, began):
        at, _ = sender.event("progress", id=message, stage=stage)
        self.came(sender, WORDS[stage], began, at)

    def came(self, sender, how_far, began, at):
        self.tell(sender, f"its message is {how_far} ({1000 * (at - began):.0f} ms after sending)")

    def handled(self, sender, message, began):
        """Delivered, then handled. A recipient that is quick confirms both at once."""
        confirmed = ("delivered", "handled")
        at, line = sender.wait_for("delivered", lambda line: line["event"] == "progress" and line["id"] == message
                                   and line["stage"] in confirmed)
        if line["stage"] == "delivered":
            self.came(sender, WORDS["delivered"], began, at)
            self.stage(sender, message, "handled", began)
        else:
            self.came(sender, "delivered and handled: decrypted, on the recipient's disk, shown", began, at)

    def arrives(self, message):
        message, payload, recipient = next(sent for sent in self.sent if sent[0] == message)
        _, line = recipient.event("message", id=message)
        self.check(line["payload"] == payload, f"{recipient.name} got something else: {line['payload']}")
        self.tell(recipient, f"shows \"{payload['text']}\"")

    def once(self):
        """Nothing was lost, and nothing was shown twice, over all lives of all processes."""
        for agent in (self.alice, self.bob):
            agent.drain(QUIET)
        for message, payload, recipient in self.sent:
            shown = sum(line.get("event") == "message" and line["id"] == message for _, line in recipient.lines)
            self.check(shown == 1, f"{recipient.name} showed \"{payload['text']}\" {shown} times")
        self.tell("everybody", f"{len(self.sent)} messages were sent, and each was shown exactly once")

    # The story

    def run(self):
        self.chapter("A relay and registry, and two agents with a store on disk each")
        self.start_relay()
        self.alice, self.bob = self.agent("alice"), self.agent("bob", "--capability", CAPABILITY)
        self.start_agent(self.alice)
        self.start_agent(self.bob)

        self.chapter("Alice looks for somebody who knows the weather")
        self.find()

        self.chapter("She knocks, Bob's policy accepts, and they talk both ways, end-to-end encrypted")
        alice, bob = self.alice, self.bob
        question, began = self.send(alice, bob, "What will the weather be?", intent=CAPABILITY)
        _, knock = bob.event("knock", **{"from": alice.amid})
        self.check((knock["capability"], knock["decision"]) == (CAPABILITY, "accepted"), f"KNOCK: {knock}")
        self.tell(bob, f"alice knocks for {knock['capability']} with {knock['suite']}: {knock['decision']}")
        alice.event("knock_accepted", peer=bob.amid)
        self.tell(alice, "is told that Bob accepted")
        self.arrives(question)
        self.handled(alice, question, began)
        answer, began = self.send(bob, alice, "Wörtlich: heiter ☀")
        self.arrives(answer)
        self.handled(bob, answer, began)

        self.chapter("The recipient is killed; a message waits for it")
        self.kill(bob)
        message, began = self.send(alice, bob, "Are you there?", until="stored")
        self.start_agent(bob)
        self.delivered(message, began)

        self.chapter("The relay is killed; the message waits on Alice's disk")
        self.kill(self.relay)
        message, began = self.send(alice, bob, "Is the relay there?")
        self.start_relay()
        self.delivered(message, began)

        self.chapter("The sender is killed; what it sent arrives, and its next life hears of it")
        self.kill(self.relay)
        message, began = self.send(alice, bob, "Will this survive me?")
        self.kill(alice)
        self.start_relay()
        self.start_agent(alice)
        self.delivered(message, began)

        self.chapter("Recipient, relay and sender are all killed while a message is on its way")
        self.kill(bob)
        message, began = self.send(alice, bob, "Will this survive us all?", until="stored")
        self.kill(self.relay)
        self.kill(alice)
        self.start_relay()
        self.start_agent(bob)
        self.arrives(message)
        self.start_agent(alice)
        self.handled(alice, message, began)

        self.chapter("The reckoning")
        self.once()
        for process in (alice, bob, self.relay):
            self.tell(process, f"lived {len(process.pids)} times: processes {', '.join(map(str, process.pids))}")
            process.stop()
        self.tell("everybody", "ended within 5 s of SIGTERM, with code 0")

    def find(self):
        began = time.monotonic()
        command = [self.programs["agentmesh"], "search", CAPABILITY, "--registry", self.addr, "--json"]
        found = subprocess.run(command, env=self.env, stdout=subprocess.PIPE, text=True, check=False, timeout=60)
        self.check(found.returncode == 0, f"search ended with {found.returncode}")
        agents = [json.loads(line) for line in found.stdout.splitlines()]
        self.check([agent["amid"] for agent in agents] == [self.bob.amid], f"search found {agents}")
        name, status = agents[0]["display_name"], agents[0]["status"]
        took = 1000 * (time.monotonic() - began)
        self.tell("search", f"{CAPABILITY}: {self.bob.amid}, called {name}, {status} ({took:.0f} ms)")

    def delivered(self, message, began):
        self.arrives(message)
        self.handled(self.alice, message, began)

    def abandon(self):
        for process in (self.alice, self.bob, self.relay):
            if process is not None:
                process.abandon()


def main():
    print("Building (the first time takes minutes) …", flush=True)
    demo = None
    directory = tempfile.mkdtemp(prefix="agentmesh-demo-")
    try:
        demo = Demo(build(ROOT), directory)
        demo.run()
    except (Failed, OSError, subprocess.SubprocessError) as error:
        print(f"\nFAILED: {error}\nWhat is left is in {directory}", file=sys.stderr)
        return 1
    finally:
        if demo is not None:
            demo.abandon()
    shutil.rmtree(directory)
    print(f"\nDone in {time.monotonic() - demo.began:.1f} s: every step held.")
    return 0


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")
    sys.exit(main())
