"""Azure's own SDK against the emulator: what it is satisfied with, real clients will be.

Runs inside the network namespace that run.sh makes, where 169.254.169.254 and the vaults'
names lead to the emulator. Every check is an assertion; the first that fails ends the run.
"""

import base64
import json
import logging
import os
import tempfile
import time
import urllib.request

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.identity import (
    CertificateCredential,
    ClientSecretCredential,
    CredentialUnavailableError,
    DeviceCodeCredential,
    EnvironmentCredential,
    ManagedIdentityCredential,
    WorkloadIdentityCredential,
)
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

VAULT = "https://contoso-kv.vault.azure.net"
HSM = "https://contoso.managedhsm.azure.net"
KEK = f"{VAULT}/keys/kek/00000000000000000000000000000001"
UNWRAPPER = "33333333-3333-4333-8333-333333333333"
CONTROL = "http://127.0.0.1:8081"
TENANT = "72f988bf-86f1-41af-91ab-2d7cd011db47"
RESCUE = "66666666-6666-4666-8666-666666666666"
ENTRA = "login.microsoftonline.com"
KEYS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "keys")


def change(**changes):
    body = json.dumps(changes).encode()
    urllib.request.urlopen(urllib.request.Request(CONTROL, body)).close()


def requests():
    with urllib.request.urlopen(f"{CONTROL}/requests") as answer:
        return [entry for entry in json.load(answer) if entry["event"] == "request"]


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def refused(kind, status, inner, call):
    """The call must fail in this very way."""
    try:
        call()
    except kind as error:
        assert error.status_code == status, (error.status_code, str(error))
        found = (error.error.innererror or {}).get("code") if error.error else None
        assert found == inner, (found, str(error))
        return str(error)
    raise AssertionError(f"not refused: {kind.__name__} {status} {inner}")


def token_from_imds():
    token = ManagedIdentityCredential().get_token("https://vault.azure.net/.default")
    assert token.token.startswith("emulated.")
    assert 86_000 < token.expires_on - time.time() <= 86_400
    for selector in (
        {"client_id": UNWRAPPER},
        {"identity_config": {"object_id": "44444444-4444-4444-8444-444444444444"}},
    ):
        other = ManagedIdentityCredential(**selector).get_token("https://vault.azure.net/.default")
        assert other.token != token.token
    try:
        unknown = ManagedIdentityCredential(client_id="99999999-9999-4999-8999-999999999999")
        unknown.get_token("https://vault.azure.net/.default")
    except (ClientAuthenticationError, CredentialUnavailableError) as error:
        assert "Identity not found" in str(error) or "400" in str(error), str(error)
    else:
        raise AssertionError("a token for an identity that does not exist")


def secrets(credential):
    client = SecretClient(VAULT, credential)
    secret = client.get_secret("bek-os")
    assert secret.properties.content_type == "Wrapped BEK"
    assert secret.properties.tags["MachineName"] == "web-1"
    assert secret.properties.enabled and secret.properties.created_on.year == 2023
    versions = {item.version for item in client.list_properties_of_secret_versions("bek-os")}
    assert len(versions) == 2 and secret.properties.version in versions
    listed = list(client.list_properties_of_secrets(max_page_size=2))
    assert [item.name for item in listed] == ["bek-os", "bek-data", "bek-other", "off"]
    mine = [item.name for item in listed if (item.tags or {}).get("MachineName") == "web-1"]
    assert mine == ["bek-os", "bek-data"]
    # Pages of 1, 0, 1 and 2 items, the empty one with a link like the others.
    pages = [entry for entry in requests() if entry["path"] == "/secrets"]
    assert len([entry for entry in pages if entry["status"] == 200]) == 4, pages
    assert decode(client.get_secret("bek-data").value) == b"the passphrase of a data disk"
    refused(HttpResponseError, 403, "SecretDisabled", lambda: client.get_secret("off"))
    refused(ResourceNotFoundError, 404, None, lambda: client.get_secret("no-such"))
    made = client.set_secret("enrolled", "value", content_type="BEK", tags={"MachineName": "web-3"})
    assert client.get_secret("enrolled", made.properties.version).value == "value"
    client.update_secret_properties("enrolled", enabled=False)
    refused(HttpResponseError, 403, "SecretDisabled", lambda: client.get_secret("enrolled"))
    return decode(secret.value)


