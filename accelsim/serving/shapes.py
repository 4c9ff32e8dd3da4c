"""A model's layers as workloads: products with weights, what moves beside them, and the two products of attention."""

from __future__ import annotations

from accelsim.errors import AccelsimError
from accelsim.serving.models import Model
from accelsim.workload.network import Network
from accelsim.workload.yaml import network_of
from accelsim.yamlfile import parse

NORM = {True: 4, False: 7}
"""Vector operations of a word: rmsnorm of models with gates, layer normalisation of others (docs/layers.md)."""
ROTARY, SILU, GELU = 3, 3, 5
"""Of a word that is turned; of a gate with silu, its product too; of gelu."""


def shared(model: Model, devices: int) -> None:
    """Refuse to share a model's heads and widths among devices that do not divide them (AccelsimError)."""
    for what, size in (("heads", model.heads), ("key and value heads", model.kv_heads), ("inner width", model.inner)):
        if size % devices:
            raise AccelsimError(f"{devices} devices do not share {model.name}'s {size} {what} evenly")


def dense(model: Model, tokens: int, devices: int = 1) -> Network:
    """All layers by tokens, on one of some devices, each as it is called in a table."""
    hidden, k = model.hidden, devices
    turned, inner = (model.query + model.key) // k, model.inner // k
    rows = [_embedding(tokens, hidden)]
    rows += [_vector(name, *_norm(model, tokens)) for name in ("layernorm", "final_layernorm")]
    if model.qk_norm:  # of queries, and of keys: a row stands for both, each taken as their mean
        words = tokens * turned // 2
        rows.append(_vector("qk_norm", words, words, NORM[True] * words))
    if model.rotary:
        words = tokens * turned
        rows.append(_vector("rotary_emb", words, words, ROTARY * words))
    words = tokens * inner
    rows.append(_vector("act_fn", 2 * words, words, SILU * words) if model.gated
                else _vector("act_fn", words, words, GELU * words))  # fmt: skip
    for name, (c, m) in _products(model, k).items():
        if name != "lm_head":
            rows.append(_product(name, 1, m, c, tokens))
    return _network(rows)


def sequences(model: Model, requests: int, devices: int = 1) -> Network:
    """The head for the last token of each request, and the largest of what comes out."""
    words = requests * model.words
    c, m = _products(model, devices)["lm_head"]
    return _network([_product("lm_head", 1, m, c, requests), _vector("sampler", words, requests, words)])


def scores(model: Model, rows: int, keys: int, heads: int) -> Network:
    """Both products of attention: `rows` queries of a key-value head by `keys` keys, and back by as many values.

    heads : of keys and values that run at once.
    """
    return _network([
        _product("qk", heads, keys, model.head, rows, dynamic=True),
        _product("av", heads, model.head, keys, rows, dynamic=True),
    ])  # fmt: skip


def _products(model: Model, k: int) -> dict[str, tuple[int, int]]:
    found = model.products()
    return {name: (c // k, m) if name in ("o_proj", "down_proj") else (c, -(-m // k)) for name, (c, m) in found.items()}


def _norm(model: Model, tokens: int) -> tuple[int, int, int]:
    """(reads, writes, operations): the sum with what went around the layer is taken on the way, and kept."""
    words = tokens * model.hidden
    return 2 * words, 2 * words, (NORM[model.gated] + 1) * words


def _embedding(tokens: int, hidden: int) -> str:
    return _vector("embedding", tokens * (1 + hidden), tokens * hidden, 0)


def _vector(name: str, reads: int, writes: int, ops: int) -> str:
    return f"  {name}: {{op: vector, inputs: input, reads: {reads}, writes: {writes}, ops: {ops}}}"


def _product(name: str, g: int, m: int, c: int, q: int, *, dynamic: bool = False) -> str:
    both = ", dynamic: true" if dynamic else ""
    sizes = f"N: 1, G: {g}, M: {m}, C: {c}, P: 1, Q: {q}, R: 1, S: 1"
    return f"  {name}: {{op: problem, inputs: [], problem: {{{sizes}}}, shape: {{C: {g * m}, W: {q}}}{both}}}"


def _network(rows: list[str]) -> Network:
    text = "\n".join(["name: layers", "source: layers of a table", "input: {C: 1}", "layers:", *rows, ""])
    return network_of(parse(text, "layers"))
