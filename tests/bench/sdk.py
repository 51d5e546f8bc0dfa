"""Azure's own SDK gets the key that bek-unlock gets: token, secret, unwrap.

    python sdk.py VAULT SECRET VERSION

The KEK is the one the secret's tags name. Imports are what this needs and no more.
"""

import base64
import sys

from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient

vault, name, version = sys.argv[1:]
credential = ManagedIdentityCredential()
secret = SecretClient(vault, credential).get_secret(name, version)
tags = secret.properties.tags
wrapped = base64.urlsafe_b64decode(secret.value + "=" * (-len(secret.value) % 4))
kek = CryptographyClient(tags["DiskEncryptionKeyEncryptionKeyURL"], credential)
algorithm = KeyWrapAlgorithm(tags["DiskEncryptionKeyEncryptionAlgorithm"])
assert kek.unwrap_key(algorithm, wrapped).key
