"""Which bearer tokens hold."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from api.tokens import (
    MAX_AGE_SECONDS,
    REFRESH_PAUSE_SECONDS,
    FixedKey,
    PublishedKeys,
    TokenVerifier,
)
from flows.errors import UnauthenticatedError, UnavailableError

SECRET = "a secret that is long enough for each of the HMAC algorithms, HS512 included"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def claims(**changes: object) -> dict[str, Any]:
    expiry = datetime.now(UTC) + timedelta(hours=1)
    return {"sub": "someone", "exp": expiry, **changes}


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in claims().items() if key != name}


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


async def test_a_token_signed_with_the_secret_gives_its_claims() -> None:
    verifier = TokenVerifier(keys=FixedKey(SECRET))

    found = await verifier.claims(jwt.encode(claims(role="worker"), SECRET))

    assert found["sub"] == "someone"
    assert found["role"] == "worker"


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(claims(), SECRET + "x"),
        jwt.encode(claims(), SECRET, algorithm="HS384"),
        jwt.encode(claims(), "", algorithm="none"),
        jwt.encode(claims(exp=datetime.now(UTC) - timedelta(seconds=1)), SECRET),
        jwt.encode(claims(nbf=datetime.now(UTC) + timedelta(hours=1)), SECRET),
        jwt.encode(without("exp"), SECRET),
        jwt.encode(without("sub"), SECRET),
        "abc",
        "a.b.c",
        "",
        "é.é.é",
    ],
    ids=[
        *("other secret", "other algorithm", "unsigned", "expired", "not yet", "no expiry"),
        *("no subject", "no token", "three letters", "empty", "not ascii"),
    ],
)
async def test_any_other_token_is_refused(token: str) -> None:
    with pytest.raises(UnauthenticatedError):
        await TokenVerifier(keys=FixedKey(SECRET)).claims(token)


@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
async def test_a_public_key_verifies_what_its_private_key_signed(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, algorithm: str
) -> None:
    verifier = TokenVerifier(keys=FixedKey(pem(key)))

    assert (await verifier.claims(jwt.encode(claims(), key, algorithm)))["sub"] == "someone"


async def test_a_public_key_is_never_taken_for_a_secret() -> None:
    public_key = pem(RSA_KEY)
    header = jwt.utils.base64url_encode(b'{"alg":"HS256","typ":"JWT"}')
    payload = jwt.utils.base64url_encode(b'{"sub":"someone","exp":9999999999}')
    signature = jwt.get_algorithm_by_name("HS256").sign(
        b".".join((header, payload)), public_key.encode()
    )
    forged = b".".join((header, payload, jwt.utils.base64url_encode(signature))).decode()

    with pytest.raises(UnauthenticatedError):
        await TokenVerifier(keys=FixedKey(public_key)).claims(forged)


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"aud": "perdure", "iss": "us"}, True),
        ({"aud": ["other", "perdure"], "iss": "us"}, True),
        ({"aud": "other", "iss": "us"}, False),
        ({"aud": "perdure", "iss": "them"}, False),
        ({"aud": "perdure"}, False),
        ({"iss": "us"}, False),
    ],
)
async def test_audience_and_issuer_must_match_where_they_are_set(
    changes: dict[str, object], holds: bool
) -> None:
    verifier = TokenVerifier(keys=FixedKey(SECRET), audience="perdure", issuer="us")
    token = jwt.encode(claims(**changes), SECRET)

    if holds:
        assert (await verifier.claims(token))["sub"] == "someone"
    else:
        with pytest.raises(UnauthenticatedError):
            await verifier.claims(token)


async def test_an_audience_nobody_asked_for_is_no_fault() -> None:
    verifier = TokenVerifier(keys=FixedKey(SECRET))

    found = await verifier.claims(jwt.encode(claims(aud="anything", iss="anybody"), SECRET))

    assert found["aud"] == "anything"


def rsa_jwk() -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True)


def ec_jwk() -> dict[str, Any]:
    return ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True)


class Provider:
    """An identity provider that publishes keys and counts who asks for them."""

    def __init__(self, **jwk_by_id: Callable[[], dict[str, Any]]) -> None:
        self.jwk_by_id = jwk_by_id
        self.asked = 0
        self.now = 0.0
        self.answer: Callable[[], httpx.Response] = self._published

    def _published(self) -> httpx.Response:
        keys = [{**jwk(), "kid": kid} for kid, jwk in self.jwk_by_id.items()]
        return httpx.Response(200, json={"keys": keys})

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return self.answer()

    def verifier(self) -> TokenVerifier:
        client = httpx.AsyncClient(transport=httpx.MockTransport(self))
        keys = PublishedKeys("https://keys.example/jwks", client, clock=lambda: self.now)
        return TokenVerifier(keys=keys)


def signed(kid: str) -> str:
    if kid.startswith("rsa"):
        return jwt.encode(claims(), RSA_KEY, "RS256", headers={"kid": kid})
    return jwt.encode(claims(), EC_KEY, "ES256", headers={"kid": kid})


async def test_published_keys_are_fetched_once_and_chosen_by_id() -> None:
    provider = Provider(rsa1=rsa_jwk, ec1=ec_jwk)
    verifier = provider.verifier()

    for kid in ("rsa1", "ec1", "rsa1"):
        assert (await verifier.claims(signed(kid)))["sub"] == "someone"

    assert provider.asked == 1


async def test_invented_key_ids_do_not_make_us_fetch_again_and_again() -> None:
    provider = Provider(rsa1=rsa_jwk)
    verifier = provider.verifier()

    for number in range(5):
        with pytest.raises(UnauthenticatedError):
            await verifier.claims(signed(f"rsa-invented-{number}"))

    assert provider.asked == 1


@pytest.mark.parametrize(
    "answer",
    [
        lambda: httpx.Response(500),
        lambda: httpx.Response(200, text="not json"),
        lambda: httpx.Response(200, json={"keys": []}),
        lambda: httpx.Response(200, json=[]),
    ],
)
async def test_a_provider_that_does_not_answer_is_not_the_callers_fault(
    answer: Callable[[], httpx.Response],
) -> None:
    provider = Provider()
    provider.answer = answer

    with pytest.raises(UnavailableError):
        await provider.verifier().claims(signed("rsa1"))


async def test_keys_are_asked_for_again_after_a_failure() -> None:
    provider = Provider(rsa1=rsa_jwk)
    healthy, provider.answer = provider.answer, lambda: httpx.Response(503)
    verifier = provider.verifier()
    with pytest.raises(UnavailableError):
        await verifier.claims(signed("rsa1"))
    provider.answer = healthy

    assert (await verifier.claims(signed("rsa1")))["sub"] == "someone"


async def test_a_key_that_was_taken_back_is_refused_within_minutes() -> None:
    provider = Provider(rsa1=rsa_jwk, ec1=ec_jwk)
    verifier = provider.verifier()
    await verifier.claims(signed("rsa1"))
    del provider.jwk_by_id["rsa1"]

    provider.now = MAX_AGE_SECONDS + 1

    with pytest.raises(UnauthenticatedError):
        await verifier.claims(signed("rsa1"))
    assert (await verifier.claims(signed("ec1")))["sub"] == "someone"


async def test_a_new_key_is_found_once_the_pause_is_over() -> None:
    provider = Provider(rsa1=rsa_jwk)
    verifier = provider.verifier()
    await verifier.claims(signed("rsa1"))
    provider.jwk_by_id["ec1"] = ec_jwk

    with pytest.raises(UnauthenticatedError):
        await verifier.claims(signed("ec1"))
    provider.now = REFRESH_PAUSE_SECONDS

    assert (await verifier.claims(signed("ec1")))["sub"] == "someone"
    assert provider.asked == 2
