//! What a keyslot may cost before it is taken for an attack.
//!
//! libcryptsetup cannot be interrupted, so no deadline ends a KDF that was begun.

/// The most a keyslot's KDF may cost: iterations, times KiB of memory for Argon2.
///
/// luksFormat aims at two seconds, 10 million iterations of PBKDF2 or 16 GiB written by Argon2 on
/// the fastest machines of today; what is hundreds of times that was written to keep a machine
/// busy.
const COST_MAX: u64 = 1 << 32;

/// Whether a keyslot is over that; `memory_kib` is 0 for PBKDF2.
pub fn too_much(iterations: u32, memory_kib: u64) -> bool {
    // An eighth for PBKDF2: an iteration takes longer than writing a KiB.
    let unit = if memory_kib == 0 { 8 } else { memory_kib };
    u64::from(iterations).saturating_mul(unit) > COST_MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_costs_nobody_wants_are_too_much() {
        // The slowest that `--iter-time 60000` gives on a fast machine, and LUKS2's own limits.
        for (iterations, memory_kib) in [(300_000_000, 0), (4, 4 << 20), (1000, 4 << 20)] {
            assert!(!too_much(iterations, memory_kib), "{iterations} {memory_kib}");
        }
        for (iterations, memory_kib) in [(600_000_000, 0), (u32::MAX, 0), (u32::MAX, 32)] {
            assert!(too_much(iterations, memory_kib), "{iterations} {memory_kib}");
        }
    }
}
