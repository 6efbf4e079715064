"""Plays scenarios: a few cores, and commands in words, each answered by what the cores then wanted done.

Nothing happens by itself. Messages wait until they are delivered or dropped, persist tasks until they are persisted,
time passes when told. n1 has the shortest election timeout, n2 the next.

    nodes 3 [learners=1] [spares=1] [n1.log=1,1,2] [n1.term=2] [n1.vote=n2] [setting=value]
    campaign n1 | propose n1 text | read n1 7 | transfer n1 n2 | tick n1 | compact n1 3
    change n1 voters=n1,n2,n4 [learners=n5] | fitness n1 n4
    snapshot n1->n3             n1 offers its state; `install n3` when it is complete; `status n1 n3 ok|failed`
    pass 1000 [n1 n2]           so many ms, ticking every 50, all nodes or those named
    deliver [n1->n2] [Kind]     messages that match, oldest first; from or to may be *
    deliver newest n1->n2       only the last of them: it overtakes the others
    drop [n1->n2] [Kind]
    keep [n1->n2] [Kind]        put aside; `late` delivers it, whoever is cut off by then
    inject n2->n3 append term 2 prev 1@1 commit 2 terms 2,2:n1.n2    the second has a configuration of these voters
    inject n2->n3 vote term 2 log 5@1
    persist n1 [2]              its oldest tasks, all by default
    settle                      persist and deliver until nothing waits
    live 1000                   pass, and settle after every tick
    elect n1                    campaign and settle
    quiet ...                   any of these, telling only of roles, truncations, reads and refusals
    cut n1 [n2] | heal          messages between those named and the others are lost from now on
    crash n1 [keep=1] | start n1
    stall n1 on | full n1 on | fail n1 | suspect n1 | unreachable n1 n2
    state [n1 n2]
"""

from __future__ import annotations

from raftdoc.ids import BootId, Incarnation, Index, NodeId, Term
from raftdoc.raft import (
    Configuration,
    MembershipChange,
    Raft,
    Ready,
    Rejection,
    Role,
    SnapshotMeta,
    SnapshotOffer,
)
from raftdoc.raft.messages import (
    AppendEntries,
    Entry,
    HardState,
    Message,
    VoteRequest,
)

from .crew import configuration_entry
from .disk import Disk
from .lone import MS, entries, settings
from .words import membership_of, span, task_of, words_of

TICK_MS = 50
STRANGER = BootId(7)
Waiting = tuple[NodeId, NodeId, Message]


class FixedChance:
    """The same number always: an election timeout that a reader can foresee."""

    def __init__(self, number: float) -> None:
        self._number = number

    def random(self) -> float:
        return self._number


class Actor:
    """One node on the stage."""

    def __init__(self, node: NodeId, position: int, changes: dict[str, int], configuration: Configuration) -> None:
        self.node = node
        self.disk = Disk(configuration)
        self.boot = 0
        self.is_up = False
        self.applied_index = Index(0)
        self.staged: SnapshotMeta | None = None
        """The state that a leader offered last, all of it."""
        self._chance = FixedChance(0.2 * position)
        self._changes = changes
        self.core: Raft

    def start(self, now_ns: int) -> None:
        self.boot += 1
        self.is_up = True
        self.applied_index = self.disk.compacted_index
        restored = self.disk.restored(self.applied_index)
        self.core = Raft(settings(self.node, self.boot, **self._changes), restored, self.disk, self._chance, now_ns)


