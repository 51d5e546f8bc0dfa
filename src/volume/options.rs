//! The fourth field of bektab(5) as values: how a volume is opened, and who is asked for its key.
//!
//! What an option is called and how its text becomes a value is config/options.rs's; what is left
//! out has its default here.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::HeaderSpec;
use crate::azure::id::{Host, KeyId, VaultUrl};

/// The fourth field of bektab(5); the default is an empty field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `ca=`: PEM file of the authorities to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// `content=`: what the opened device must hold.
    pub content: Content,
    /// `x-systemd.device-timeout=`: how long systemd waits for the device unit.
    pub device_timeout: Option<Limit>,
    /// `discard`: pass TRIM through; tells an observer which sectors are free.
    pub discard: bool,
    /// `luks` or `bitlk`: what the device has to be; `None` takes it as it is.
    pub encryption: Option<Encryption>,
    /// `header=`: detached LUKS header.
    pub header: Option<HeaderSpec>,
    /// `header-policy=`: what a LUKS header may ask for.
    pub header_policy: HeaderPolicy,
    /// `identity=`: which managed identity of the VM asks.
    pub identity: Option<Identity>,
    /// `x-initrd.attach`: opened in the initramfs, closed only by systemd-shutdown.
    pub initrd: bool,
    /// `kek=`: the key-encryption key, with its version.
    pub kek: Option<KeyId>,
    /// `kek-algorithm=`; `None` takes the secret's tag, then RSA-OAEP.
    pub kek_algorithm: Option<KekAlgorithm>,
    /// `key-only`: the line only says where the key is; crypttab(5) opens the volume.
    pub key_only: bool,
    /// `key-slot=`: the only keyslot to try.
    pub key_slot: Option<u32>,
    /// `machine-name=`: the tag MachineName to look for.
    pub machine_name: Option<String>,
    /// `_netdev`: the volume belongs to remote-cryptsetup.target.
    pub netdev: bool,
    /// `noauto`: not opened at boot unless something needs it.
    pub noauto: bool,
    /// `nofail`: the boot does not wait for it.
    pub nofail: bool,
    /// `no-read-workqueue`: dm-crypt decrypts in the caller's context (Linux 5.9).
    pub no_read_workqueue: bool,
    /// `no-write-workqueue`: the same for writes.
    pub no_write_workqueue: bool,
    /// `prompt`: ask for a passphrase when every source failed.
    pub prompt: bool,
    /// `read-only` or `readonly`.
    pub read_only: bool,
    /// `same-cpu-crypt`: decrypt on the CPU that submitted the request.
    pub same_cpu_crypt: bool,
    /// `submit-from-crypt-cpus`: no separate submitting thread.
    pub submit_from_crypt_cpus: bool,
    /// `timeout=`: one deadline for the whole unlock.
    pub timeout: Limit,
    /// `vault=`: where to look for the secret by its tags.
    pub vault: Option<VaultUrl>,
    /// `vault-suffix=`: further DNS suffixes a token may go to (private clouds).
    pub vault_suffixes: Vec<Host>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            ca: None,
            content: Content::Filesystem,
            device_timeout: None,
            discard: false,
            encryption: None,
            header: None,
            header_policy: HeaderPolicy::Any,
            identity: None,
            initrd: false,
            kek: None,
            kek_algorithm: None,
            key_only: false,
            key_slot: None,
            machine_name: None,
            netdev: false,
            noauto: false,
            nofail: false,
            no_read_workqueue: false,
            no_write_workqueue: false,
            prompt: false,
            read_only: false,
            same_cpu_crypt: false,
            submit_from_crypt_cpus: false,
            timeout: Limit(Some(Duration::from_secs(90))),
            vault: None,
            vault_suffixes: Vec::new(),
        }
    }
}

/// A time limit; `None` is no limit (`0` or `infinity` in bektab).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(pub Option<Duration>);

/// What a device may be asked to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// `bitlk`: BitLocker.
    Bitlk,
    /// `luks`: LUKS of either version.
    Luks,
}

/// What the plaintext of a volume must look like that has a detached header or is BitLocker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Anything: for volumes that are not formatted yet.
    Any,
    /// A file system, LVM, swap, RAID member or partition table.
    Filesystem,
}

/// What a LUKS header may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderPolicy {
    /// Whatever libcryptsetup takes.
    Any,
    /// What is on the list of header/policy.rs, in a copy that is opened with then.
    Strict,
}

/// A managed identity of the VM, as IMDS lets a client select it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `client-id:UUID`.
    Client(String),
    /// `object-id:UUID`.
    Object(String),
    /// `resource-id:/subscriptions/…`.
    Resource(String),
}

impl Identity {
    /// Parses `client-id:UUID`, `object-id:UUID` or `resource-id:/…`.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, id) = text.split_once(':')?;
        match kind {
            "client-id" if is_uuid(id) => Some(Self::Client(id.to_ascii_lowercase())),
            "object-id" if is_uuid(id) => Some(Self::Object(id.to_ascii_lowercase())),
            "resource-id" if is_resource(id) => Some(Self::Resource(id.to_owned())),
            _ => None,
        }
    }
}

/// Whether `text` is a UUID in its canonical form (RFC 9562, section 4), in either case.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, b)| match at {
            8 | 13 | 18 | 23 => b == b'-',
            _ => b.is_ascii_hexdigit(),
        })
}

/// The path of a resource; a resource group's name may have letters of any script.
fn is_resource(id: &str) -> bool {
    id.starts_with('/')
        && id.len() > 1
        && !id.contains(|c: char| c.is_whitespace() || c.is_control())
}

/// As identity= of bektab(5) has it.
impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(id) => write!(f, "client-id:{id}"),
            Self::Object(id) => write!(f, "object-id:{id}"),
            Self::Resource(id) => write!(f, "resource-id:{id}"),
        }
    }
}

/// How the KEK wrapped the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KekAlgorithm {
    /// `A256KW`: AES key wrap (RFC 3394), Managed HSM only.
    A256Kw,
    /// `RSA1_5`: PKCS #1 v1.5.
    Rsa15,
    /// `RSA-OAEP`: SHA-1 and MGF1 with SHA-1; ADE's default.
    RsaOaep,
    /// `RSA-OAEP-256`: SHA-256 and MGF1 with SHA-256.
    RsaOaep256,
}

impl KekAlgorithm {
    /// The JSON Web Algorithms name Key Vault takes (RFC 7518, section 4.1).
    pub fn as_str(self) -> &'static str {
        match self {
            Self::A256Kw => "A256KW",
            Self::Rsa15 => "RSA1_5",
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
        }
    }

    /// Parses that name, without regard to case.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::A256Kw, Self::Rsa15, Self::RsaOaep, Self::RsaOaep256]
            .into_iter()
            .find(|algorithm| algorithm.as_str().eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn algorithm_names_round_trip() {
        for name in ["RSA-OAEP", "RSA-OAEP-256", "RSA1_5", "A256KW"] {
            assert_eq!(KekAlgorithm::parse(name).unwrap().as_str(), name);
        }
        assert_eq!(KekAlgorithm::parse("rsa-oaep"), Some(KekAlgorithm::RsaOaep));
        assert_eq!(KekAlgorithm::parse("RSA-OAEP-512"), None);
    }
}
