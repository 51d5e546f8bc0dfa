//! What IMDS and Key Vault say, in their words.

use super::volume::Ask;

/// The secret of every volume: which one it is makes no difference to anybody here.
pub const SECRET: &str =
    "https://contoso-kv.vault.azure.net/secrets/bek-data1/0123456789abcdef0123456789abcdef";
const KEK: &str = "https://contoso-kv.vault.azure.net/keys/kek/89abcdef0123456789abcdef01234567";
/// 256 bytes in base64url: what RSA of 2,048 bits makes of a passphrase.
const WRAPPED_LETTERS: usize = 342;

/// The body of a 200.
pub fn body(ask: Ask) -> String {
    match ask {
        Ask::Token => {
            r#"{"access_token":"eyJ0","expires_in":"86399","token_type":"Bearer"}"#.to_owned()
        }
        Ask::Secret => format!(
            r#"{{"id":"{SECRET}","value":"{}","contentType":"Wrapped BEK","tags":{{
                "DiskEncryptionKeyEncryptionKeyURL":"{KEK}",
                "DiskEncryptionKeyEncryptionAlgorithm":"RSA-OAEP"}}}}"#,
            "A".repeat(WRAPPED_LETTERS)
        ),
        Ask::Unwrap => format!(r#"{{"kid":"{KEK}","value":"{}"}}"#, "QUFB".repeat(57)),
    }
}
