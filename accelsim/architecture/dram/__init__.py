"""DRAM with banks and rows: the device, its YAML, and presets as data files beside this one."""
