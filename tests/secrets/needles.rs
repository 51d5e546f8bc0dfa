//! Finds secrets, in every spelling that a leak may have, in whatever bytes there are.

use std::collections::HashMap;

/// Bytes that are looked up at once.
const GRAM: usize = 8;
/// So many bytes of a spelling in a row are a leak: too many for chance, few enough for a part.
const LEAK: usize = 20;

/// Secrets to search for; at most as dear as one look-up for every [`GRAM`] bytes.
pub struct Needles {
    spellings: Vec<(String, Vec<u8>)>,
    /// Each `GRAM` bytes of each spelling: which one, and where.
    grams: HashMap<[u8; GRAM], Vec<(usize, usize)>>,
    /// Whether one of them begins with these two bytes: most of what is searched is told by that.
    begins: Vec<bool>,
}

impl Needles {
    /// Names and secrets, each of 32 bytes or more.
    pub fn new(secrets: &[(&str, &[u8])]) -> Self {
        let mut spellings = Vec::new();
        for (name, secret) in secrets {
            assert!(secret.len() >= 32, "{name} is too short to be searched for");
            for (how, bytes) in spelled(secret) {
                spellings.push((format!("{name} ({how})"), bytes));
            }
        }
        let mut grams: HashMap<[u8; GRAM], Vec<_>> = HashMap::new();
        let mut begins = vec![false; 1 << 16];
        for (number, (_, bytes)) in spellings.iter().enumerate() {
            for (at, gram) in bytes.windows(GRAM).enumerate() {
                begins[first_two(gram)] = true;
                grams.entry(gram.try_into().unwrap()).or_default().push((number, at));
            }
        }
        Self { spellings, grams, begins }
    }

    /// What is in `bytes`, or a part of it that is [`LEAK`] bytes long: its name and spelling.
    pub fn find(&self, bytes: &[u8]) -> Option<&str> {
        // A leak has `GRAM` bytes at a multiple of `GRAM` in it, wherever it begins.
        for (index, gram) in bytes.chunks_exact(GRAM).enumerate() {
            if !self.begins[first_two(gram)] {
                continue;
            }
            let gram: [u8; GRAM] = gram.try_into().unwrap();
            for &(number, at) in self.grams.get(&gram).map(Vec::as_slice).unwrap_or_default() {
                let (name, spelling) = &self.spellings[number];
                let here = index * GRAM;
                let before = same(bytes[..here].iter().rev(), spelling[..at].iter().rev());
                let after = same(bytes[here..].iter(), spelling[at..].iter());
                if before + after >= LEAK {
                    return Some(name);
                }
            }
        }
        None
    }
}

/// How a secret may be written down.
fn spelled(secret: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| {
        let digits = secret
            .iter()
            .map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") });
        digits.collect::<String>().into_bytes()
    };
    let numbers: Vec<String> = secret.iter().map(u8::to_string).collect();
    let mut found = vec![
        ("as it is", secret.to_vec()),
        ("hex", hex(false)),
        ("HEX", hex(true)),
        ("numbers", numbers.join(", ").into_bytes()),
    ];
    // Inside of a longer text that is encoded it begins at any of three places of a group.
    for skip in 0..3 {
        let text = base64(&secret[skip..]);
        found.push(("base64url", text.replace('+', "-").replace('/', "_").into_bytes()));
        found.push(("base64", text.into_bytes()));
    }
    found
}

/// Whole groups only: the last characters depend on what follows.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks_exact(3) {
        let number = group.iter().fold(0, |number, &byte| number << 8 | usize::from(byte));
        for shift in [18, 12, 6, 0] {
            text.push(char::from(DIGITS[number >> shift & 63]));
        }
    }
    text
}

fn first_two(gram: &[u8]) -> usize {
    usize::from(gram[0]) << 8 | usize::from(gram[1])
}

fn same<'a>(one: impl Iterator<Item = &'a u8>, other: impl Iterator<Item = &'a u8>) -> usize {
    one.zip(other).take_while(|(one, other)| one == other).count()
}

/// Every spelling is found wherever it stands, also in part, and nothing where there is none.
#[test]
fn every_spelling_of_a_secret_is_found() {
    let secret: Vec<u8> = (0..40u8).map(|byte| byte.wrapping_mul(151) ^ 0x5a).collect();
    let needles = Needles::new(&[("it", &secret)]);
    for (how, bytes) in spelled(&secret) {
        for before in 0..GRAM {
            let part = &bytes[1..LEAK + GRAM];
            let hay = [&vec![b'.'; before][..], part, b"........"].concat();
            assert!(needles.find(&hay).is_some(), "{how} after {before}");
        }
        assert_eq!(needles.find(&bytes[..LEAK - 1]), None, "{how}");
    }
    assert_eq!(needles.find(&[b'.'; 100]), None);
}
