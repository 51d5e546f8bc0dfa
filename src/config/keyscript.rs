//! What Debian's cryptsetup-initramfs tells a keyscript about a volume: variables of its environment.
//!
//! crypttab(5) of Debian names them: the fields of the line, decoded, with the device already found;
//! each option it knows on its own; and how often the key was asked for before. The third field is
//! that of bektab(5). Only these variables count, and each has its own place in a message.
//!
//! The lines themselves are read where an image is built: what is asked for then has to be there.

use std::ffi::OsString;
use std::path::Path;

use super::fields;
use super::file;
use super::line::{Fault, Line, Word};
use super::options;
use crate::azure::id::SecretId;
use crate::error::Kind;
use crate::volume::{KeySpec, Options, Volume};

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The volume whose key is wanted.
    pub volume: Volume,
    /// How often it was asked for before; what `tries=` counts.
    pub tried: u32,
}

/// Where the keyscript is installed, whatever the prefix.
const INSTALLED: &str = "/lib/bek-unlock/keyscript";

/// The file that somebody has to mend, whose lines cryptsetup-initramfs copies.
const CRYPTTAB: &str = "/etc/crypttab";

/// A line of a crypttab(5) that asks us for its key.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its first field as it is written.
    pub name: String,
    /// What is asked for: [`Kind::Configuration`] where the line does not parse. Its place is
    /// /etc/crypttab without a line number, because the image's copy has other ones.
    pub volume: Result<Volume, Kind>,
}

/// Reads the lines with our keyscript in a crypttab(5) that was made for an image.
///
/// Errors: `ConfigurationUnreadable`, also for a file that is not there.
pub fn load(path: &Path) -> Result<Vec<Listed>, Kind> {
    let missing = || Kind::ConfigurationUnreadable {
        path: path.to_owned(),
        reason: "no such file".to_owned(),
    };
    let content = file::read(Path::new("/"), path)?.ok_or_else(missing)?;
    Ok(listed(&content))
}

/// The lines with our keyscript in the text of a crypttab(5).
pub fn listed(content: &[u8]) -> Vec<Listed> {
    let lines = file::lines(content).map(|(_, line)| String::from_utf8_lossy(line));
    lines
        .filter_map(|text| {
            let line = Line { file: Path::new(CRYPTTAB), number: 0, text: &text };
            let [name, device, key, options, ..] = *line.words() else { return None };
            is_ours(&options).then(|| Listed {
                name: name.raw.to_owned(),
                volume: volume(&name, &device, &key, &options).map_err(|fault| line.blame(fault)),
            })
        })
        .collect()
}

/// Whether `keyscript=` is ours; of two the last one counts, as for cryptsetup-initramfs.
fn is_ours(options: &Word<'_>) -> bool {
    let scripts = options.split(&[',']).filter_map(|word| word.raw.strip_prefix("keyscript="));
    scripts.last().is_some_and(|script| script.ends_with(INSTALLED))
}

fn volume(
    name: &Word<'_>,
    device: &Word<'_>,
    key: &Word<'_>,
    options: &Word<'_>,
) -> Result<Volume, Fault> {
    Ok(Volume {
        name: fields::name(name)?,
        device: fields::device(device)?,
        key: self::key(key)?,
        options: options::parse_keyscript(options)?,
    })
}

