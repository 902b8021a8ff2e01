"""What the chart runs in the operator's image and is not the operator: `python -m shoal.installation`.

`fleet` applies the default Fleet once a release is installed or upgraded; `check` is `helm test`. Both
run once, with an account that may do this and nothing else, and end with an error that Helm prints.
"""