def keys(credential, wrapped):
    passphrase = b"the passphrase of the OS disk"
    kek = CryptographyClient(KEK, credential)
    assert kek.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped).key == passphrase
    client = KeyClient(VAULT, credential)
    assert client.get_key("kek").properties.version.endswith("2")
    for name in ("kek", "big"):
        key = CryptographyClient(client.get_key(name), credential)
        for algorithm in ("RSA-OAEP", "RSA-OAEP-256", "RSA1_5"):
            made = key.wrap_key(KeyWrapAlgorithm(algorithm), passphrase)
            assert key.unwrap_key(KeyWrapAlgorithm(algorithm), made.encrypted_key).key == passphrase
    # The newest version did not wrap it.
    newest = CryptographyClient(f"{VAULT}/keys/kek", credential)
    text = refused(
        HttpResponseError, 400, None,
        lambda: newest.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped),
    )
    assert "BadParameter" in text and "OAEP padding" in text, text
    off = CryptographyClient(f"{VAULT}/keys/off", credential)
    refused(
        HttpResponseError, 403, "KeyDisabled",
        lambda: off.unwrap_key(KeyWrapAlgorithm.rsa_oaep, wrapped),
    )
    refused(ResourceNotFoundError, 404, None, lambda: client.get_key("no-such"))


def least_permissions(wrapped):
    """Without keys/get the SDK leaves wrapping to the vault, and secrets stay closed."""
    credential = ManagedIdentityCredential(client_id=UNWRAPPER)
    kek = CryptographyClient(KEK, credential)
    made = kek.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"remote")
    assert any(entry["path"].endswith("/wrapkey") for entry in requests())
    assert kek.unwrap_key(KeyWrapAlgorithm.rsa_oaep, made.encrypted_key).key == b"remote"
    client = SecretClient(VAULT, credential)
    refused(HttpResponseError, 403, "AccessDenied", lambda: client.get_secret("bek-os"))
    change(set_network={"vault": VAULT.removeprefix("https://"), "network": "firewall"})
    refused(HttpResponseError, 403, "ForbiddenByFirewall", lambda: client.get_secret("bek-os"))
    change(set_network={"vault": VAULT.removeprefix("https://"), "network": "open"})


def managed_hsm(credential):
    """Another audience, an empty challenge body, padded answers in the standard alphabet."""
    hsm = CryptographyClient(KeyClient(HSM, credential).get_key("hsm-kek"), credential)
    made = hsm.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, b"\xfb\xff\xfe key")
    assert hsm.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, made.encrypted_key).key == b"\xfb\xff\xfe key"


def faults(credential):
    """What the SDK is known to ride out, it rides out here."""
    busy = {"throttled": {"retry_after": 0}}
    change(push_fault={"match": {"service": "vault"}, "times": 2, "action": busy})
    before = len(requests())
    assert SecretClient(VAULT, credential).get_secret("bek-data").value
    statuses = [entry["status"] for entry in requests()[before:]]
    # No challenge between them: the SDK keeps it for the host, over all clients of a process.
    assert statuses == [429, 429, 200], statuses
    change(push_fault={"match": {"service": "imds"}, "action": {"throttled": {}}})
    token = ManagedIdentityCredential().get_token("https://managedhsm.azure.net/.default")
    assert token.token
    change(expire_tokens=True)
    fresh = ManagedIdentityCredential()
    assert SecretClient(VAULT, fresh).get_secret("bek-data").value
    change(set_certificate={"vault": VAULT.removeprefix("https://"), "certificate": "expired"})
    try:
        SecretClient(VAULT, fresh, retry_total=0).get_secret("bek-data")
    except ServiceRequestError as error:
        assert "CERTIFICATE_VERIFY_FAILED" in str(error), str(error)
    else:
        raise AssertionError("an expired certificate was trusted")


