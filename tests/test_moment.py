"""Points in training as people write them."""

import pytest

from audio_lottery.errors import LotteryError
from audio_lottery.moment import Moment


@pytest.mark.parametrize("text, moment", [
    ("0", Moment(0)), (0, Moment(0)), ("0ep", Moment(0, "ep")), ("500it", Moment(500, "it")),
    (" 2ep ", Moment(2, "ep")),
])
def test_read(text, moment):
    assert Moment.parse(text) == moment


@pytest.mark.parametrize("text", ["0", "500it", "2ep"])
def test_written_as_read(text):
    assert str(Moment.parse(text)) == text


@pytest.mark.parametrize("text", ["500", "-1it", "2 epochs", "1.5ep", "", "it"])
def test_refused(text):
    with pytest.raises(LotteryError, match="not a point in training"):
        Moment.parse(text)
