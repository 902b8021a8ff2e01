"""What the chart runs once, in the operator's image: `python -m shoal.installation`.

`fleet` applies the default Fleet when a release was installed or upgraded; `check` is `helm test`.
Both have an account that may do this and nothing else, and end with an error that Helm prints.
"""
