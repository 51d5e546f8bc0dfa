//! Who asks for a key through a socket, and whether to answer.
//!
//! systemd-cryptsetup(8) asks no question in bytes: it binds its own end to an abstract name before
//! it connects, and that name says which volume it wants to open, and by what (crypttab(5), "AF_UNIX
//! Key Files"; `make_bindname` of its sources):
//!
//! ```text
//! RANDOM/cryptsetup[-METHOD]/VOLUME      RANDOM: 64 bits in hexadecimal, no leading zeros
//! ```
//!
//! Every process may choose such a name, so it is root's word that counts (SO_PEERCRED), and the
//! name only for what it says.

use std::fmt;

use crate::error::printable;
use crate::volume::VolumeName;

/// What is known of the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Whose process it was when it connected.
    pub uid: u32,
    /// Its abstract name, without the NUL at the start; empty where it has none.
    pub name: Vec<u8>,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoAnswer {
    /// Another user.
    Stranger(u32),
    /// systemd-cryptsetup wants something else than a passphrase: a TPM2's blob, a PIN.
    Other(&'static str),
    /// No name that systemd-cryptsetup gives itself for this volume; as it may be printed.
    Unknown(String),
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger(uid) => write!(f, "user {uid} asked for a key and got none"),
            Self::Other(what) => {
                write!(f, "systemd-cryptsetup asked for what its {what} needs; not from here")
            }
            Self::Unknown(name) if name.is_empty() => {
                f.write_str("somebody without a name asked for a key and got none")
            }
            Self::Unknown(name) => write!(f, "\"{name}\" asked for a key and got none"),
        }
    }
}

/// What stands between the random number and the volume.
const PASSPHRASE: &str = "cryptsetup";

/// The same with what a passphrase does not help; systemd 248 to 258.
const OTHERS: [(&str, &str); 4] = [
    ("cryptsetup-fido2", "FIDO2 token"),
    ("cryptsetup-fido2-salt", "FIDO2 token"),
    ("cryptsetup-pkcs11", "PKCS#11 token"),
    ("cryptsetup-tpm2", "TPM2"),
];

impl Asker {
    /// Whether this is systemd-cryptsetup of the user `owner`, asking for the passphrase of `volume`.
    pub fn admit(&self, volume: &VolumeName, owner: u32) -> Result<(), NoAnswer> {
        if self.uid != owner {
            return Err(NoAnswer::Stranger(self.uid));
        }
        let unknown = || NoAnswer::Unknown(printable(&String::from_utf8_lossy(&self.name), 64));
        let name = std::str::from_utf8(&self.name).map_err(|_| unknown())?;
        let (random, rest) = name.split_once('/').ok_or_else(unknown)?;
        let (tag, asked) = rest.split_once('/').ok_or_else(unknown)?;
        let hexadecimal = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !matches!(random.len(), 1..=16)
            || !random.bytes().all(hexadecimal)
            || asked != volume.as_str()
        {
            return Err(unknown());
        }
        if tag == PASSPHRASE {
            return Ok(());
        }
        let other = OTHERS.iter().find(|(known, _)| *known == tag);
        Err(other.map_or_else(unknown, |(_, what)| NoAnswer::Other(what)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(name: &[u8]) -> Result<(), NoAnswer> {
        let volume = VolumeName::parse("data1").unwrap();
        Asker { uid: 0, name: name.to_vec() }.admit(&volume, 0)
    }

    #[test]
    fn systemd_s_own_names_are_known() {
        // As systemd 252 was seen to bind it, the shortest number, and the longest.
        for random in ["fbec7fa59dc7430e", "0", "ffffffffffffffff"] {
            assert_eq!(admitted(format!("{random}/cryptsetup/data1").as_bytes()), Ok(()));
        }
        let odd = VolumeName::parse("luks-data.1@x").unwrap();
        let name = b"1/cryptsetup/luks-data.1@x".to_vec();
        assert_eq!(Asker { uid: 0, name }.admit(&odd, 0), Ok(()));
    }

    #[test]
    fn questions_that_no_passphrase_answers_have_their_own_word() {
        for (tag, what) in OTHERS {
            let answer = admitted(format!("1f/{tag}/data1").as_bytes());
            assert_eq!(answer, Err(NoAnswer::Other(what)));
        }
    }

    #[test]
    fn every_other_name_is_refused() {
        for name in [
            &b""[..],
            b"/",
            b"//",
            b"data1",
            b"1f",
            b"1f/cryptsetup",
            b"1f/cryptsetup/",
            b"/cryptsetup/data1",
            b"1f//data1",
            b"1F/cryptsetup/data1",
            b"1g/cryptsetup/data1",
            b"0x1f/cryptsetup/data1",
            b" 1f/cryptsetup/data1",
            b"-1/cryptsetup/data1",
            b"0fbec7fa59dc7430e/cryptsetup/data1",
            b"1f/cryptsetup/data",
            b"1f/cryptsetup/data11",
            b"1f/cryptsetup/DATA1",
            b"1f/cryptsetup/data1/",
            b"1f/cryptsetup/data1 ",
            b"1f/cryptsetup/data1\0",
            b"1f/cryptsetup/data1\n",
            b"1f/cryptsetup/../cryptsetup/data1",
            b"1f/cryptsetup/x,data1",
            b"1f/cryptsetup/data2/cryptsetup/data1",
            b"1f/cryptsetup2/data1",
            b"1f/cryptsetup-/data1",
            b"1f/cryptsetup-tpm/data1",
            b"1f/CRYPTSETUP/data1",
            b"1f/cryptsetup-tpm2/data2",
            b"\x001f/cryptsetup/data1",
            b"1f/crypt\xffsetup/data1",
            b"1f/cryptsetup/data1\xff",
            b"\xd9\xa1/cryptsetup/data1",
        ] {
            let answer = admitted(name);
            assert!(matches!(answer, Err(NoAnswer::Unknown(_))), "{name:?}: {answer:?}");
        }
    }

    #[test]
    fn only_the_owner_is_answered_whatever_the_name() {
        let volume = VolumeName::parse("data1").unwrap();
        let asker = Asker { uid: 1000, name: b"1f/cryptsetup/data1".to_vec() };
        assert_eq!(asker.admit(&volume, 0), Err(NoAnswer::Stranger(1000)));
        assert_eq!(asker.admit(&volume, 1000), Ok(()));
    }

    #[test]
    fn a_name_is_printed_without_what_a_console_would_obey() {
        let said = admitted(b"\x1b[2J\n<0>x/cryptsetup/data1").unwrap_err().to_string();
        assert_eq!(said, "\"?[2J <0>x/cryptsetup/data1\" asked for a key and got none");
        assert!(admitted(&[b'a'; 107]).unwrap_err().to_string().len() < 110);
    }
}
