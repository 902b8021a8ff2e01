"""What the README lists is what there is."""

from pathlib import Path

from shoal import __version__
from shoal.api import Reason

README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_readme_explains_every_reason() -> None:
    missing = [r for r in Reason if f"| `{r.value}` | {r.sentence} |" not in README]
    assert missing == []


def test_the_images_that_are_pushed_have_the_tag_that_the_chart_asks_for() -> None:
    for image in ("shoal-operator", "shoal-serving"):
        assert f"docker push registry.example.com/shoal/{image}:{__version__}\n" in README
