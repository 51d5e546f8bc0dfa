//! Flags of the command line whose values mean what they mean in bektab(5).
//!
//! A value is taken as the shell hands it over, without escapes, and shown behind its flag with the
//! wrong part marked. Paths are not looked at here: on a command line they may be relative.

use std::path::Path;

use super::line::{Fault, Line, Value, Word};
use super::nearest::nearest;
use super::option_value as value;
use super::url::{self, Wanted};
use crate::azure::auth::Auth;
use crate::azure::id::{Host, KeyId, KeyName, SecretId, VaultUrl};
use crate::error::Kind;
use crate::volume::header::device_colon;
use crate::volume::{HeaderSpec, Identity, KekAlgorithm, KeyFileName, Limit, VolumeName};

/// A flag and the value that was given with it.
#[derive(Clone, Debug)]
pub struct Flag {
    /// Without its hyphens.
    pub name: String,
    /// As it was given.
    pub text: String,
}

/// Each method gives the flag's value as the type it is named for.
///
/// Errors: `Configuration`, whose file is `command line`.
impl Flag {
    /// `--auth`. Also `Usage`: what is no slip of a word may be a token and is not shown.
    pub fn auth(&self) -> Result<Auth, Kind> {
        let meant = nearest(&self.text, Auth::WORDS);
        if meant.is_none() && Auth::parse(&self.text).is_none() {
            let (last, words) = Auth::WORDS.split_last().unwrap_or((&"", &[]));
            let words = words.join(", ");
            return Err(Kind::Usage(format!("--{} is {words} or {last}", self.name)));
        }
        self.read(|given| {
            let refused = || given.fault("no way to sign in has this name").suggest(meant);
            Auth::parse(given.as_str()).ok_or_else(refused)
        })
    }

    /// `--header`: a file, a device, or `PATH:DEVICE`.
    pub fn header(&self) -> Result<HeaderSpec, Kind> {
        self.read(|given| match device_colon(given.as_str()) {
            Some(_) => value::header(given),
            None => Ok(HeaderSpec::Path(given.as_str().into())),
        })
    }

    /// `--identity`.
    pub fn identity(&self) -> Result<Identity, Kind> {
        self.read(value::identity)
    }

    /// `--kek`.
    pub fn kek(&self) -> Result<KeyId, Kind> {
        self.read(value::kek)
    }

    /// `--kek` of whoever wraps: its version may be missing.
    pub fn kek_name(&self) -> Result<KeyName, Kind> {
        self.read(|given| {
            KeyName::parse(given.as_str()).ok_or_else(|| url::explain(given, Wanted::Key))
        })
    }

    /// `--kek-algorithm`.
    pub fn kek_algorithm(&self) -> Result<KekAlgorithm, Kind> {
        self.read(value::algorithm)
    }

    /// `--file`: a key file's name, as secrets' tags have it.
    pub fn key_file(&self) -> Result<KeyFileName, Kind> {
        self.read(|given| {
            let refused = || given.fault("not a file name on a key disk");
            KeyFileName::parse(given.as_str()).ok_or_else(refused)
        })
    }

    /// `--timeout`.
    pub fn limit(&self) -> Result<Limit, Kind> {
        self.read(value::limit)
    }

    /// `--machine-name`.
    pub fn machine_name(&self) -> Result<String, Kind> {
        self.read(value::machine_name)
    }

    /// `--secret`.
    pub fn secret(&self) -> Result<SecretId, Kind> {
        self.read(|given| {
            SecretId::parse(given.as_str()).ok_or_else(|| url::explain(given, Wanted::Secret))
        })
    }

    /// `--key-slot`.
    pub fn slot(&self) -> Result<u32, Kind> {
        self.read(value::slot)
    }

    /// `--token`: its number in a header.
    pub fn token(&self) -> Result<u32, Kind> {
        self.read(value::token)
    }

    /// `--vault-suffix`.
    pub fn suffix(&self) -> Result<Host, Kind> {
        self.read(value::suffix)
    }

    /// `--vault`.
    pub fn vault(&self) -> Result<VaultUrl, Kind> {
        self.read(value::vault)
    }

    /// `--name`.
    pub fn volume_name(&self) -> Result<VolumeName, Kind> {
        self.read(|given| {
            VolumeName::parse(given.as_str()).map_err(|problem| given.fault(problem.to_string()))
        })
    }

