"""Several cores, instant by instant, in fractions: an obvious machine that shares no code with the event engine.

At every instant whatever is over ends, then whatever can begins, again and again until nothing happens; then all that
moves is raised together until a resource is full, and time goes on to the first end.
"""

from fractions import Fraction


def levels(flows, capacities):
    """Rates of transfers, each a dict resource -> share: all rise by the same until a resource is full, and so on."""
    rates = [Fraction(0)] * len(flows)
    rising = set(range(len(flows)))
    while rising:
        steps = []
        for resource, capacity in enumerate(capacities):
            using = [i for i in rising if resource in flows[i]]
            if using:
                room = capacity - sum(rates[i] * flow.get(resource, 0) for i, flow in enumerate(flows))
                steps.append(room / sum(flows[i][resource] for i in using))
        step = min(steps)
        for i in rising:
            rates[i] += step
        full = [
            resource
            for resource, capacity in enumerate(capacities)
            if sum(rates[i] * flow.get(resource, 0) for i, flow in enumerate(flows)) == capacity
        ]
        rising = {i for i in rising if not any(resource in flows[i] for resource in full)}
    return rates


class Machine:
    """entries : dicts of work, inputs (producer, flow), fill, body, drain. A flow : bits, shares, latency."""

    def __init__(self, entries, lists, capacities, slots):
        self.entries, self.lists, self.capacities, self.slots = entries, lists, capacities, slots
        self.now = Fraction(0)
        self.begins, self.ends = {}, {}
        self.moving = {}  # key -> bits left
        self.waiting = {}  # key -> when it is over: latencies, work
        self.stage = {}  # entry -> fill, body, drain
        self.spans = {}  # key -> [begin, end, landed]

    def flow(self, key):
        entry, what = key
        return self.entries[entry]["inputs"][what][1] if isinstance(what, int) else self.entries[entry][what]

    def begin(self, key):
        self.spans[key] = [self.now]
        bits, shares, _ = self.flow(key)
        self.moving[key] = bits if shares else Fraction(0)

    def something_ends(self):
        for key in [key for key, left in self.moving.items() if left == 0]:
            del self.moving[key]
            self.spans[key].append(self.now)
            self.waiting[key] = self.now + self.flow(key)[2]
            return True
        for key in [key for key, when in self.waiting.items() if when == self.now]:
            del self.waiting[key]
            if key in self.spans:
                self.spans[key].append(self.now)
            return True
        return False

    def here(self, key):
        return len(self.spans.get(key, ())) == 3

    def something_begins(self):
        for one in self.lists:
            for place, entry in enumerate(one):
                if entry in self.ends:
                    continue
                if place >= self.slots and one[place - self.slots] not in self.ends:
                    break
                inputs = self.entries[entry]["inputs"]
                for index, (producer, _) in enumerate(inputs):
                    if (entry, index) not in self.spans and (producer < 0 or producer in self.ends):
                        self.begin((entry, index))
                        return True
                first = place == 0 or one[place - 1] in self.ends
                if first and all(self.here((entry, index)) for index in range(len(inputs))) and self.next(entry):
                    return True
        return False

    def next(self, entry):
        stage = self.stage.get(entry)
        if stage is None:
            self.begins[entry] = self.now
            self.stage[entry] = "fill"
            self.begin((entry, "fill"))
            return True
        if stage == "fill" and self.here((entry, "fill")):
            self.stage[entry] = "body"
            self.begin((entry, "body"))
            self.waiting[entry, "work"] = self.now + self.entries[entry]["work"]
            return True
        if stage == "body" and self.here((entry, "body")) and (entry, "work") not in self.waiting:
            self.stage[entry] = "drain"
            self.begin((entry, "drain"))
            return True
        if stage == "drain" and self.here((entry, "drain")):
            self.ends[entry] = self.now
            return True
        return False

    def run(self):
        while len(self.ends) < len(self.entries):
            while self.something_ends() or self.something_begins():
                pass
            if len(self.ends) == len(self.entries):
                break
            keys = list(self.moving)
            rates = levels([self.flow(key)[1] for key in keys], self.capacities)
            times = [self.now + self.moving[key] / rate for key, rate in zip(keys, rates, strict=True)]
            then = min(times + list(self.waiting.values()))
            for key, rate in zip(keys, rates, strict=True):
                self.moving[key] -= rate * (then - self.now)
            self.now = then
        return self
