//! Azure's own Python SDK reads what enroll made, and unwraps it to the passphrase.

use std::fs;
use std::process::Command;

use crate::world::{KEK, KEY, VAULT, World, with_input};

/// As an operator would do it in Microsoft's own tools; the key comes out on standard output.
const SCRIPT: &str = r#"
import base64, sys
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from azure.keyvault.secrets import SecretClient
credential = ManagedIdentityCredential()
secret = SecretClient("https://contoso-kv.vault.azure.net", credential).get_secret("bek-data1")
tags = secret.properties.tags
assert secret.properties.content_type == "Wrapped BEK", secret.properties.content_type
assert set(tags) == {"MachineName", "DiskEncryptionKeyFileName",
    "DiskEncryptionKeyEncryptionKeyURL", "DiskEncryptionKeyEncryptionAlgorithm"}, tags
value = base64.urlsafe_b64decode(secret.value + "=" * (-len(secret.value) % 4))
client = CryptographyClient(tags["DiskEncryptionKeyEncryptionKeyURL"], credential)
algorithm = KeyWrapAlgorithm(tags["DiskEncryptionKeyEncryptionAlgorithm"])
sys.stdout.buffer.write(client.unwrap_key(algorithm, value).key)
"#;

#[test]
#[ignore = "needs Azure's addresses and its SDK: make check-root"]
fn the_sdk_unwraps_an_enrolled_secret_to_the_passphrase() {
    let Ok(python) = std::env::var("SDK_PYTHON") else {
        panic!("SDK_PYTHON names a Python with Azure's SDK");
    };
    let world = World::new();
    let image = world.volume("luks2", None);
    let device = image.to_str().unwrap();
    let words = [
        "enroll",
        device,
        "--kek",
        KEK,
        "--to-vault",
        VAULT,
        "--secret-name",
        "bek-data1",
        "--key-file",
        "-",
    ];
    world.run(&words, KEY.as_bytes()).good();
    let script = world.path("read.py");
    fs::write(&script, SCRIPT).unwrap();
    let mut command = Command::new(python);
    command.env_clear().env("REQUESTS_CA_BUNDLE", world.path("ca.pem")).arg("-I").arg(&script);
    let output = with_input(&mut command, b"");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert_eq!(output.stdout.len(), 172);
    assert!(world.opens(&image, &output.stdout), "what the SDK unwrapped opens nothing");
    assert!(!world.opens(&image, b"another"));
}
