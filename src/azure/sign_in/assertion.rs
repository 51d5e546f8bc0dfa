//! A client assertion: the JWT by which a certificate's owner proves to Entra who it is.
//!
//! Source: "Microsoft identity platform application authentication certificate credentials". PS256
//! and `x5t#S256`, as that page recommends and MSAL does; good for ten minutes and one use.

use ::base64::Engine;
use ::base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::json;

use super::environment::Application;
use super::ports::ClientCertificate;
use crate::secret::Secret;

/// The longest that Entra takes.
const LIFETIME: u64 = 600;

/// What an assertion says.
pub struct Claims<'a> {
    /// Who signs in.
    pub application: &'a Application,
    /// The URL of the token endpoint.
    pub audience: &'a str,
    /// Seconds since 1970.
    pub now: u64,
    /// Names this assertion among all.
    pub unique: [u8; 16],
    /// Whether the certificates go along, for applications that trust an issuer and a name.
    pub chain: bool,
}

/// The signed assertion.
///
/// Errors: the key's words.
pub fn sign(claims: &Claims<'_>, certificate: &dyn ClientCertificate) -> Result<Secret, String> {
    let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(certificate.thumbprint());
    let mut header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint});
    if let (true, Some(header)) = (claims.chain, header.as_object_mut()) {
        let chain: Vec<String> =
            certificate.chain().iter().map(|der| BASE64_STANDARD.encode(der)).collect();
        header.insert("x5c".to_owned(), json!(chain));
    }
    let client = &claims.application.client;
    let payload = json!({
        "aud": claims.audience,
        "exp": claims.now.saturating_add(LIFETIME),
        "iat": claims.now,
        "iss": client,
        "jti": BASE64_URL_SAFE_NO_PAD.encode(claims.unique),
        "nbf": claims.now,
        "sub": client,
    });
    let part = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(header), part(payload));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(certificate.sign(message.as_bytes())?);
    Ok(Secret::new(format!("{message}.{signature}").into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Paper;

    impl ClientCertificate for Paper {
        fn thumbprint(&self) -> [u8; 32] {
            [0xfb; 32]
        }

        fn chain(&self) -> Vec<Vec<u8>> {
            vec![b"leaf".to_vec(), b"issuer".to_vec()]
        }

        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
            if message.is_empty() { Err("nothing to sign".to_owned()) } else { Ok(vec![7; 3]) }
        }
    }

    fn parts(chain: bool) -> Vec<Vec<u8>> {
        let application = Application { tenant: "t".into(), client: "app\"1".into() };
        let claims = Claims {
            application: &application,
            audience: "https://login.example/t/oauth2/v2.0/token",
            now: 1000,
            unique: [0; 16],
            chain,
        };
        let assertion = sign(&claims, &Paper).unwrap();
        let text = std::str::from_utf8(assertion.expose()).unwrap();
        text.split('.').map(|part| BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).collect()
    }

    #[test]
    fn it_is_the_documented_one() {
        let parts = parts(false);
        let json = |part: &[u8]| serde_json::from_slice::<serde_json::Value>(part).unwrap();
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode([0xfb; 32]);
        assert_eq!(json(&parts[0]), json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        assert_eq!(
            json(&parts[1]),
            json!({"aud": "https://login.example/t/oauth2/v2.0/token", "exp": 1600, "iat": 1000,
                "iss": "app\"1", "jti": "AAAAAAAAAAAAAAAAAAAAAA", "nbf": 1000, "sub": "app\"1"})
        );
        assert_eq!(parts[2], [7; 3]);
    }

    #[test]
    fn the_chain_goes_along_when_asked() {
        let header: serde_json::Value = serde_json::from_slice(&parts(true)[0]).unwrap();
        assert_eq!(header["x5c"], json!(["bGVhZg==", "aXNzdWVy"]));
    }
}