def jwt(**claims):
    """Another issuer's token; who checks its signature is not emulated."""

    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    now = int(time.time())
    claims = {"aud": "api://AzureADTokenExchange", "iss": "https://issuer.example",
              "sub": "rescue", "iat": now, "exp": now + 600, **claims}
    return f"{part({'alg': 'RS256'})}.{part(claims)}.c2lnbmF0dXJl"


def not_signed_in(number, credential):
    """Entra must refuse it with this number."""
    try:
        credential.get_token("https://vault.azure.net/.default")
    except ClientAuthenticationError as error:
        assert f"AADSTS{number}" in str(error), str(error)
    else:
        raise AssertionError(f"signed in, AADSTS{number} was expected")


def applications():
    """Every way an application signs in, with MSAL's own requests and assertions."""
    certificate = os.path.join(KEYS, "TEST-ONLY-client.pem")
    with tempfile.NamedTemporaryFile("w") as token:
        token.write(jwt())
        token.flush()
        federated = {"tenant_id": TENANT, "client_id": RESCUE, "token_file_path": token.name}
        os.environ.update(AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=RESCUE,
                          AZURE_CLIENT_SECRET="a client secret")
        for credential in (
            ClientSecretCredential(TENANT, RESCUE, "a client secret"),
            EnvironmentCredential(),
            CertificateCredential(TENANT, RESCUE, certificate),
            CertificateCredential(TENANT, RESCUE, certificate, send_certificate_chain=True),
            WorkloadIdentityCredential(**federated),
        ):
            assert decode(SecretClient(VAULT, credential).get_secret("bek-data").value)
        with open(token.name, "w") as again:
            again.write(jwt(sub="somebody else"))
        not_signed_in(700213, WorkloadIdentityCredential(**federated))
    not_signed_in(7000215, ClientSecretCredential(TENANT, RESCUE, "a wrong one"))
    not_signed_in(7000222, ClientSecretCredential(TENANT, RESCUE, "an old one"))
    other = os.path.join(KEYS, "TEST-ONLY-client-other.pem")
    not_signed_in(700027, CertificateCredential(TENANT, RESCUE, other))
    not_signed_in(700016, ClientSecretCredential(TENANT, UNWRAPPER, "a client secret"))


def person():
    shown = []
    credential = DeviceCodeCredential(prompt_callback=lambda *code: shown.append(code))
    assert decode(SecretClient(VAULT, credential).get_secret("bek-data").value)
    (url, code, _), = shown
    assert url == "https://microsoft.com/devicelogin" and len(code) == 10, shown
    # Another audience by the refresh token, nobody is asked again; its cache has two halves, and
    # SecretClient filled the one with continuous access evaluation.
    assert credential.get_token("https://managedhsm.azure.net/.default", enable_cae=True).token
    assert len(shown) == 1, shown
    polls = [entry for entry in requests() if entry["host"] == ENTRA and entry["status"] == 400]
    assert polls, "no poll was answered by authorization_pending"


def main():
    # Refusals are expected here; the SDK would warn of each.
    logging.getLogger("azure").setLevel(logging.ERROR)
    token_from_imds()
    credential = ManagedIdentityCredential()
    wrapped = secrets(credential)
    keys(credential, wrapped)
    least_permissions(wrapped)
    managed_hsm(credential)
    applications()
    person()
    faults(credential)
    agents = {entry["user_agent"].split("/")[0] for entry in requests()}
    print(f"passed: {len(requests())} requests by {', '.join(sorted(agents))}")


main()
