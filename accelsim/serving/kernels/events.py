"""Time: from one end of an iteration, landing or arrival to the next, in whole nanoseconds."""

from __future__ import annotations

from accelsim.jit import njit, part
from accelsim.serving.kernels.blocks import blocks_for, grow, release, release_chain
from accelsim.serving.kernels.lookup import cost
from accelsim.serving.kernels.plan import plan, tell
from accelsim.serving.kernels.state import (
    ALL,
    AREA,
    ARRIVED,
    BUSY,
    CROSSES,
    CROSSING,
    CROSSING_TAIL,
    DECODE,
    DONE,
    ENDS,
    EVENTS,
    FINISHED,
    FIRST_TOKEN,
    FLYING,
    FLYING_TAIL,
    FREE,
    GAPS,
    ITERATIONS,
    LANDED,
    LANDED_TAIL,
    LANDS,
    LAST_TOKEN,
    LINK_FREE,
    LOST,
    NOBODY,
    NOW,
    OUTSIDE,
    PLANNED,
    PREFILL,
    ROW_BLOCKS,
    ROW_DECODES,
    ROW_END,
    ROW_PRESENT,
    ROW_PUT_BACK,
    ROW_SEQUENCES,
    ROW_SIDE,
    ROW_START,
    ROW_TOKENS,
    ROWS,
    RUNNING,
    STARTED,
)

NEVER = 9223372036854775807
GONE = 0


@part
def append(requests, at, head, tail, r):
    """Put a request at the end of a list."""
    requests.behind[r] = NOBODY
    if at[head] == NOBODY:
        at[head] = r
    else:
        requests.behind[at[tail]] = r
    at[tail] = r


@part
def note_gap(system, gap):
    """One more pair of tokens so far apart; those of a batch are mostly equal."""
    n = system.at[GAPS]
    if n > 0 and system.gaps[n - 1, 0] == gap:
        system.gaps[n - 1, 1] += 1
    else:
        system.gaps[n, 0], system.gaps[n, 1] = gap, 1
        system.at[GAPS] = n + 1


@njit(_nrt=False)
def end_iteration(requests, side, system, part_):
    """Tokens appear; who has all of them leaves, and of a split run who has the first."""
    now = system.at[NOW]
    gone = 0
    for i in range(side.at[PLANNED]):
        r = side.planned[i]
        requests.computed[r] += side.takes[i]
        if requests.computed[r] < requests.reached[r]:
            continue
        requests.reached[r] += 1
        emitted = requests.reached[r] - requests.prompt[r]
        if emitted == 1:
            requests.first[r] = now
            tell(system, r, FIRST_TOKEN, part_)
        else:
            note_gap(system, now - requests.last[r])
        requests.last[r] = now
        system.at[LAST_TOKEN] = now
        if emitted == requests.output[r]:
            release(requests, side, r)
            system.at[FINISHED] += 1
            tell(system, r, DONE, part_)
        elif part_ == PREFILL:
            append(requests, system.at, CROSSING, CROSSING_TAIL, r)
        else:
            continue
        gone += 1
        side.takes[i] = GONE
    if gone:
        keep_running(side)
    side.at[PLANNED] = 0
    side.at[ENDS] = NEVER


@part
def keep_running(side):
    """Close up; planned ones are in the order of those that run."""
    kept = i = 0
    for j in range(side.at[RUNNING]):
        r = side.running[j]
        if i < side.at[PLANNED] and side.planned[i] == r:
            i += 1
            if side.takes[i - 1] == GONE:
                continue
        side.running[kept] = r
        kept += 1
    side.at[RUNNING] = kept


@njit(_nrt=False)
def land(requests, side, there, system):
    """What has crossed waits there; its blocks here were held until now."""
    r = system.at[FLYING]
    while r != NOBODY and system.lands[r] <= system.at[NOW]:
        system.at[FLYING] = requests.behind[r]
        release_chain(side, system.sent_top[r], system.sent_held[r])
        append(requests, there.at, LANDED, LANDED_TAIL, r)
        tell(system, r, LANDS, DECODE)
        r = system.at[FLYING]


@njit(_nrt=False)
def cross(requests, there, rules, system):
    """Send finished prompts one after another, each once the other side has blocks for it and a token more."""
    now = system.at[NOW]
    while system.at[CROSSING] != NOBODY and system.at[LINK_FREE] <= now:
        r = system.at[CROSSING]
        blocks = blocks_for(requests.prompt[r] + 1, rules.block)
        if blocks > there.at[FREE]:
            return
        system.at[CROSSING] = requests.behind[r]
        system.sent_top[r], system.sent_held[r] = requests.top[r], requests.held[r]
        requests.top[r], requests.held[r] = NOBODY, 0
        grow(requests, there, r, blocks, len(there.owner))
        free = now + (requests.prompt[r] * rules.token_time + rules.token_parts - 1) // rules.token_parts
        system.at[LINK_FREE] = free
        system.lands[r] = free + rules.latency
        append(requests, system.at, FLYING, FLYING_TAIL, r)
        tell(system, r, CROSSES, PREFILL)


