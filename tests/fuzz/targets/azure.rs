//! Answers of IMDS and Key Vault, through the client that asks for them.

use bek_unlock::azure::id::{KeyId, SecretId, VaultUrl};
use bek_unlock::azure::inventory::{self, Filter};
use bek_unlock::azure::trust::{self, Trust};
use bek_unlock::azure::{imds, wrapped};
use bek_unlock::secret::Secret;
use bek_unlock::volume::{Identity, KekAlgorithm};

use super::network::{Network, Place, secret_is_kept, within};
use super::{Target, plain, said, texts};

const VAULT: &str = "https://contoso-kv.vault.azure.net";
const CLIENT: &str = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9";

const WORDS: &[&str] = &[
    "200 \n\n",
    "401 \nBearer authorization=\"https://login.microsoftonline.com/t\", resource=\"https://vault.azure.net\"\n",
    "403 \n\n",
    "404 \n\n",
    "429 1000\n\n",
    "503 \n\n",
    "\u{1e}",
    "\"value\":",
    "\"error\":{\"code\":\"Forbidden\",\"message\":\"",
    "\"innererror\":{\"code\":\"SecretDisabled\"}",
    "\"nextLink\":\"https://contoso-kv.vault.azure.net/secrets?a=1\"",
    "\"attributes\":{\"enabled\":\"true\",\"created\":1700000000}",
    "\"tags\":{\"DiskEncryptionKeyFileName\":\"LinuxPassPhraseFileName_1_0\"}",
    "https://contoso-kv.vault.azure.net/",
    "\\u0000",
    "18446744073709551615",
];

/// The metadata service: tokens and the VM's name.
pub const METADATA_SERVICE: Target = Target {
    name: "metadata-service",
    run: metadata_service,
    seeds: || {
        texts(&[
            "200 \n\n{\"access_token\":\"SENTINELbase64SENTINEL00\",\"client_id\":\"0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9\",\"expires_in\":\"86399\",\"token_type\":\"Bearer\"}",
            "400 \n\n{\"error\":\"invalid_request\",\"error_description\":\"Identity not found\"}\u{1e}200 \n\n{\"access_token\":\"a\"}",
            "429 2000\n\n\u{1e}410 \n\n\u{1e}302 \n\n",
            "200 \n\nvm-name.1",
        ])
    },
    words: WORDS,
};

/// A secret.
pub const SECRET: Target = Target {
    name: "secret",
    run: secret,
    seeds: || {
        texts(&[
            "200 \n\n{\"value\":\"SENTINELbase64SENTINEL00\",\"contentType\":\"Wrapped BEK\",\"id\":\"https://contoso-kv.vault.azure.net/secrets/bek/0123\",\"attributes\":{\"enabled\":true,\"nbf\":1,\"exp\":\"2\",\"created\":1700000000},\"tags\":{\"DiskEncryptionKeyFileName\":\"LinuxPassPhraseFileName\",\"MachineName\":\"vm\",\"DiskEncryptionKeyEncryptionKeyURL\":\"https://contoso-kv.vault.azure.net/keys/kek/01\",\"DiskEncryptionKeyEncryptionAlgorithm\":\"RSA-OAEP\"}}",
            "401 \nBearer authorization=\"https://login.microsoftonline.com/t\", resource=\"https://vault.azure.net\"\n{\"error\":{\"code\":\"Unauthorized\",\"message\":\"[TokenExpired] x\"}}",
            "403 \n\n{\"error\":{\"code\":\"Forbidden\",\"message\":\"Caller is not authorized.\\r\\nCaller: appid=a;oid=0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9;iss=b\\r\\nClient address: 10.0.0.4\",\"innererror\":{\"code\":\"AccessDenied\"}}}",
            "403 \n\n{\"error\":{\"code\":\"Forbidden\",\"message\":\"x\",\"innererror\":{\"code\":\"SecretDisabled\"}}}",
            "503 \n\n\u{1e}404 \n\n{\"error\":{\"code\":\"SecretNotFound\",\"message\":\"A secret was not found. x\"}}",
        ])
    },
    words: WORDS,
};

