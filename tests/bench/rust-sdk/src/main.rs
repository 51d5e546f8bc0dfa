//! Microsoft's SDK for Rust gets the key that bek-unlock gets: token, secret, unwrap.
//!
//! ```text
//! rust-sdk VAULT SECRET VERSION
//! ```
//!
//! The KEK is the one the secret's tags name. The clients are made as the SDK's own examples make
//! them, and the runtime has one thread, which starts quickest.

use std::error::Error;

use azure_identity::ManagedIdentityCredential;
use azure_security_keyvault_keys::KeyClient;
use azure_security_keyvault_keys::models::{EncryptionAlgorithm, KeyOperationParameters};
use azure_security_keyvault_secrets::SecretClient;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [vault, name, version] = arguments.as_slice() else {
        return Err("usage: rust-sdk VAULT SECRET VERSION".into());
    };
    let credential = ManagedIdentityCredential::new(None)?;

    let secrets = SecretClient::new(vault, credential.clone(), None)?;
    let options = SecretClientGetSecretOptions {
        secret_version: Some(version.clone()),
        ..Default::default()
    };
    let secret = secrets.get_secret(name, Some(options)).await?.into_model()?;
    let tags = secret.tags.ok_or("the secret has no tags")?;
    let kek = tags.get("DiskEncryptionKeyEncryptionKeyURL").ok_or("no tag names a KEK")?;
    let (kek, kek_version) = kek.rsplit_once('/').ok_or("the KEK has no version")?;
    let (_, kek) = kek.rsplit_once('/').ok_or("the KEK has no name")?;
    let value = secret.value.ok_or("the secret has no value")?;

    let keys = KeyClient::new(vault, credential, None)?;
    let parameters = KeyOperationParameters {
        algorithm: Some(EncryptionAlgorithm::RsaOaep),
        value: Some(URL_SAFE_NO_PAD.decode(value)?),
        ..Default::default()
    };
    let unwrapped = keys.unwrap_key(kek, kek_version, parameters.try_into()?, None).await?;
    unwrapped.into_model()?.result.ok_or("no key came back")?;
    Ok(())
}
