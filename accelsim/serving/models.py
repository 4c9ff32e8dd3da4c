"""Language models by name, as serving sees them: sizes of their layers, and of the keys and values of a token."""

from __future__ import annotations

from dataclasses import dataclass

from accelsim.errors import AccelsimError, nearest


@dataclass(frozen=True)
class Model:
    """A decoder of equal layers.

    names : as others' tables name it. layers, hidden, heads, kv_heads, head, inner, words : sizes; head : width of one,
    inner : of the feed-forward layers, words : of the vocabulary. gated : gate and up (SwiGLU), else one layer up.
    rotary, qk_norm : what is done to queries and keys. source : of the sizes.
    """

    name: str
    names: tuple[str, ...]
    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head: int
    inner: int
    words: int
    gated: bool
    rotary: bool
    qk_norm: bool
    source: str

    @property
    def query(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head

    @property
    def key(self) -> int:
        """Width of all keys of a token."""
        return self.kv_heads * self.head

    def products(self) -> dict[str, tuple[int, int]]:
        """(C, M) of every layer that is a product with weights, by its name in a table."""
        return {
            "qkv_proj": (self.hidden, self.query + 2 * self.key),
            "o_proj": (self.query, self.hidden),
            "gate_up_proj": (self.hidden, (1 + self.gated) * self.inner),
            "down_proj": (self.inner, self.hidden),
            "lm_head": (self.hidden, self.words),
        }

    def times(self) -> dict[str, int]:
        """How often each layer by tokens runs in an iteration: two norms a layer, the final one and embedding once."""
        found = {"embedding": 1, "layernorm": 2 * self.layers, "qkv_proj": self.layers}
        if self.qk_norm:
            found["qk_norm"] = 2 * self.layers
        if self.rotary:
            found["rotary_emb"] = self.layers
        rest = dict.fromkeys(("o_proj", "gate_up_proj", "act_fn", "down_proj"), self.layers)
        return found | rest | {"final_layernorm": 1}

    @property
    def weights(self) -> int:
        """Words of all products, and of the embedding's table."""
        products = self.products()
        head = products.pop("lm_head")
        inner = sum(c * m for c, m in products.values())
        return self.layers * inner + 2 * head[0] * head[1]

    def kv_bytes(self, width: int = 2) -> int:
        """Bytes of a token's keys and values, in words of `width` bytes."""
        return 2 * self.layers * self.key * width


MODELS = {
    model.name: model
    for model in (
        Model(
            "llama3_8b", ("meta-llama/Llama-3.1-8B", "meta-llama/Meta-Llama-3-8B", "meta-llama/Llama-3.1-8B-Instruct"),
            32, 4096, 32, 8, 128, 14336, 128256, True, True, False,
            "A. Dubey et al., The Llama 3 Herd of Models, arXiv 2407.21783, 2024, Table 3; words as in the release",
        ),
        Model(
            "qwen3_8b", ("Qwen/Qwen3-8B",), 36, 4096, 32, 8, 128, 12288, 151936, True, True, True,
            "A. Yang et al., Qwen3 Technical Report, arXiv 2505.09388, 2025, Table 1; widths as in the release",
        ),
        Model(
            "gpt2", ("openai-community/gpt2", "gpt2"), 12, 768, 12, 12, 64, 3072, 50257, False, False, False,
            "A. Radford et al., Language Models are Unsupervised Multitask Learners, 2019, Table 2, the smallest",
        ),
    )
}  # fmt: skip


def model_of(name: str) -> Model:
    """By its name here or in others' tables. Raises AccelsimError for another."""
    if name in MODELS:
        return MODELS[name]
    for model in MODELS.values():
        if name in model.names:
            return model
    raise AccelsimError(f"unknown model '{name}'{nearest(name, MODELS)}")
