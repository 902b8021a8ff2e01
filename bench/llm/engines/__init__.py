"""The engines: each file here is a process, `python -m bench.llm.engines.NAME`, in the environment
that its requirements describe. `worker.py` is what they share.
"""
