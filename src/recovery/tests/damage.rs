//! Samples of everything that is recognised, cut short and changed at random.

use super::documents::backup;
use super::*;

fn samples() -> Vec<Vec<u8>> {
    vec![
        url(ade(1)).into(),
        ade(2).into(),
        json!({"kid": KEK, "value": url(ade(3))}).to_string().into(),
        json!({"value": url(random(4, 256)), "contentType": "Wrapped BEK",
               "tags": {"DiskEncryptionKeyEncryptionKeyURL": KEK}})
        .to_string()
        .into(),
        backup(&[("OsDiskKeyAndSecretDetails", json!(url(random(1, 256))))]).into(),
        file("BitLocker Extension Key Protector", 1),
        PASSWORD.into(),
        json!({"error": {"code": "Forbidden", "message": "no"}}).to_string().into(),
    ]
}

#[test]
fn every_prefix_of_a_document_is_refused() {
    for sample in samples().into_iter().filter(|sample| sample.starts_with(b"{")) {
        for length in 1..sample.len() {
            assert_eq!(recognised(&sample[..length]).err(), Some(Refusal::JsonCut), "{length}");
        }
    }
}

/// Whatever is done to a sample, nothing panics, and of a changed passphrase no second layer is
/// taken off.
#[test]
fn damage_never_does_more_than_change_the_key_or_end_in_a_refusal() {
    let mut random = Rng::with_seed(42);
    let (mut keys, mut refused) = (0, 0);
    for round in 0..20_000 {
        let mut sample = samples().swap_remove(round % 8);
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..sample.len());
            match random.u8(..5) {
                0 => sample[at] = random.u8(..),
                1 => sample.truncate(at.max(1)),
                2 => sample.insert(at, random.u8(b' '..=b'~')),
                3 => drop(sample.remove(at)),
                _ => sample.rotate_left(at),
            }
            if sample.is_empty() {
                sample.push(b' ');
            }
        }
        match recognised(&sample).and_then(only_key) {
            Ok((key, origin)) => {
                keys += 1;
                let base64 = |layer: &&Layer| matches!(layer, Layer::Base64 { .. });
                assert!(origin.layers.iter().filter(base64).count() <= 1);
                assert!(!key.secret.is_empty() && key.secret.len() <= sample.len() + 2);
            }
            Err(refusal) => {
                refused += 1;
                assert!(refusal.to_string().is_ascii());
            }
        }
    }
    assert!(keys > 1_000 && refused > 1_000, "{keys} {refused}");
}