/// Lists of secrets and of versions, in pages.
pub const LIST: Target = Target {
    name: "list",
    run: list,
    seeds: || {
        texts(&[
            "200 \n\n{\"value\":[{\"id\":\"https://contoso-kv.vault.azure.net/secrets/a\",\"contentType\":\"BEK\",\"attributes\":{\"enabled\":false,\"created\":1},\"tags\":{\"DiskEncryptionKeyFileName\":\"LinuxPassPhraseFileName_1_0\",\"MachineName\":\"vm\"}}],\"nextLink\":\"https://contoso-kv.vault.azure.net:443/secrets?api-version=7.4&$skiptoken=eyJ\"}\u{1e}200 \n\n{\"value\":[],\"nextLink\":null}",
            "200 \n\n{\"value\":[{\"id\":\"https://contoso-kv.vault.azure.net/secrets/a/01\",\"attributes\":{\"created\":3}},{\"id\":\"https://contoso-kv.vault.azure.net/secrets/a/02\",\"attributes\":{\"created\":4}}],\"nextLink\":\"https://contoso-kv.vault.azure.net/secrets/a/versions?x\"}",
        ])
    },
    words: WORDS,
};

/// Answers of unwrapKey and wrapKey.
pub const KEY: Target = Target {
    name: "key",
    run: key,
    seeds: || {
        let wrapped = "QUFB".repeat(85) + "QQ";
        let mut seeds = texts(&[
            "200 \n\n{\"kid\":\"https://contoso-kv.vault.azure.net/keys/kek/0123\",\"value\":\"SENTINELbase64SENTINEL00\"}",
            "400 \n\n{\"error\":{\"code\":\"BadParameter\",\"message\":\"Error occurred while decoding OAEP padding.\"}}",
            "404 \n\n{\"error\":{\"code\":\"KeyNotFound\"}}",
        ]);
        seeds.push(
            format!("200 \n\n{{\"kid\":\"{VAULT}/keys/kek/0123\",\"value\":\"{wrapped}\"}}").into(),
        );
        seeds
    },
    words: WORDS,
};

/// The header WWW-Authenticate.
pub const CHALLENGE: Target = Target {
    name: "challenge",
    run: challenge,
    seeds: || {
        texts(&[
            "Bearer authorization=\"https://login.windows.net/t\", resource=\"https://vault.azure.net\"",
            "Bearer authorization=\"https://login.windows.net/t\", scope=\"https://vault.azure.net/.default\"",
            "Bearer resource=https://managedhsm.azure.net",
        ])
    },
    words: &["resource=", "scope=", "https://vault.azure.net", "/.default", "\"", ", ", "Bearer "],
};

fn metadata_service(data: &[u8]) {
    let host = VaultUrl::parse(VAULT).unwrap();
    let trusted = Trust::new(&[]).check(host.host()).unwrap();
    for identity in [None, Some(Identity::Client(CLIENT.to_owned()))] {
        let mut network = Network::new(Place::Metadata, data);
        let token = within(|deadline| {
            imds::token(&mut network, identity.as_ref(), trusted.audience(), || 0.5, deadline)
        });
        match token {
            Ok(token) => {
                assert!(!token.secret.is_empty());
                assert!(token.secret.expose().iter().all(u8::is_ascii_graphic));
                assert!(token.secret.len() <= data.len());
            }
            Err(kind) => secret_is_kept(data, &said(&kind)),
        }
    }
    let mut network = Network::new(Place::Metadata, data);
    match within(|deadline| imds::vm_name(&mut network, || 0.5, deadline)) {
        Ok(Some(name)) => {
            plain(&name);
            assert!((1..=80).contains(&name.len()) && !name.contains([' ', '/']));
        }
        Ok(None) => {}
        Err(kind) => secret_is_kept(data, &said(&kind)),
    }
}

