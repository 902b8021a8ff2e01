"""Adapters: small changes of one base model, of which every sequence of a batch may have another.

    folder ── read_adapter ──▶ Adapter ── AdapterStacks.load ──▶ id, and rows of the graph's inputs

The graph has inputs for the projections that it was converted with, which are those of
`projections_of` the adapters. PEFT's LoRA is read (https://huggingface.co/docs/peft).
"""

from shoal_serving.generate.adapters.adapter import Adapter, LowRank, projections_of
from shoal_serving.generate.adapters.peft import read_adapter
from shoal_serving.generate.adapters.stacks import AdapterStacks

__all__ = ["Adapter", "AdapterStacks", "LowRank", "projections_of", "read_adapter"]