class Stage:
    def __init__(self) -> None:
        self.now_ms = 10_000
        self.actors: dict[NodeId, Actor] = {}
        self.waiting: list[Waiting] = []
        self.kept: list[Waiting] = []
        self.cut: set[tuple[NodeId, NodeId]] = set()
        self.lines: list[str] = []
        self._is_quiet = False

    def play(self, command: str) -> str:
        """Do one line; return what it made happen, `ok` if nothing."""
        self.lines = []
        name, *words = command.split()
        self._is_quiet = name in {"quiet", "live", "elect"}
        if name == "quiet":
            name, *words = words
        getattr(self, f"do_{name}")(words)
        return "\n".join(self.lines) or "ok"

    @property
    def now_ns(self) -> int:
        return self.now_ms * MS

    # Setting the stage ----------------------------------------------------------------------------

    def do_nodes(self, words: list[str]) -> None:
        count = int(words[0])
        options = dict(word.split("=") for word in words[1:])
        learners, spares = int(options.pop("learners", "0")), int(options.pop("spares", "0"))
        names = [NodeId(f"n{number}") for number in range(1, count + learners + spares + 1)]
        members = Configuration(tuple(names[:count]), learners=tuple(names[count : count + learners]))
        changes = {key: int(value) for key, value in options.items() if "." not in key}
        for position, name in enumerate(names):
            own = {key.split(".")[1]: value for key, value in options.items() if key.startswith(f"{name}.")}
            priority = {"priority": int(own.pop("priority"))} if "priority" in own else {}
            known = members if name in members.members() else Configuration(())
            actor = Actor(name, position, changes | priority, known)
            terms = [int(term) for term in own.get("log", "").split(",") if term]
            actor.disk.entries = list(entries(1, *terms))
            term = int(own.get("term", terms[-1] if terms else 0))
            vote = NodeId(own["vote"]) if "vote" in own else None
            actor.disk.hard_state = HardState(Term(term), vote, Index(int(own.get("commit", "0"))))
            actor.start(self.now_ns)
            self.actors[name] = actor

    def do_crash(self, words: list[str]) -> None:
        actor = self.actors[NodeId(words[0])]
        kept = int(words[1].removeprefix("keep=")) if len(words) > 1 else 0
        actor.is_up = False
        actor.disk.crash(kept)

    def do_start(self, words: list[str]) -> None:
        actor = self.actors[NodeId(words[0])]
        actor.start(self.now_ns)
        self._collect(actor)

    def do_cut(self, words: list[str]) -> None:
        side = {NodeId(word) for word in words}
        self.cut = {(one, other) for one in self.actors for other in self.actors if (one in side) != (other in side)}
        self.waiting = [message for message in self.waiting if message[:2] not in self.cut]

    def do_heal(self, words: list[str]) -> None:
        self.cut.clear()

    # What nodes are asked -------------------------------------------------------------------------

    def do_campaign(self, words: list[str]) -> None:
        self._on(words[0]).core.campaign(self.now_ns)
        self._collect(self._on(words[0]))

    def do_propose(self, words: list[str]) -> None:
        actor = self._on(words[0])
        self._refused(actor, actor.core.propose(words[1].encode(), 0, self.now_ns))
        self._collect(actor)

    def do_read(self, words: list[str]) -> None:
        actor = self._on(words[0])
        actor.core.read(int(words[1]), self.now_ns)
        self._collect(actor)

    def do_transfer(self, words: list[str]) -> None:
        actor = self._on(words[0])
        self._refused(actor, actor.core.transfer(NodeId(words[1]), self.now_ns))
        self._collect(actor)

    def do_change(self, words: list[str]) -> None:
        actor = self._on(words[0])
        named = {key: _names(value) for key, value in (word.split("=") for word in words[1:])}
        change = MembershipChange(named["voters"], named.get("learners", ()))
        self._refused(actor, actor.core.change_membership(change, self.now_ns))
        self._collect(actor)

    def do_fitness(self, words: list[str]) -> None:
        self.lines.append(f"{words[1]} is {self._on(words[0]).core.catch_up(NodeId(words[1])).value}")

    def do_snapshot(self, words: list[str]) -> None:
        sender, receiver = (self._on(name) for name in words[0].split("->"))
        core, index = sender.core, sender.applied_index
        meta = SnapshotMeta(core.term, index, core.log.term_at(index), core.configuration_at(index), 0)
        offer = SnapshotOffer(meta.term, index, meta.index_term, BootId(sender.boot))
        verdict = receiver.core.offer_snapshot(sender.node, offer, self.now_ns)
        self.lines.append(f"{receiver.node} is offered {index}@{meta.index_term}: {verdict.value}")
        receiver.staged = meta
        self._collect(receiver)

    def do_install(self, words: list[str]) -> None:
        actor = self._on(words[0])
        assert actor.staged is not None
        is_wanted = actor.core.install_snapshot(actor.staged, Incarnation(actor.disk.incarnation + 1), self.now_ns)
        if not is_wanted:
            self.lines.append(f"{actor.node} does not want {actor.staged.index}@{actor.staged.index_term} any more")
        self._collect(actor)

    def do_status(self, words: list[str]) -> None:
        self._on(words[0]).core.on_snapshot_status(NodeId(words[1]), words[2] == "ok", self.now_ns)
        self._collect(self._on(words[0]))

    def do_stall(self, words: list[str]) -> None:
        self._on(words[0]).core.on_disk_stalled(words[1] == "on", self.now_ns)

    def do_full(self, words: list[str]) -> None:
        self._on(words[0]).core.on_disk_full(words[1] == "on", self.now_ns)

    def do_fail(self, words: list[str]) -> None:
        self._on(words[0]).core.on_persist_failed()
        self._collect(self._on(words[0]))

    def do_suspect(self, words: list[str]) -> None:
        self._on(words[0]).core.on_clock_suspect(self.now_ns)

    def do_unreachable(self, words: list[str]) -> None:
        self._on(words[0]).core.on_unreachable(NodeId(words[1]), self.now_ns)

    def do_compact(self, words: list[str]) -> None:
        actor, index = self._on(words[0]), Index(int(words[1]))
        actor.disk.compact(index, actor.core.log.term_at(index), actor.core.configuration_at(index))
        actor.core.compact(index)

    # Time, messages, disk -------------------------------------------------------------------------

    def do_tick(self, words: list[str]) -> None:
        self._on(words[0]).core.tick(self.now_ns)
        self._collect(self._on(words[0]))

    def do_pass(self, words: list[str]) -> None:
        end_ms = self.now_ms + int(words[0])
        while self.now_ms < end_ms:
            self.now_ms = min(self.now_ms + TICK_MS, end_ms)
            for name in words[1:] or list(self.actors):
                if self.actors[NodeId(name)].is_up:
                    self.do_tick([name])

    def do_deliver(self, words: list[str]) -> None:
        if words and words[0] == "newest":
            newest = [message for message in self.waiting if _matches(message, words[1:])][-1]
            self.waiting.remove(newest)
            self._arrive([newest])
        else:
            self._arrive(self._pick(words))

    def do_keep(self, words: list[str]) -> None:
        self.kept += self._pick(words)

    def do_late(self, words: list[str]) -> None:
        arriving, self.kept = self.kept, []
        self._arrive(arriving)

    def do_inject(self, words: list[str]) -> None:
        sender, peer = words[0].split("->")
        values = dict(zip(words[2::2], words[3::2], strict=True))
        term = Term(int(values["term"]))
        index, at_term = (int(part) for part in values["prev" if words[1] == "append" else "log"].split("@"))
        message: Message
        if words[1] == "append":
            new = tuple(_entry(index + 1 + offset, text) for offset, text in enumerate(values["terms"].split(",")))
            commit = Index(int(values["commit"]))
            message = AppendEntries(term, Index(index), Term(at_term), commit, new, self.now_ns, 0, STRANGER)
        else:
            message = VoteRequest(term, Index(index), Term(at_term), Index(0), Term(0), False, False, STRANGER)
        self._arrive([(NodeId(sender), NodeId(peer), message)])

    def do_drop(self, words: list[str]) -> None:
        self._pick(words)

    def do_persist(self, words: list[str]) -> None:
        actor = self._on(words[0])
        count = int(words[1]) if len(words) > 1 else len(actor.disk.pending)
        for _ in range(count):
            task = actor.disk.complete()
            actor.core.on_persisted(task.mark, self.now_ns)
            self._post(actor, task.messages_after)
            self._collect(actor)

    def do_settle(self, words: list[str]) -> None:
        while self.waiting or any(actor.is_up and actor.disk.pending for actor in self.actors.values()):
            for name, actor in self.actors.items():
                if actor.is_up:
                    self.do_persist([name])
            self.do_deliver([])

    def do_live(self, words: list[str]) -> None:
        for _ in range(int(words[0]) // TICK_MS):
            self.do_pass([str(TICK_MS)])
            self.do_settle([])

    def do_elect(self, words: list[str]) -> None:
        self.do_campaign(words)
        self.do_settle([])

    # What is seen ---------------------------------------------------------------------------------

    def do_state(self, words: list[str]) -> None:
        for name in words or list(self.actors):
            actor = self.actors[NodeId(name)]
            if not actor.is_up:
                self.lines.append(f"{name} down")
                continue
            core = actor.core
            first = core.log.compacted_index + 1
            terms = " ".join(str(core.log.term_at(Index(at))) for at in range(first, core.last_index + 1))
            lease = " lease" if core.lease_valid(self.now_ns) else ""
            self.lines.append(
                f"{name} {core.role.value} term {core.term} vote {core.vote} leader {core.leader} commit "
                f"{core.commit_index} durable {core.durable_index} applied {core.applied_index} log [{terms}]{lease}"
            )

    def _pick(self, words: list[str]) -> list[Waiting]:
        """Take out of what waits all that matches."""
        picked = [message for message in self.waiting if _matches(message, words)]
        self.waiting = [message for message in self.waiting if not _matches(message, words)]
        return picked

    def _arrive(self, arriving: list[Waiting]) -> None:
        for sender, peer, message in arriving:
            actor = self.actors[peer]
            if actor.is_up:
                actor.core.step(sender, message, self.now_ns)
                self._collect(actor)

    def _tell(self, line: str) -> None:
        if not self._is_quiet:
            self.lines.append(line)

    def _on(self, name: str) -> Actor:
        return self.actors[NodeId(name)]

    def _refused(self, actor: Actor, result: object) -> None:
        if isinstance(result, Rejection):
            self.lines.append(f"{actor.node} refuses: {result.reason.value}, leader {result.leader}")

    def _collect(self, actor: Actor) -> None:
        """Take every Ready, and say what is in it."""
        core = actor.core
        while core.has_ready():
            ready = core.ready()
            if ready.role is not None:
                role, term, leader = ready.role
                is_led = role is Role.FOLLOWER and leader is not None
                self.lines.append(f"{actor.node} {f'follows {leader}' if is_led else f'is {role.value}'}, term {term}")
            if ready.truncated_from is not None:
                self.lines.append(f"{actor.node} truncates from {ready.truncated_from}")
            if ready.membership is not None:
                self.lines.append(f"{actor.node} has members {membership_of(ready.membership)}")
            self._persist(actor, ready)
            self._post(actor, ready.messages)
            for context, index in ready.reads:
                self.lines.append(f"{actor.node} may read {context} at {index}")
            for peer in ready.snapshots:
                self.lines.append(f"{actor.node} wants a snapshot for {peer}")
            if ready.installed is not None:
                actor.applied_index = ready.installed.index
                self.lines.append(f"{actor.node} goes over to the state at {actor.applied_index}")
            for context in ready.failed_reads:
                self.lines.append(f"{actor.node} fails read {context}")
            if ready.entries:
                actor.applied_index = ready.entries[-1].index
                self._tell(f"{actor.node} applies {span(ready.entries)}")
                core.on_applied(actor.applied_index, self.now_ns)

    def _persist(self, actor: Actor, ready: Ready) -> None:
        task = ready.persist
        if task is None:
            return
        actor.disk.submit(task, self.now_ns)
        self._tell(f"{actor.node} persists {task_of(task)}")

    def _post(self, actor: Actor, messages: list[tuple[NodeId, Message]]) -> None:
        for peer, message in messages:
            lost = " (lost)" if (actor.node, peer) in self.cut else ""
            self._tell(f"{actor.node}->{peer} {words_of(message, self.now_ns)}{lost}")
            if not lost:
                self.waiting.append((actor.node, peer, message))


def _entry(index: int, text: str) -> Entry:
    term, _, voters = text.partition(":")
    if not voters:
        return entries(index, int(term))[0]
    return configuration_entry(index, int(term), Configuration(_names(voters.replace(".", ","))))


def _names(text: str) -> tuple[NodeId, ...]:
    return tuple(NodeId(name) for name in text.split(",") if name)


def _matches(waiting: Waiting, words: list[str]) -> bool:
    sender, peer, message = waiting
    for word in words:
        if "->" in word:
            wanted = word.split("->")
            if wanted[0] not in {"*", sender} or wanted[1] not in {"*", peer}:
                return False
        elif word == "Heartbeat":
            if not isinstance(message, AppendEntries) or message.entries:
                return False
        elif type(message).__name__ != word:
            return False
    return True
