//! Numbers that are the same on every machine and with every version of every crate: SplitMix64.

use std::cell::Cell;

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// What the next [`roll`] of this thread comes from.
pub fn get() -> u64 {
    STATE.get()
}

/// Continues from `state`.
pub fn set(state: u64) {
    STATE.set(state);
}

/// Uniform in `0.0..1.0`; the dice of the client that runs.
pub fn roll() -> f64 {
    let mut state = STATE.get();
    let rolled = fraction(&mut state);
    STATE.set(state);
    rolled
}

/// Uniform in `0.0..1.0`.
pub fn fraction(state: &mut u64) -> f64 {
    // 53 bits are what the fraction of a double holds.
    (word(state) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Any word.
pub fn word(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^ (word >> 31)
}