@njit(_nrt=False)
def begin(requests, side, rules, system, costs, prices, part_):
    """Plan an iteration at this instant and begin it, if there is anything to do."""
    put_back = plan(requests, side, rules, system, part_)
    side.at[LOST] += put_back  # by a plan of nothing, too
    if side.at[PLANNED] == 0:
        return put_back
    tokens = chunk = past = decodes = contexts = longest = shortest = key = 0
    for i in range(side.at[PLANNED]):
        taken, computed = side.takes[i], requests.computed[side.planned[i]]
        tokens += taken
        if taken == 1:
            shortest = min(shortest, computed) if decodes else computed
            decodes += 1
            contexts += computed
            longest = max(longest, computed)
        else:
            chunk += taken
            past += computed
            key += taken * (2 * computed + taken)
    mean = contexts // decodes if decodes else 0
    sequences = side.at[PLANNED]
    time, outside = cost(costs, tokens, sequences, chunk, past, decodes, mean, longest, shortest, key)
    lasts = max(1, int(time + 0.500001))  # half a ns rounds up, whatever floats made of it
    if len(prices.tokens.x):
        joules, _ = cost(prices, tokens, sequences, chunk, past, decodes, mean, longest, shortest, key)
        system.energy[1 if part_ == DECODE else 0] += joules
    now = system.at[NOW]
    side.at[STARTED], side.at[ENDS] = now, now + lasts
    system.at[ITERATIONS] += 1
    system.at[OUTSIDE] += outside
    side.at[BUSY] += lasts
    n = system.at[ROWS]
    system.rows[n, ROW_START], system.rows[n, ROW_END] = now, now + lasts
    system.rows[n, ROW_SIDE] = 1 if part_ == DECODE else 0
    system.rows[n, ROW_TOKENS], system.rows[n, ROW_SEQUENCES], system.rows[n, ROW_DECODES] = tokens, sequences, decodes
    system.rows[n, ROW_PRESENT] = system.at[ARRIVED] - system.at[FINISHED]
    system.rows[n, ROW_BLOCKS], system.rows[n, ROW_PUT_BACK] = len(side.owner) - side.at[FREE], side.at[LOST]
    side.at[LOST] = 0
    system.at[ROWS] = n + 1
    return put_back


@part
def has_room(rules, system):
    """Whether all that an instant tells fits in what is told."""
    most = 2 * rules.seats
    rows, gaps = len(system.rows) - system.at[ROWS], len(system.gaps) - system.at[GAPS]
    return rows >= 2 and gaps >= most and 2 * system.at[EVENTS] <= len(system.events)


@part
def next_instant(requests, side, there, rules, system):
    """When something happens next: an end, a landing, a free link, or an arrival where nothing runs."""
    found = min(side.at[ENDS], there.at[ENDS])
    if system.at[FLYING] != NOBODY:
        found = min(found, system.lands[system.at[FLYING]])
    if system.at[CROSSING] != NOBODY and system.at[LINK_FREE] > system.at[NOW]:
        found = min(found, system.at[LINK_FREE])
    if side.at[ENDS] == NEVER and system.at[ARRIVED] < len(requests.arrival):
        found = min(found, requests.arrival[system.at[ARRIVED]])
    return found


@part
def pass_time(requests, system, until):
    """Go to an instant; the area under the number of requests in the system grows."""
    system.at[AREA] += (until - system.at[NOW]) * (system.at[ARRIVED] - system.at[FINISHED])
    while system.at[ARRIVED] < len(requests.arrival) and requests.arrival[system.at[ARRIVED]] <= until:
        system.at[AREA] += until - requests.arrival[system.at[ARRIVED]]
        system.at[ARRIVED] += 1
    system.at[NOW] = until


@njit(_nrt=False)
def advance(requests, side, there, rules, system, costs, prices):
    """Run until all is done or what is told fills its arrays; returns whether there is more, or 2: nothing can happen.

    there : the decode side of a split run, and else a side without blocks.
    """
    part_ = PREFILL if rules.split else ALL
    while has_room(rules, system):
        now = system.at[NOW]
        if side.at[ENDS] <= now:
            end_iteration(requests, side, system, part_)
        if rules.split:
            if there.at[ENDS] <= now:
                end_iteration(requests, there, system, DECODE)
            land(requests, side, there, system)
            cross(requests, there, rules, system)
        if side.at[ENDS] == NEVER:
            begin(requests, side, rules, system, costs, prices, part_)
        if rules.split and there.at[ENDS] == NEVER and begin(requests, there, rules, system, costs, prices, DECODE):
            cross(requests, there, rules, system)
        if system.at[FINISHED] == len(requests.arrival):
            return 0
        until = next_instant(requests, side, there, rules, system)
        if until == NEVER:
            return 2
        pass_time(requests, system, until)
    return 1