    fn read<T>(&self, parse: impl FnOnce(&Value) -> Result<T, Fault>) -> Result<T, Kind> {
        let before = format!("--{} ", self.name);
        let text = format!("{before}{}", self.text);
        let line = Line { file: Path::new("command line"), number: 0, text: &text };
        let word = Word { raw: &self.text, column: before.chars().count() };
        word.verbatim().and_then(|given| parse(&given)).map_err(|fault| line.blame(fault))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;
    use std::time::Duration;

    use super::*;
    use crate::volume::DeviceSpec;

    fn flag(text: &str) -> Flag {
        Flag { name: "x".to_owned(), text: text.to_owned() }
    }

    /// Line, mark and suggestion of what must be refused.
    fn refused<T: Debug>(result: Result<T, Kind>) -> ([String; 2], Option<String>) {
        match result {
            Err(Kind::Configuration(diagnostic)) => {
                assert!(diagnostic.to_string().starts_with("command line: "), "{diagnostic}");
                (diagnostic.excerpt().map(|line| line.trim_end().to_owned()), diagnostic.suggestion)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn values_are_those_of_bektab() {
        let v = "https://v.vault.azure.net";
        assert_eq!(flag("az").auth(), Ok(Auth::Az));
        assert_eq!(flag("RSA1_5").kek_algorithm(), Ok(KekAlgorithm::Rsa15));
        assert_eq!(flag("2min").limit(), Ok(Limit(Some(Duration::from_secs(120)))));
        assert_eq!(flag("0").limit(), Ok(Limit(None)));
        assert_eq!(flag("web 01").machine_name().as_deref(), Ok("web 01"));
        assert_eq!(flag("a.b").suffix().unwrap().as_str(), "a.b");
        assert_eq!(flag(v).vault().unwrap().to_string(), v);
        assert_eq!(flag("data1").volume_name().unwrap().as_str(), "data1");
        let identity = "client-id:0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f";
        assert!(matches!(flag(identity).identity(), Ok(Identity::Client(_))));
        for (url, parsed) in [
            (format!("{v}/keys/k/1"), flag(&format!("{v}/keys/k/1")).kek().unwrap().to_string()),
            (
                format!("{v}/secrets/s"),
                flag(&format!("{v}/secrets/s")).secret().unwrap().to_string(),
            ),
        ] {
            assert_eq!(parsed, url);
        }
    }

    #[test]
    fn nothing_is_escaped() {
        assert_eq!(flag(r"a\040b").machine_name().as_deref(), Ok(r"a\040b"));
    }

    #[test]
    fn headers_may_be_relative_but_not_on_a_device() {
        for path in ["h", "./h", "/boot/h", "/dev/disk/by-path/acpi-VMBUS:00-lun-1", "a:b"] {
            assert_eq!(flag(path).header(), Ok(HeaderSpec::Path(path.into())));
        }
        let device = DeviceSpec::Path("/dev/sdc2".into());
        let on = HeaderSpec::On { path: "/luks/osluksheader".into(), device };
        assert_eq!(flag("/luks/osluksheader:/dev/sdc2").header(), Ok(on));
        refused(flag("luks/osluksheader:/dev/sdc2").header());
        refused(flag("/../h:/dev/sdc2").header());
    }

    #[test]
    fn what_is_wrong_is_marked_behind_the_flag() {
        let marked = |mark: &str| ["    --x clientid:y".to_owned(), format!("    {mark}")];
        let meant = Some("client-id:".to_owned());
        assert_eq!(refused(flag("clientid:y").identity()), (marked("    ^~~~~~~~"), meant));
        let (lines, meant) = refused(flag("device_code").auth());
        assert_eq!(lines, ["    --x device_code", "        ^~~~~~~~~~~"]);
        assert_eq!(meant.as_deref(), Some("device-code"));
        assert_eq!(
            flag("eyJ0eXAi").auth().unwrap_err().to_string(),
            "--x is managed-identity, az, service-principal, workload-identity, device-code or \
             token:FILE"
        );
        refused(flag("http://v.vault.azure.net").vault());
        refused(flag("https://v.vault.azure.net/keys/k").kek());
        refused(flag("https://v.vault.azure.net/keys/k/1").secret());
        refused(flag("a/b").key_file());
        refused(flag("a/b").volume_name());
        refused(flag("soon").limit());
        refused(flag("web\u{1b}[2J").machine_name());
        refused(flag("localhost").suffix());
        refused(flag("ROT13").kek_algorithm());
    }
}
