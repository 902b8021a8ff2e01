"""Texts of a given form, by llguidance: which tokens may come next.

    Grammar ── Grammars.compile ──▶ CompiledGrammar ── start ──▶ Matcher        one sequence each
       bounds ▸ wording ▸ trial                                    │ Masks      all rows of a step
                                                                   ▼
                                                       the sampler's logits

Grammars come from clients. What is too large is refused before it is read, and what takes too long
or too much memory to compile is found out in a process that can be killed.
"""
