//! Damage as it happens, and as somebody would do it: bytes changed, lost, doubled, and words of the
//! format in other places.

use fastrand::Rng;

/// Inputs do not grow beyond this, in bytes.
const LONGEST: usize = 1 << 20;

/// One of `seeds`, changed in a few places.
pub fn mutate(random: &mut Rng, seeds: &[Vec<u8>], words: &[&str]) -> Vec<u8> {
    let mut input = seeds[random.usize(..seeds.len())].clone();
    for _ in 0..random.usize(1..5) {
        once(random, &mut input, seeds, words);
    }
    input.truncate(LONGEST);
    input
}

fn once(random: &mut Rng, input: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    const ODD: [u8; 12] = [0, 1, 0x1e, b' ', b'"', b'\\', b'\n', b'=', 0x7f, 0x80, 0xfe, 0xff];
    let at = random.usize(..=input.len());
    let some = random.usize(1..=16).min(input.len() - at);
    match random.u8(..9) {
        0 if at < input.len() => input[at] ^= 1 << random.u8(..8),
        1 if at < input.len() => input[at] = ODD[random.usize(..ODD.len())],
        2 => input.insert(at, random.u8(..)),
        3 => drop(input.drain(at..at + some)),
        4 => {
            let part = input[at..at + some].to_vec();
            let place = random.usize(..=input.len());
            input.splice(place..place, part);
        }
        5 => {
            let word = words[random.usize(..words.len())].bytes();
            let end = at + if random.bool() { some } else { 0 };
            input.splice(at..end, word);
        }
        6 => {
            let other = &seeds[random.usize(..seeds.len())];
            let from = random.usize(..=other.len());
            input.truncate(at);
            input.extend_from_slice(&other[from..]);
        }
        7 if random.u8(..4) == 0 => input.truncate(at),
        _ => {
            // A number that a size or a place could be.
            let number = [0, 1, 0x7fff, 0x8000, 0xffff, u32::MAX, 1 << 20][random.usize(..7)];
            let bytes = if random.bool() { number.to_le_bytes() } else { number.to_be_bytes() };
            let part = input.iter_mut().skip(at);
            part.zip(bytes).for_each(|(old, new)| *old = new);
        }
    }
}
