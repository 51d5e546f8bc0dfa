//! The fourth field: options separated by commas.
//!
//! In bektab(5) everything unknown is an error, because a misspelt `header=` opens the wrong thing;
//! in a crypttab, which is not ours, what only systemd or Debian knows is left to them. Which
//! options there are is written in option_table.rs.

use super::line::{Fault, Value, Word, quoted};
use super::nearest::nearest;
use super::option_table::{Origin, Set, names, opposed, row};
use crate::volume::Options;

/// Parses the fourth field of bektab(5); `-` and `none` are no options, as for systemd-cryptsetup.
pub(super) fn parse(field: Word<'_>) -> Result<Options, Fault> {
    add(Options::default(), field)
}

/// Parses such a field and sets what it says in `options`: a value given here replaces the one
/// that is there, and a list grows.
pub(super) fn add(mut options: Options, field: Word<'_>) -> Result<Options, Fault> {
    let mut seen = Vec::new();
    if matches!(field.raw, "-" | "none") {
        return Ok(options);
    }
    for word in field.split(&[',']) {
        let (name, value) = word.decode()?.split_equals();
        let Some(row) = row(name.as_str()) else { return Err(unknown(&word, &name)) };
        if seen.contains(&row.name()) && !matches!(row.set, Set::Each(_)) {
            return Err(name.fault(format!("option {:?} is given twice", row.name())));
        }
        if let Some(other) = opposed(row.name(), &seen) {
            return Err(name.fault(format!("option {:?} excludes {other:?}", row.name())));
        }
        seen.push(row.name());
        row.apply(&mut options, &name, value.as_ref(), &word)?;
    }
    Ok(options)
}

/// Parses the fourth field of somebody else's crypttab(5).
///
/// Unknown options and ours are left out, and so are flags with a value; the last of two wins. A
/// value that crypttab(5) does not allow either is an error all the same.
pub(super) fn parse_crypttab(field: Word<'_>) -> Result<Options, Fault> {
    parse_of(field, |origin| origin == Origin::Crypttab)
}

/// Parses the fourth field of a crypttab(5) line that asks us for its key: ours count, too.
pub(super) fn parse_keyscript(field: &Word<'_>) -> Result<Options, Fault> {
    parse_of(*field, |_| true)
}

/// Sets the option of this name to the whole of `value`.
pub(super) fn set(name: &str, value: &Word<'_>, options: &mut Options) -> Result<(), Fault> {
    let name = Word { raw: name, column: value.column }.decode()?;
    match row(name.as_str()) {
        Some(row) => row.apply(options, &name, Some(&value.decode()?), value),
        None => Err(unknown(value, &name)),
    }
}

/// The options of somebody else's crypttab(5) that [`parse_crypttab`] leaves out.
pub(super) fn left_out(field: Word<'_>) -> Vec<String> {
    if matches!(field.raw, "-" | "none") {
        return Vec::new();
    }
    let is_read = |word: &Word<'_>| {
        let (name, value) = word.raw.split_once('=').map_or((word.raw, false), |(n, _)| (n, true));
        row(name).is_some_and(|row| row.origin == Origin::Crypttab && (row.takes_value() || !value))
    };
    let words = field.split(&[',']).filter(|word| !word.raw.is_empty() && !is_read(word));
    words.map(|word| word.raw.to_owned()).collect()
}

/// What a crypttab says, as far as its options are from where `counts` says.
fn parse_of(field: Word<'_>, counts: impl Fn(Origin) -> bool) -> Result<Options, Fault> {
    let mut options = Options::default();
    if matches!(field.raw, "-" | "none") {
        return Ok(options);
    }
    for word in field.split(&[',']) {
        let (name, value) = word.decode()?.split_equals();
        match row(name.as_str()) {
            Some(row) if counts(row.origin) && (row.takes_value() || value.is_none()) => {
                row.apply(&mut options, &name, value.as_ref(), &word)?;
            }
            _ => {}
        }
    }
    Ok(options)
}

/// The first option of this name in `field`, with its value.
pub(super) fn find<'a>(field: Word<'a>, name: &str) -> Option<Word<'a>> {
    field.split(&[',']).find(|word| word.raw.split('=').next() == Some(name))
}

