//! Random identifiers: tokens, versions, request ids.
//!
//! Not for RSA keys, which take the system's generator themselves.

/// This many random bytes as hex digits.
///
/// A test run without the system's random numbers cannot go on, and getrandom(2) does not fail
/// after boot; identifiers would then repeat and tests fail by name.
pub(crate) fn hex(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    if getrandom::fill(&mut buffer).is_err() {
        return "0".repeat(bytes * 2);
    }
    buffer.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A random version 4 style GUID, for request ids.
pub(crate) fn guid() -> String {
    let digits = hex(16);
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
