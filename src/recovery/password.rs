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

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "000011-000022-111111-222222-333333-444444-555555-720885";

    fn parse(text: &str) -> Option<Result<String, PasswordProblem>> {
        let shown = |password: Password| String::from_utf8(password.0.to_vec()).unwrap();
        read(text.as_bytes()).map(|result| result.map(shown))
    }

    #[test]
    fn all_ways_of_writing_it_become_one() {
        let (bare, blanks) = (PASSWORD.replace('-', ""), PASSWORD.replace('-', " "));
        for text in [PASSWORD, &bare, &blanks, &PASSWORD.replace('-', "-\n")] {
            assert_eq!(parse(text), Some(Ok(PASSWORD.to_owned())), "{text}");
        }
        assert!(is_exact(PASSWORD.as_bytes()));
        assert!(!is_exact(bare.as_bytes()));
    }

    #[test]
    fn a_mistyped_digit_is_found_and_its_group_named() {
        for (index, character) in PASSWORD.char_indices().filter(|(_, c)| *c != '-') {
            let mut text = PASSWORD.to_owned();
            let other = if character == '9' {
                "0".to_owned()
            } else {
                format!("{}", u32::from(character) - 47)
            };
            text.replace_range(index..=index, &other);
            assert_eq!(parse(&text), Some(Err(PasswordProblem::Group(index / 7 + 1))), "{text}");
        }
        let large = PASSWORD.replace("720885", "720896");
        assert_eq!(parse(&large), Some(Err(PasswordProblem::Group(8))));
    }

    #[test]
    fn a_lost_or_doubled_digit_is_found() {
        for text in [&PASSWORD[1..], &PASSWORD[..54], &format!("{PASSWORD}0"), &PASSWORD[7..]] {
            let digits = text.bytes().filter(u8::is_ascii_digit).count();
            assert_eq!(parse(text), Some(Err(PasswordProblem::Digits(digits))), "{text}");
        }
    }

    #[test]
    fn other_texts_are_none() {
        for text in
            ["", "-", "123456", "123456-123456", "Zm9v", "04030201-0605-0807-090A-0B0C0D0E0F10"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