/// Reads the variables in `environment`; all others are nobody's business here.
///
/// Errors: `Usage` where a variable is missing or no text, `Configuration` where it does not parse,
/// with the variable in the place of the file.
pub fn request(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Request, Kind> {
    let environment = Environment::of(environment)?;
    let name = environment.parse("CRYPTTAB_NAME", fields::name)?;
    let device = environment.parse("CRYPTTAB_SOURCE", fields::device)?;
    let (Some(name), Some(device)) = (name, device) else {
        let text = "keyscript is for cryptsetup-initramfs, which sets CRYPTTAB_NAME and the others";
        return Err(Kind::Usage(text.to_owned()));
    };
    let key = environment.parse("CRYPTTAB_KEY", key)?.unwrap_or(KeySpec::Find);
    let mut options =
        environment.parse("CRYPTTAB_OPTIONS", options::parse_keyscript)?.unwrap_or_default();
    environment.set("CRYPTTAB_OPTION_header", "header", &mut options)?;
    environment.set("CRYPTTAB_OPTION_keyslot", "key-slot", &mut options)?;
    let tried = environment.get("CRYPTTAB_TRIED").and_then(|text| text.parse().ok());
    Ok(Request { volume: Volume { name, device, key, options }, tried: tried.unwrap_or(0) })
}

/// The third field; a secret's URL may stand there without `https://`.
///
/// systemd reads the same file, takes a colon for the one between a path and a device, and then
/// fails to mount that at each boot.
fn key(word: &Word<'_>) -> Result<KeySpec, Fault> {
    let secret = SecretId::parse(&format!("https://{}", word.raw));
    secret.map_or_else(|| fields::key(word), |secret| Ok(KeySpec::Secret(secret)))
}

/// The variables of crypttab(5).
struct Environment(Vec<(String, String)>);

impl Environment {
    fn of(pairs: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self, Kind> {
        let mut ours = Vec::new();
        for (name, value) in pairs {
            let Some(name) = name.to_str().filter(|name| name.starts_with("CRYPTTAB_")) else {
                continue;
            };
            let value = value
                .into_string()
                .map_err(|_| Kind::Usage(format!("{name} is not UTF-8 text")))?;
            ours.push((name.to_owned(), value));
        }
        Ok(Self(ours))
    }

    /// The value of `variable`; an empty one is none.
    fn get(&self, variable: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(name, _)| name == variable)?;
        Some(value.as_str()).filter(|value| !value.is_empty())
    }

    fn parse<T>(
        &self,
        variable: &str,
        parse: impl FnOnce(&Word<'_>) -> Result<T, Fault>,
    ) -> Result<Option<T>, Kind> {
        let Some(text) = self.get(variable) else { return Ok(None) };
        let line = Line { file: Path::new(variable), number: 0, text };
        parse(&Word { raw: text, column: 0 }).map(Some).map_err(|fault| line.blame(fault))
    }

    /// Sets `option` to what `variable` says: there a comma is no separator any more.
    fn set(&self, variable: &str, option: &str, options: &mut Options) -> Result<(), Kind> {
        self.parse(variable, |word| options::set(option, word, options)).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::volume::{DeviceSpec, HeaderSpec, KeyFileName};

    fn asked(pairs: &[(&str, &str)]) -> Result<Request, String> {
        let standard = [("CRYPTTAB_NAME", "osencrypt"), ("CRYPTTAB_SOURCE", "/dev/sda1")];
        let given = |name: &str| pairs.iter().any(|(given, _)| *given == name);
        let all = standard.iter().filter(|(name, _)| !given(name)).chain(pairs);
        request(all.map(|(name, value)| (name.into(), value.into())))
            .map_err(|kind| kind.to_string())
    }

    #[test]
    fn the_fields_are_bektab_s() {
        let request = asked(&[
            ("PATH", "/bin"),
            ("CRYPTTAB_KEY", "https://v.vault.azure.net/secrets/s"),
            (
                "CRYPTTAB_OPTIONS",
                "luks,discard,timeout=30,ca=/etc/ca.pem,key-slot=1,tries=2,initramfs",
            ),
            ("CRYPTTAB_OPTION_tries", "2"),
            ("CRYPTTAB_TRIED", "1"),
        ])
        .unwrap();
        assert_eq!(request.tried, 1);
        let volume = request.volume;
        assert_eq!(volume.name.as_str(), "osencrypt");
        assert_eq!(volume.device, DeviceSpec::Path("/dev/sda1".into()));
        assert!(matches!(volume.key, KeySpec::Secret(_)));
        assert_eq!(volume.options.timeout.0.unwrap().as_secs(), 30);
        assert_eq!(volume.options.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        assert_eq!(volume.options.key_slot, Some(1));
    }

    #[test]
    fn a_secret_needs_no_colon() {
        let key = |text: &str| asked(&[("CRYPTTAB_KEY", text)]).map(|request| request.volume.key);
        for text in
            ["contoso-kv.vault.azure.net/secrets/a/0f", "contoso-kv.vault.azure.net/secrets/a"]
        {
            assert_eq!(key(text), key(&format!("https://{text}")));
            assert!(matches!(key(text), Ok(KeySpec::Secret(_))));
        }
        assert!(matches!(key("/secrets/a"), Ok(KeySpec::Path(_))));
        assert!(key("contoso-kv.vault.azure.net/keys/a/0f").is_err());
        assert!(key("contoso-kv.vault.azure.net/secrets").is_err());
    }

    #[test]
    fn what_is_left_out_is_looked_for() {
        for key in ["", "-", "none"] {
            let request = asked(&[("CRYPTTAB_KEY", key), ("CRYPTTAB_OPTIONS", "")]).unwrap();
            assert_eq!((request.volume.key, request.tried), (KeySpec::Find, 0));
            assert_eq!(request.volume.options, Options::default());
        }
        let request = asked(&[("CRYPTTAB_KEY", "/mnt/azure_bek_disk/k"), ("CRYPTTAB_TRIED", "x")]);
        let request = request.unwrap();
        assert_eq!(request.volume.key, KeySpec::KeyFile(KeyFileName::parse("k").unwrap()));
        assert_eq!(request.tried, 0);
    }

    #[test]
    fn a_variable_of_its_own_says_it_exactly() {
        let request = asked(&[
            ("CRYPTTAB_OPTIONS", "header=/boot/a,b,keyslot=3"),
            ("CRYPTTAB_OPTION_header", "/boot/a,b"),
            ("CRYPTTAB_OPTION_keyslot", "3"),
        ]);
        let options = request.unwrap().volume.options;
        assert_eq!(options.header, HeaderSpec::parse("/boot/a,b"));
        assert_eq!(options.key_slot, Some(3));
    }

    #[test]
    fn lines_are_ours_by_their_keyscript() {
        let lines = listed(
            b"# c UUID=1 none keyscript=/usr/lib/bek-unlock/keyscript\n\
              a UUID=5f1e v.vault.azure.net/secrets/s luks,keyscript=/usr/lib/bek-unlock/keyscript\n\
              b /dev/sdb1 none ca=/etc/ca.pem,keyscript=/opt/x/lib/bek-unlock/keyscript,initramfs\n\
              c UUID=1 none luks,keyscript=/lib/cryptsetup/scripts/decrypt_keyctl\n\
              d UUID=1 /etc/lib/bek-unlock/keyscript luks\n\
              e UUID=1 a/b luks,keyscript=/usr/lib/bek-unlock/keyscript\n",
        );
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "e"]);
        let volumes: Vec<_> = lines.iter().map(|line| line.volume.as_ref()).collect();
        assert!(matches!(volumes[0].unwrap().key, KeySpec::Secret(_)));
        assert_eq!(volumes[1].unwrap().options.ca.as_deref(), Some(Path::new("/etc/ca.pem")));
        let message = volumes[2].unwrap_err().to_string();
        assert!(message.starts_with("/etc/crypttab: a file name on the key disk"), "{message}");
    }

    #[test]
    fn a_crypttab_that_is_not_there_is_an_error() {
        let message = load(Path::new("/proc/no/crypttab")).unwrap_err().to_string();
        assert!(message.contains("/proc/no/crypttab"), "{message}");
    }

    #[test]
    fn nobody_else_s_variables_and_no_guesses() {
        let missing =
            "keyscript is for cryptsetup-initramfs, which sets CRYPTTAB_NAME and the others";
        assert_eq!(asked(&[("CRYPTTAB_NAME", "")]).unwrap_err(), missing);
        assert_eq!(asked(&[("CRYPTTAB_SOURCE", "")]).unwrap_err(), missing);
        for (name, value, said) in [
            ("CRYPTTAB_NAME", "a/b", "CRYPTTAB_NAME: '/' is not allowed in a volume name"),
            ("CRYPTTAB_SOURCE", "sda1", "CRYPTTAB_SOURCE: a device is an absolute path"),
            ("CRYPTTAB_KEY", "a/b", "CRYPTTAB_KEY: a file name on the key disk has no /"),
            ("CRYPTTAB_OPTIONS", "vault=http://v", "CRYPTTAB_OPTIONS: "),
            ("CRYPTTAB_OPTION_header", "luks", "CRYPTTAB_OPTION_header: not an absolute path"),
            ("CRYPTTAB_OPTION_keyslot", "x", "CRYPTTAB_OPTION_keyslot: "),
        ] {
            let message = asked(&[(name, value)]).unwrap_err();
            assert!(message.starts_with(said), "{message}");
        }
    }
}
