"""How the search of all mappings comes to its optimum, and to the proof of it: the picture of docs/optimum.md."""

from __future__ import annotations

from accelsim import load_architecture, load_network
from accelsim.report.plot_search import convergence
from accelsim.search.optimum.optimum import Step, optimum


def main(
    picture: str = "convergence.png", layers: str = "CONV2,CONV3,CONV5,FC6", machine: str = "eyeriss"
) -> dict[str, list[Step]]:
    """Search, draw, and say how long each proof took."""
    architecture, searches = load_architecture(machine), {}
    for layer in load_network("alexnet").select(layers):
        steps: list[Step] = []
        optimum(architecture, architecture.lower(layer.problem), steps=steps)
        searches[layer.name] = steps
        first = next(step for step in steps if step.best <= 1.01 * steps[-1].best)
        print(f"{layer.name}: within 1 % after {first.visited:,} choices, proved after {steps[-1].visited:,}")
    convergence(searches).figure.savefig(picture, dpi=150)
    return searches


if __name__ == "__main__":
    main()
