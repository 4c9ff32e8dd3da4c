"""In SCALE-Sim's environment: one convolution on one array; argv: a JSON object. Prints a JSON object."""

import contextlib
import csv
import importlib.metadata
import json
import resource
import sys
import tempfile
import time
from pathlib import Path

from scalesim.scale_sim import scalesim

CONFIG = """\
[general]
run_name = run
[architecture_presets]
ArrayHeight = {rows}
ArrayWidth = {columns}
IfmapSramSzkB = 1024
FilterSramSzkB = 1024
OfmapSramSzkB = 1024
IfmapOffset = 0
FilterOffset = 10000000
OfmapOffset = 20000000
Dataflow = {dataflow}
ReadRequestBuffer = 64
WriteRequestBuffer = 64
[layout]
IfmapCustomLayout = False
FilterCustomLayout = False
IfmapSRAMBankBandwidth = 10
IfmapSRAMBankNum = 10
IfmapSRAMBankPort = 2
FilterSRAMBankBandwidth = 10
FilterSRAMBankNum = 10
FilterSRAMBankPort = 2
[sparsity]
SparsitySupport = false
[run_presets]
InterfaceBandwidth = CALC
UseRamulatorTrace = False
"""


def main() -> None:
    task = json.loads(sys.argv[1])
    seconds = []
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        top = Path(folder)
        (top / "run.cfg").write_text(CONFIG.format(**task))
        # the ifmap's and filter's planes, channels, filters, stride
        (top / "net.csv").write_text("name,h,w,r,s,c,m,stride,\nlayer," + ",".join(map(str, task["layer"])) + ",\n")
        (top / "layout.csv").write_text("name,\nlayer," + "1," * 20 + "\n")
        for _ in range(task["repeats"] + 1):
            start = time.perf_counter()
            files = {"config": "run.cfg", "topology": "net.csv", "layout": "layout.csv"}
            run = scalesim(save_disk_space=True, verbose=False, **{key: str(top / file) for key, file in files.items()})
            run.run_scale(top_path=folder)
            seconds.append(time.perf_counter() - start)
        with next(top.rglob("COMPUTE_REPORT.csv")).open() as file:
            row = {key.strip(): value for key, value in next(csv.DictReader(file)).items()}
    # it reports the index of the last cycle, DRAM stalls included
    cycles = int(float(row["Total Cycles"])) - int(float(row["Stall Cycles"])) + 1
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    version = importlib.metadata.version("scalesim")
    print(json.dumps({"version": version, "seconds": seconds, "cycles": cycles, "rss_kib": rss}))


if __name__ == "__main__":
    main()
