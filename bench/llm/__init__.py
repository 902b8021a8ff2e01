"""Side-by-side measurements of engines that generate text, and of Shoal's in particular.

    work ──▶ engines (each a process in its own environment, one model) ──▶ times of every token
                  │ run: rounds, in each the engines in a shuffled order, one at a time
                  ▼
               report: tables, llm.json

As in the other part, the driver knows the standard library only. An engine's process answers lines
of JSON; it loads its model once and waits for the next line without using a core.
"""
