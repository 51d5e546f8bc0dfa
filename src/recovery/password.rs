//! BitLocker's recovery password: eight groups of six digits.
//!
//! Each group is a 16-bit number times 11, which is the check that finds a mistyped digit.

use zeroize::Zeroizing;

use super::refusal::PasswordProblem;
use crate::secret::Secret;

const GROUPS: usize = 8;
const DIGITS: usize = 6;
/// 11 times 2^16.
const LIMIT: u32 = 720_896;

/// A recovery password, wiped when dropped.
pub struct Password(Zeroizing<Vec<u8>>);

impl From<Password> for Secret {
    fn from(mut password: Password) -> Self {
        Self::new(std::mem::take(&mut *password.0))
    }
}

/// The password in `text`, with the hyphens that libcryptsetup wants; `None` when it is something
/// else.
///
/// Digits may be grouped by hyphens, by white space or not at all. What has at least four groups
/// of digits between hyphens is meant as one, and a wrong number of digits is an error.
pub fn read(text: &[u8]) -> Option<Result<Password, PasswordProblem>> {
    let mut digits = Zeroizing::new(Vec::with_capacity(text.len()));
    digits.extend(text.iter().copied().filter(u8::is_ascii_digit));
    let others = || text.iter().filter(|byte| !byte.is_ascii_digit());
    if !others().all(|byte| *byte == b'-' || byte.is_ascii_whitespace()) {
        return None;
    }
    let hyphens = others().filter(|byte| **byte == b'-').count();
    if digits.len() != GROUPS * DIGITS {
        return (hyphens >= 3).then_some(Err(PasswordProblem::Digits(digits.len())));
    }
    Some(grouped(&digits))
}

/// Whether `text` is one as libcryptsetup takes it, letter for letter.
pub fn is_exact(text: &[u8]) -> bool {
    matches!(read(text), Some(Ok(password)) if password.0.as_slice() == text)
}

fn grouped(digits: &[u8]) -> Result<Password, PasswordProblem> {
    let mut text = Zeroizing::new(Vec::with_capacity(GROUPS * (DIGITS + 1)));
    for (index, group) in digits.chunks(DIGITS).enumerate() {
        let value = group.iter().fold(0, |value, digit| value * 10 + u32::from(digit - b'0'));
        if !value.is_multiple_of(11) || value >= LIMIT {
            return Err(PasswordProblem::Group(index + 1));
        }
        if index > 0 {
            text.push(b'-');
        }
        text.extend(group);
    }
    Ok(Password(text))
}
