//! URLs of vaults, secrets and keys: one spelling each, and no host that is not in the table.

use bek_unlock::azure::id::{Host, KeyId, KeyName, SecretId, VaultUrl};
use bek_unlock::azure::trust::Trust;
use bek_unlock::config::flag::Flag;

use super::config::marked;
use super::{Target, plain, texts};

/// Everything that names an object of Key Vault, and the flags that take it.
pub const URL: Target = Target {
    name: "url",
    run: url,
    seeds: || {
        texts(&[
            "https://contoso-kv.vault.azure.net",
            "HTTPS://Contoso-KV.vault.azure.net:443/",
            "https://contoso-kv.vault.azure.net/secrets/bek/0123456789abcdef",
            "https://contoso-kv.vault.azure.net//Secrets/bek/",
            "https://contoso-kv.vault.azure.net/keys/kek/89abcdef",
            "https://hsm.managedhsm.azure.net/keys/kek",
            "https://user@contoso-kv.vault.azure.net/keys/kek?x#y",
            "http://10.0.0.1:8080/keys/",
        ])
    },
    words: &["https://", ":443", "/secrets/", "/keys/", ".vault.azure.net", "@", "%2e", "\u{130}"],
};

fn url(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let vault = VaultUrl::parse(text);
    let secret = SecretId::parse(text);
    let key = KeyId::parse(text);
    let name = KeyName::parse(text);
    // The spelling that is shown is read as the same, and nothing in it needs quoting.
    if let Some(vault) = &vault {
        assert_eq!(VaultUrl::parse(&vault.to_string()).as_ref(), Some(vault));
        trusted(vault.host());
    }
    if let Some(secret) = &secret {
        assert_eq!(SecretId::parse(&secret.to_string()).as_ref(), Some(secret));
        assert_eq!(SecretId::parse(&secret.newest().to_string()), Some(secret.newest()));
        one_spelling(&secret.to_string(), text);
        trusted(secret.host());
    }
    if let Some(key) = &key {
        assert_eq!(KeyId::parse(&key.to_string()).as_ref(), Some(key));
        assert!(name.as_ref().is_some_and(|name| name.names(key) && name.newest().names(key)));
        one_spelling(&key.to_string(), text);
        trusted(key.host());
    }
    if let Some(name) = &name {
        assert_eq!(KeyName::parse(&name.to_string()).as_ref(), Some(name));
    }
    // No text names two kinds of objects.
    let kinds = [vault.is_some(), secret.is_some(), name.is_some()];
    assert!(kinds.iter().filter(|is| **is).count() <= 1, "{text:?}");
    flags(text, &kinds, key.is_some());
}

fn flags(text: &str, [vault, secret, name]: &[bool; 3], key: bool) {
    let flag = Flag { name: "flag".to_owned(), text: text.to_owned() };
    let answers = [
        (flag.vault().map(|_| ()), *vault),
        (flag.secret().map(|_| ()), *secret),
        (flag.kek_name().map(|_| ()), *name),
        (flag.kek().map(|_| ()), key),
    ];
    for (answer, is) in answers {
        // A flag takes no odd characters; what it takes is what parses.
        assert!(is || answer.is_err());
        if let Err(problem) = answer {
            marked(&problem);
        }
    }
    for problem in [
        flag.auth().err(),
        flag.header().err(),
        flag.identity().err(),
        flag.kek_algorithm().err(),
        flag.key_file().err(),
        flag.limit().err(),
        flag.machine_name().err(),
        flag.slot().err(),
        flag.suffix().err(),
        flag.token().err(),
        flag.volume_name().err(),
    ] {
        problem.iter().for_each(marked);
    }
}

fn one_spelling(shown: &str, given: &str) {
    plain(shown);
    assert!(!shown.contains(' ') && shown.len() <= given.len() + 1, "{shown}");
}

/// A host that gets a token is below a suffix of the table, label by label.
fn trusted(host: &Host) {
    let trust = Trust::new(&[]);
    let Ok(trusted) = trust.check(host) else { return };
    let suffix = trusted.audience().host().as_str();
    let before = host.as_str().strip_suffix(suffix).unwrap();
    assert!(before.len() > 1 && before.ends_with('.'), "{host}");
    assert!(suffix.contains("vault.") || suffix.contains("managedhsm."));
}