fn secret(data: &[u8]) {
    for url in ["/secrets/bek", "/secrets/bek/0123"] {
        let asked = SecretId::parse(&format!("{VAULT}{url}")).unwrap();
        let mut azure = Network::new(Place::Vault, data).azure();
        match within(|deadline| azure.secret(&asked, deadline)) {
            Ok(secret) => {
                assert_eq!(secret.id.newest(), asked.newest());
                assert!(asked.version().is_none() || asked.version() == secret.id.version());
                assert!(azure.known_secret(&asked).is_some());
                secret_is_kept(data, &format!("{secret:?}"));
                secret.content_type.iter().for_each(|kind| plain(kind));
            }
            Err(kind) => secret_is_kept(data, &said(&kind)),
        }
    }
}

fn list(data: &[u8]) {
    let vault = VaultUrl::parse(VAULT).unwrap();
    let mut azure = Network::new(Place::Vault, data).azure();
    match within(|deadline| azure.disk_secrets(&vault, deadline)) {
        Ok(listing) => {
            assert!(listing.secrets.len() <= listing.seen);
            for secret in &listing.secrets {
                assert_eq!(secret.id.host(), vault.host());
                secret.content_type.iter().for_each(|kind| plain(kind));
                secret.tags.machine.iter().for_each(|name| plain(name));
            }
            match inventory::disk_secrets(&vault, &listing, Filter::default(), 1_700_000_000) {
                Ok(rows) => assert_eq!(rows.len(), listing.secrets.len()),
                Err(kind) => drop(said(&kind)),
            }
        }
        Err(kind) => secret_is_kept(data, &said(&kind)),
    }
    let asked = SecretId::parse(&format!("{VAULT}/secrets/a")).unwrap();
    let mut azure = Network::new(Place::Vault, data).azure();
    match within(|deadline| azure.versions(&asked, deadline)) {
        Ok(versions) => {
            assert!(versions.iter().all(|version| version.id.newest() == asked));
            assert!(
                versions.is_sorted_by(|one, other| {
                    one.attributes.created >= other.attributes.created
                })
            );
        }
        Err(kind) => secret_is_kept(data, &said(&kind)),
    }
}

fn key(data: &[u8]) {
    let kek = KeyId::parse(&format!("{VAULT}/keys/kek/0123")).unwrap();
    let mut azure = Network::new(Place::Vault, data).azure();
    let algorithm = KekAlgorithm::RsaOaep;
    match within(|deadline| azure.unwrap_key(&kek, algorithm, &[7; 256], deadline)) {
        Ok(key) => assert!(!key.is_empty() && key.len() <= data.len()),
        Err(kind) => secret_is_kept(data, &said(&kind)),
    }
    let mut azure = Network::new(Place::Vault, data).azure();
    let secret = Secret::new(vec![7; 32]);
    let asked = kek.clone().into();
    match within(|deadline| azure.wrap_key(&asked, algorithm, &secret, deadline)) {
        Ok((by, wrapped)) => {
            assert_eq!(by, kek);
            assert!(wrapped::fits(algorithm, wrapped.len()));
        }
        Err(kind) => secret_is_kept(data, &said(&kind)),
    }
}

fn challenge(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let host = VaultUrl::parse(VAULT).unwrap();
    let trusted = Trust::new(&[]).check(host.host()).unwrap();
    if let Some(foreign) = trust::foreign_resource(&text, trusted.audience()) {
        plain(&foreign);
        assert!(foreign.len() <= 83);
        assert_ne!(foreign, "https://vault.azure.net");
    }
    // Whoever names another service is found out, whatever stands before.
    let other = format!("Bearer resource=\"https://graph.microsoft.com\", {text}");
    assert!(trust::foreign_resource(&other, trusted.audience()).is_some());
}