/// Whether a key holds options: somebody left the key out.
pub(super) fn is_list(text: &str) -> bool {
    !text.starts_with('/') && text.split(',').any(is_option)
}

/// Whether `text` is an option that takes no value, or one with its value.
fn is_option(text: &str) -> bool {
    let (name, value) = text.split_once('=').map_or((text, false), |(name, _)| (name, true));
    row(name).is_some_and(|row| row.takes_value() == value)
}

fn unknown(word: &Word<'_>, name: &Value) -> Fault {
    if word.raw.is_empty() {
        return word.fault("an option is missing beside this comma");
    }
    let meant = nearest(name.as_str(), names()).and_then(row).map(|row| {
        let equals = if row.takes_value() { "=" } else { "" };
        format!("{}{equals}", row.name())
    });
    name.fault(format!("unknown option {}", quoted(name.as_str()))).suggest(meant)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::volume::{Content, Encryption, HeaderPolicy, HeaderSpec, Limit};

    fn options(raw: &str) -> Options {
        parse(Word { raw, column: 0 }).unwrap_or_else(|fault| panic!("{raw}: {fault:?}"))
    }

    fn refused(raw: &str) -> Fault {
        parse(Word { raw, column: 0 }).expect_err(raw)
    }

    #[test]
    fn no_options_are_the_defaults() {
        for raw in ["-", "none"] {
            assert_eq!(options(raw), Options::default());
        }
        assert_eq!(Options::default().timeout, Limit(Some(Duration::from_secs(90))));
    }

    #[test]
    fn every_flag_sets_its_own_field_and_no_other() {
        let on = |set: fn(&mut Options)| {
            let mut options = Options::default();
            set(&mut options);
            options
        };
        for (raw, expected) in [
            ("_netdev", on(|o| o.netdev = true)),
            ("bitlk", on(|o| o.encryption = Some(Encryption::Bitlk))),
            ("discard", on(|o| o.discard = true)),
            ("key-only", on(|o| o.key_only = true)),
            ("luks", on(|o| o.encryption = Some(Encryption::Luks))),
            ("no-read-workqueue", on(|o| o.no_read_workqueue = true)),
            ("no-write-workqueue", on(|o| o.no_write_workqueue = true)),
            ("noauto", on(|o| o.noauto = true)),
            ("nofail", on(|o| o.nofail = true)),
            ("prompt", on(|o| o.prompt = true)),
            ("read-only", on(|o| o.read_only = true)),
            ("readonly", on(|o| o.read_only = true)),
            ("same-cpu-crypt", on(|o| o.same_cpu_crypt = true)),
            ("submit-from-crypt-cpus", on(|o| o.submit_from_crypt_cpus = true)),
            ("x-initrd.attach", on(|o| o.initrd = true)),
        ] {
            assert_eq!(options(raw), expected, "{raw}");
            let fault = refused(&format!("ca=/a,{raw}=yes"));
            assert_eq!((fault.column, fault.length), (6, raw.len() + 4), "{raw}");
            assert!(fault.message.ends_with("takes no value"), "{}", fault.message);
        }
    }

    #[test]
    fn values_reach_their_fields() {
        let all = "ca=/etc/ca.pem,content=any,header=/boot/h,header-policy=strict,kek-algorithm=rsa-oaep-256,key-slot=3,\
                   kek=https://v.vault.azure.net/keys/k/1,machine-name=vm\\0541,timeout=2min,\
                   vault=https://v.vault.azure.net/,vault-suffix=a.b,vault-suffix=c.d,\
                   identity=resource-id:/subscriptions/s,x-systemd.device-timeout=0";
        let options = options(all);
        assert_eq!(options.ca.as_deref(), Some("/etc/ca.pem".as_ref()));
        assert_eq!(options.content, Content::Any);
        assert_eq!(options.header, HeaderSpec::parse("/boot/h"));
        assert_eq!(options.header_policy, HeaderPolicy::Strict);
        assert_eq!(options.kek_algorithm.map(|name| name.as_str()), Some("RSA-OAEP-256"));
        assert_eq!(options.key_slot, Some(3));
        assert!(options.kek.is_some() && options.identity.is_some() && options.vault.is_some());
        assert_eq!(options.machine_name.as_deref(), Some("vm,1"));
        assert_eq!(options.timeout, Limit(Some(Duration::from_secs(120))));
        assert_eq!(options.device_timeout, Some(Limit(None)));
        let suffixes: Vec<_> = options.vault_suffixes.iter().map(|host| host.as_str()).collect();
        assert_eq!(suffixes, ["a.b", "c.d"]);
    }

    #[test]
    fn every_option_with_a_value_needs_it() {
        for row in names().filter_map(row).filter(|row| row.takes_value()) {
            for raw in [row.name().to_owned(), format!("{}=", row.name())] {
                let fault = refused(&format!("{raw},luks"));
                assert_eq!((fault.column, fault.length), (0, raw.len()), "{raw}");
                assert!(fault.message.ends_with("needs a value"), "{}", fault.message);
            }
        }
    }

    #[test]
    fn what_is_no_option_is_marked() {
        for (raw, column, length, words, suggestion) in [
            ("luks,discrad", 5, 7, "unknown option \"discrad\"", Some("discard")),
            ("timeot=5", 0, 6, "unknown option \"timeot\"", Some("timeout=")),
            ("read_only", 0, 9, "unknown option", Some("read-only")),
            ("NOFAIL", 0, 6, "unknown option", Some("nofail")),
            ("tpm2-device=auto", 0, 11, "unknown option", None),
            ("x-systemd.requires=a.mount", 0, 18, "unknown option", None),
            ("keyscript=/bin/true", 0, 9, "unknown option", None),
            ("luks,,nofail", 5, 1, "is missing", None),
            ("luks,", 5, 1, "is missing", None),
            ("", 0, 1, "is missing", None),
            ("=5", 0, 1, "unknown option \"\"", None),
            ("luks,luks", 5, 4, "\"luks\" is given twice", None),
            ("readonly,read-only", 9, 9, "\"read-only\" is given twice", None),
            ("header=/a,header=/b", 10, 6, "\"header\" is given twice", None),
            ("luks,bitlk", 5, 5, "\"bitlk\" excludes \"luks\"", None),
            ("bitlk,nofail,luks", 13, 4, "\"luks\" excludes \"bitlk\"", None),
            ("bitlk,header=/a", 6, 6, "\"header\" excludes \"bitlk\"", None),
            ("header-policy=any,bitlk", 18, 5, "\"bitlk\" excludes \"header-policy\"", None),
            ("header-policy=strikt", 14, 6, "\"any\" or \"strict\"", Some("strict")),
            ("key-slot=0,bitlk", 11, 5, "\"bitlk\" excludes \"key-slot\"", None),
            ("nofail ", 0, 7, "unknown option", Some("nofail")),
        ] {
            let fault = refused(raw);
            assert_eq!((fault.column, fault.length), (column, length), "{raw}: {}", fault.message);
            assert!(fault.message.contains(words), "{raw}: {}", fault.message);
            assert_eq!(fault.suggestion.as_deref(), suggestion, "{raw}");
        }
    }

    #[test]
    fn crypttab_keeps_what_is_only_its_own() {
        let crypttab = |raw| parse_crypttab(Word { raw, column: 0 });
        let raw = "luks,,timeout=10,cipher=aes,nofail=1,discard,discard,header=/a,header=/b,prompt";
        let options = crypttab(raw).unwrap();
        assert!(options.discard && !options.nofail && !options.prompt);
        assert_eq!(options.timeout, Options::default().timeout);
        assert_eq!(options.header, HeaderSpec::parse("/b"));
        assert_eq!(options.encryption, Some(Encryption::Luks));
        let left = left_out(Word { raw, column: 0 });
        assert_eq!(left, ["timeout=10", "cipher=aes", "nofail=1", "prompt"]);
        assert_eq!(crypttab("luks,bitlk").unwrap().encryption, Some(Encryption::Bitlk));
        assert_eq!(crypttab("none"), Ok(Options::default()));
        for (raw, column) in [("luks,header=relative", 12), ("key-slot=many", 9)] {
            assert_eq!(crypttab(raw).unwrap_err().column, column, "{raw}");
        }
    }
}
