"""A slow, obvious server, in lists and fractions: what the fast one must equal.

Blocks are numbers in lists, every rule of docs/serving.md is a line or two, costs are exact rationals.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil, floor


@dataclass
class Request:
    number: int
    arrival: int
    prompt: int
    output: int
    emitted: int = 0
    computed: int = 0
    blocks: list[int] = field(default_factory=list)
    there: list[int] = field(default_factory=list)  # of the decode side, while it crosses
    tokens: list[int] = field(default_factory=list)
    again: int = 0
    puts: int = 0
    lands: int = 0

    @property
    def reached(self) -> int:
        return self.prompt + self.emitted


class Device:
    def __init__(self, blocks: int, role: str) -> None:
        self.capacity, self.role = blocks, role
        self.free = list(range(blocks))
        self.holds: dict[int, tuple[int, int]] = {}  # block -> (request, place in it) that may find it
        self.running: list[Request] = []
        self.put_back: list[Request] = []
        self.landed: list[Request] = []
        self.batch: list[tuple[Request, int]] = []
        self.ends: int | None = None
        self.busy = 0
        self.peak = 0

    def take(self, request: Request, until: int) -> None:
        while len(request.blocks) < until:
            block = self.free.pop(0)
            self.holds.pop(block, None)
            request.blocks.append(block)
        self.peak = max(self.peak, self.capacity - len(self.free))

    def give(self, blocks: list[int]) -> None:
        self.free += reversed(blocks)

    def findable(self, request: Request, block: int) -> list[int]:
        places = {place: b for b, (number, place) in self.holds.items() if number == request.number}
        most, run = ceil(request.reached / block) - 1, []
        while len(run) < most and len(run) in places:
            run.append(places[len(run)])
        return run


class Server:
    def __init__(self, requests, policy, table) -> None:
        self.all = [Request(i, *one) for i, one in enumerate(requests)]
        self.policy, self.table = policy, table
        self.block = policy.block
        self.budget = policy.budget or 10**12
        self.chunk = policy.chunk or 10**12
        self.seats = policy.max_seqs or len(self.all)
        split = policy.split
        self.first = Device(policy.kv_blocks, "prefill" if split else "all")
        self.second = Device(split.blocks, "decode") if split else None
        self.crossing: list[Request] = []
        self.flying: list[Request] = []
        self.link_free = 0
        self.waiting: list[Request] = []
        self.rest = list(self.all)
        self.now = self.all[0].arrival
        self.iterations: list[tuple[int, int, int, int]] = []

    # a plan

    def fill(self, tokens: int) -> int:
        return ceil(tokens / self.block)

    def send_back(self, device: Device) -> Request:
        request = device.running.pop()
        for place, block in enumerate(request.blocks[: request.computed // self.block]):
            device.holds[block] = (request.number, place)
        device.give(request.blocks)
        request.blocks = []
        request.again += request.computed
        request.computed = 0
        request.puts += 1
        device.put_back.insert(0, request)
        return request

    def plan_running(self, device: Device, left: int) -> tuple[int, bool]:
        lost = False
        for request in list(device.running):
            if left == 0 or request not in device.running:
                break
            tokens = min(request.reached - request.computed, self.chunk, left)
            need = self.fill(request.computed + tokens)
            while need - len(request.blocks) > len(device.free):
                lost = True
                if self.send_back(device) is request:
                    break
            if request not in device.running:
                break
            device.take(request, need)
            device.batch.append((request, tokens))
            left -= tokens
        return left, lost

    def queue(self, device: Device) -> list[list[Request]]:
        if device.role == "decode":
            return [device.landed, device.put_back]
        return [device.put_back, self.waiting]

    def admit(self, device: Device, left: int) -> int:
        while left > 0 and len(device.running) < self.seats:
            line = next((line for line in self.queue(device) if line), None)
            if line is None:
                return left
            request = line[0]
            landed = line is device.landed
            found = [] if landed else device.findable(request, self.block)
            have = request.computed if landed else len(found) * self.block
            tokens = min(request.reached - have, self.chunk, left)
            if self.policy.name != "chunked" and have + tokens < request.reached:
                return left
            if not landed:
                if self.fill(request.reached) > len(device.free):
                    return left
                for block in found:
                    device.free.remove(block)
                    del device.holds[block]
                request.blocks, request.computed = found, have
                request.again -= have
                device.take(request, self.fill(have + tokens))
            line.pop(0)
            device.running.append(request)
            device.batch.append((request, tokens))
            left -= tokens
        return left

    def admit_static(self, device: Device) -> None:
        while self.waiting and len(device.running) < self.seats:
            request = self.waiting[0]
            need = self.fill(request.prompt + request.output - 1)
            if need > len(device.free):
                return
            device.take(request, need)
            device.running.append(self.waiting.pop(0))

    def plan(self, device: Device) -> bool:
        put_back = False
        while True:
            device.batch = []
            if self.policy.name == "static":
                if not device.running:
                    self.admit_static(device)
                self.plan_running(device, self.budget)
                return False
            if self.policy.name == "prompts-first":
                self.admit(device, self.budget)
                if device.batch:
                    return put_back
            left, lost = self.plan_running(device, self.budget)
            put_back |= lost
            if self.policy.name != "prompts-first" and not lost:
                self.admit(device, left)
            if device.batch or not lost:
                return put_back

    def begin(self, device: Device) -> bool:
        put_back = self.plan(device)
        if device.batch:
            parts = [(tokens, request.computed) for request, tokens in device.batch]
            lasts = max(1, floor(self.table(parts) + Fraction(1, 2) + Fraction(1, 10**6)))
            device.ends = self.now + lasts
            device.busy += lasts
            self.iterations.append((self.now, device.ends, sum(t for t, _ in parts), len(parts)))
        return put_back

    # time

    def end(self, device: Device) -> None:
        for request, tokens in device.batch:
            request.computed += tokens
            if request.computed < request.reached:
                continue
            request.emitted += 1
            request.tokens.append(self.now)
            done = request.emitted == request.output
            if done:
                device.give(request.blocks)
                request.blocks = []
            if done or device.role == "prefill":
                device.running.remove(request)
            if not done and device.role == "prefill":
                self.crossing.append(request)
        device.batch, device.ends = [], None

    def land(self) -> None:
        while self.flying and self.flying[0].lands <= self.now:
            request = self.flying.pop(0)
            self.first.give(request.blocks)
            request.blocks, request.there = request.there, []
            self.second.landed.append(request)

    def cross(self) -> None:
        while self.crossing and self.link_free <= self.now:
            request = self.crossing[0]
            need = self.fill(request.prompt + 1)
            if need > len(self.second.free):
                return
            here, request.blocks = request.blocks, []
            self.second.take(request, need)
            request.there, request.blocks = request.blocks, here
            split = self.policy.split
            self.link_free = self.now + ceil(request.prompt * self.table.kv_bytes * 10**9 / split.rate)
            request.lands = self.link_free + split.latency
            self.flying.append(self.crossing.pop(0))

    def run(self) -> None:
        while any(request.emitted < request.output for request in self.all):
            while self.rest and self.rest[0].arrival <= self.now:
                self.waiting.append(self.rest.pop(0))
            devices = [self.first] + ([self.second] if self.second else [])
            for device in devices:
                if device.ends == self.now:
                    self.end(device)
            if self.second:
                self.land()
                self.cross()
            for device in devices:
                if device.ends is None and self.begin(device) and device is self.second:
                    self.cross()
            times = [device.ends for device in devices if device.ends is not None]
            times += [self.flying[0].lands] if self.flying else []
            times += [self.link_free] if self.crossing and self.link_free > self.now else []
            times += [self.rest[0].arrival] if self.rest and self.first.ends is None else []
            if times:
                self.now = min(times)


class Table:
    """Times in us. dense, sequences : {layer: {at: us}}; attention : {(chunk, past, count, context): us}."""

    def __init__(self, dense, sequences, attention, times, layers, kv_bytes=0) -> None:
        self.dense, self.sequences, self.times, self.layers = dense, sequences, times, layers
        self.kv_bytes = kv_bytes
        self.tree: dict = {}
        for key, value in attention.items():
            node = self.tree
            for part in key[:-1]:
                node = node.setdefault(part, {})
            node[key[-1]] = value

    def __call__(self, parts) -> Fraction:
        """ns of an iteration of (new tokens, tokens computed before) of each request."""
        total = sum(new for new, _ in parts)
        us = sum(self.times[layer] * line(points, total) for layer, points in self.dense.items())
        us += sum(line(points, len(parts)) for points in self.sequences.values())
        contexts = [past for new, past in parts if new == 1]
        at = (
            sum(new for new, _ in parts if new > 1),
            sum(past for new, past in parts if new > 1),
            len(contexts),
            sum(contexts) // len(contexts) if contexts else 0,
        )
        return 1000 * (us + self.layers * self.look(self.tree, at))

    def look(self, node, at) -> Fraction:
        if not at:
            return Fraction(node)
        values = sorted(node)
        if at[0] == 0 and 0 in node:
            return self.look(node[0], at[1:])
        values = [value for value in values if value > 0] or values
        near = neighbours(values, at[0])
        return blend(near, at[0], [self.look(node[value], at[1:]) for value in near])


def neighbours(values, at):
    if at in values or len(values) == 1:
        return [at if at in values else values[0]]
    place = min(max(sum(value <= at for value in values), 1), len(values) - 1)
    return values[place - 1 : place + 1]


def blend(near, at, found) -> Fraction:
    if len(near) == 1:
        return found[0]
    return found[0] + Fraction(at - near[0], near[1] - near[0]) * (found[1] - found[0])


def line(points, at) -> Fraction:
    near = neighbours(sorted(points), at)
    return blend(near, at, [Fraction(points[one]) for one in near])
