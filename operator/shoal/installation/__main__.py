"""The two commands. Their words come from the environment, where the chart puts them."""

import asyncio
import json
import sys

import click

from shoal.cluster.kube.connection import connect
from shoal.errors import ShoalError
from shoal.installation.check import check as check_all
from shoal.installation.fleet import apply


@click.group()
def main() -> None:
    """What the chart runs once."""


@main.command()
@click.option("--manifest", envvar="FLEET", required=True, help="The Fleet, in JSON.")
def fleet(manifest: str) -> None:
    """Apply the default Fleet."""
    asyncio.run(_fleet(manifest))


@main.command()
@click.option("--namespace", envvar="NAMESPACE", required=True, help="The release's namespace.")
@click.option("--operator", envvar="OPERATOR", required=True, help="The operator's address.")
def check(namespace: str, operator: str) -> None:
    """Check that Shoal is installed and works."""
    asyncio.run(_check(namespace, operator))


async def _fleet(manifest: str) -> None:
    async with connect() as api:
        applied = await apply(api, json.loads(manifest))
    click.echo(f"fleet.shoal.dev/{applied['metadata']['name']} applied")


async def _check(namespace: str, operator: str) -> None:
    async with connect() as api:
        async for finding in check_all(api, namespace, operator):
            click.echo(finding)


if __name__ == "__main__":
    try:
        main()
    except ShoalError as error:
        sys.exit(f"error: {error}")
