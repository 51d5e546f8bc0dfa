//! The line of bektab that finds a key where it was put.

use super::plan::{Line, Store, WrappedKey};
use crate::azure::id::VaultUrl;
use crate::config::render::{self, Unwritable};
use crate::volume::{KeySpec, Volume};

/// `volume` as it has to be to find `wrapped` in one of `stores`: everything else about it stays.
///
/// A token needs the least and goes first, a file the most and goes last: which KEK it is for stands
/// beside its path. A secret beside a token is found by its tags when the token is gone, and only what
/// the line finds is renewed with it.
pub fn finding(volume: &Volume, stores: &[Store], wrapped: &WrappedKey) -> Volume {
    let mut volume = volume.clone();
    let options = &mut volume.options;
    let token = stores.iter().any(|store| matches!(store, Store::Token { .. }));
    let secret = stores.iter().find_map(|store| match store {
        Store::Secret { id, .. } => Some(id),
        _ => None,
    });
    let file = stores.iter().find_map(|store| match store {
        Store::File(path) => Some(path),
        _ => None,
    });
    (options.kek, options.kek_algorithm, options.key_slot) = (None, None, None);
    // A file that is renewed keeps what its line has beside it.
    let renewed = matches!(volume.key, KeySpec::Path(_)) && secret.is_none();
    if !token && (secret.is_some() || file.is_some()) && !renewed {
        // Where a key is named nothing is searched for.
        (options.vault, options.machine_name) = (None, None);
    }
    match (token, secret, file) {
        (true, secret, _) => {
            // Nothing else on the line says that the network is needed.
            (volume.key, options.netdev) = (KeySpec::Find, true);
            if let Some(id) = secret {
                options.vault = Some(VaultUrl::of(id.host().clone()));
            }
        }
        (false, Some(id), _) => volume.key = KeySpec::Secret(id.newest()),
        (false, None, Some(path)) => {
            volume.key = KeySpec::Path(path.clone());
            options.kek = Some(wrapped.kek.clone());
            options.kek_algorithm = Some(wrapped.algorithm);
        }
        (false, None, None) => {}
    }
    volume
}

/// That volume as a line of bektab.
///
/// Errors: [`Unwritable`], for what bektab(5) has no words for.
pub fn line(volume: &Volume) -> Result<Line, Unwritable> {
    Ok(Line { name: volume.name.clone(), text: render::line(volume)? })
}

#[cfg(test)]
mod tests {
    use super::super::fake::{plan, wrapped};
    use super::*;
    use crate::azure::id::KeyId;
    use crate::volume::{DeviceSpec, Options, VolumeName};

    fn text(stores: &[Store]) -> String {
        let options = Options {
            nofail: true,
            discard: true,
            kek: KeyId::parse("https://contoso-kv.vault.azure.net/keys/old/1"),
            vault: VaultUrl::parse("https://old-kv.vault.azure.net"),
            ..Options::default()
        };
        let volume = Volume {
            name: VolumeName::parse("data1").unwrap(),
            device: DeviceSpec::Uuid("5f1e".to_owned()),
            key: KeySpec::KeyFile(crate::volume::KeyFileName::parse("k").unwrap()),
            options,
        };
        line(&finding(&volume, stores, &wrapped(2, b"new"))).unwrap().text
    }

    #[test]
    fn the_key_is_named_where_it_is_and_the_rest_stays() {
        let all = plan().stores;
        let [secret, token, file] = all.as_slice() else { panic!() };
        let token_with =
            |vault: &str| format!("data1 UUID=5f1e - _netdev,discard,nofail,vault=https://{vault}");
        for (stores, expected) in [
            (&all[..], token_with("contoso-kv.vault.azure.net")),
            (std::slice::from_ref(token), token_with("old-kv.vault.azure.net")),
            (
                &[secret.clone(), file.clone()],
                String::from(
                    "data1 UUID=5f1e https://contoso-kv.vault.azure.net/secrets/bek-1 \
                     discard,nofail",
                ),
            ),
            (
                std::slice::from_ref(file),
                String::from(
                    "data1 UUID=5f1e /etc/bek-unlock/data1.wrapped discard,nofail,\
                     kek=https://contoso-kv.vault.azure.net/keys/kek/2,kek-algorithm=RSA-OAEP",
                ),
            ),
        ] {
            assert_eq!(text(stores), expected);
        }
    }
}
