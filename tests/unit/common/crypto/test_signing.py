"""Standard Webhooks."""

import pytest

from common.crypto.sealing import Secret
from common.crypto.signing import decode_secret, sign

# The specification's own example.
SECRET = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
ID, TIME, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'


def test_known_example_is_signed_as_known() -> None:
    """Whoever checks with the reference library finds it right."""
    assert sign([SECRET], ID, TIME, BODY) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_every_secret_signs_while_they_are_changed() -> None:
    """The receiver may know the old one or the new one."""
    other = Secret("whsec_" + "A" * 32)
    old, new = sign([SECRET, other], ID, TIME, BODY)["webhook-signature"].split()
    assert old == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert new == sign([other], ID, TIME, BODY)["webhook-signature"]


def test_without_secrets_nothing_is_signed() -> None:
    """No header pretends to be one."""
    assert sign([], ID, TIME, BODY) == {}


@pytest.mark.parametrize(
    "text", ["", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_AAAA", "whsec_ä" * 9, "whsec_" + "A" * 400]
)
def test_wrong_secret_is_refused_without_being_shown(text: str) -> None:
    """It must be long enough to be worth something, and written as the specification writes it."""
    with pytest.raises(ValueError, match="24 to 64 bytes") as refused:
        decode_secret(text)
    assert text == "" or text not in str(refused.value).replace("whsec_ ", "")
