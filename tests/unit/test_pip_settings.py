"""What of this machine's pip a build of images is lent."""

from productimages.pip_settings import settings

LISTED = """:env:.disable-pip-version-check='1'
:env:.index-url='https://packages.example/simple'
global.cert='/etc/ssl/certs/ca-certificates.crt'
global.index-url='https://elsewhere.example/simple'
install.find-links='\\n/wheels\\n/more-wheels'
wheel.index-url='https://for-wheels.example/simple'
"""


def test_where_packages_come_from_is_lent_and_the_last_word_wins():
    assert settings(LISTED) == {
        "cert": "/etc/ssl/certs/ca-certificates.crt",
        "find-links": "\n/wheels\n/more-wheels",
        "index-url": "https://packages.example/simple",
    }
