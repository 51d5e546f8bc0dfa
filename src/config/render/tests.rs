use super::*;
use crate::azure::id::{Host, KeyId, SecretId, VaultUrl};
use crate::config::{Configuration, Origin, option_table};
use crate::volume::Identity;
use crate::volume::{DeviceSpec, Encryption, HeaderSpec, KekAlgorithm, KeyFileName, VolumeName};

fn volume() -> Volume {
    Volume {
        name: VolumeName::parse("data1").unwrap(),
        device: DeviceSpec::Uuid("5f1e".to_owned()),
        key: KeySpec::Find,
        options: Options::default(),
    }
}

/// The line of `volume`, after it was read again by the parser of the whole file.
fn round(volume: &Volume) -> String {
    let text = line(volume).unwrap_or_else(|refusal| panic!("{volume:?}: {refusal}"));
    let file = format!("# made by initramfs plan\n{text}\n");
    let read = Configuration::parse(Origin::Bektab, Path::new("/etc/bektab"), file.as_bytes());
    assert_eq!(read.problems, [], "{text}");
    assert_eq!(read.entries.len(), 1, "{text}");
    assert_eq!(&read.entries[0].volume, volume, "{text}");
    text
}

fn seconds(seconds: u64) -> Limit {
    Limit(Some(Duration::from_secs(seconds)))
}

#[test]
fn every_option_is_written_and_read_back() {
    let uuid = "0c0a59e2-4b7d-4f0c-8d11-3a5b6c7d8e9f";
    let (client, object) =
        (format!("identity=client-id:{uuid}"), format!("identity=object-id:{uuid}"));
    let resource = "/subscriptions/s/resourcegroups/g, h/providers/x";
    let device = |text| DeviceSpec::parse(text).unwrap();
    let on = |path: &str, text| HeaderSpec::On { path: path.into(), device: device(text) };
    type Case<'a> = (&'a str, Box<dyn Fn(&mut Options) + 'a>);
    let cases: Vec<Case<'_>> = vec![
        ("-", Box::new(|_| ())),
        ("_netdev", Box::new(|o| o.netdev = true)),
        ("discard", Box::new(|o| o.discard = true)),
        ("key-only", Box::new(|o| o.key_only = true)),
        ("luks", Box::new(|o| o.encryption = Some(Encryption::Luks))),
        ("no-read-workqueue", Box::new(|o| o.no_read_workqueue = true)),
        ("no-write-workqueue", Box::new(|o| o.no_write_workqueue = true)),
        ("noauto", Box::new(|o| o.noauto = true)),
        ("nofail", Box::new(|o| o.nofail = true)),
        ("prompt", Box::new(|o| o.prompt = true)),
        ("read-only", Box::new(|o| o.read_only = true)),
        ("same-cpu-crypt", Box::new(|o| o.same_cpu_crypt = true)),
        ("submit-from-crypt-cpus", Box::new(|o| o.submit_from_crypt_cpus = true)),
        ("x-initrd.attach", Box::new(|o| o.initrd = true)),
        ("ca=/etc/my\\040ca\\054s.pem", Box::new(|o| o.ca = Some("/etc/my ca,s.pem".into()))),
        ("content=any", Box::new(|o| o.content = Content::Any)),
        (
            "header=/boot/luks/osluksheader",
            Box::new(|o| o.header = Some(HeaderSpec::Path("/boot/luks/osluksheader".into()))),
        ),
        (
            "header=/a\\134040b\\x20c\\054d",
            Box::new(|o| o.header = Some(HeaderSpec::Path("/a\\040b\\x20c,d".into()))),
        ),
        (
            "header=/luks/osluksheader:UUID=5f1e",
            Box::new(|o| o.header = Some(on("/luks/osluksheader", "UUID=5f1e"))),
        ),
        ("header=/h:LABEL=my\\040boot", Box::new(|o| o.header = Some(on("/h", "LABEL=my boot")))),
        (
            "header=/h:/dev/disk/by-path/acpi-VMBUS:00-part1",
            Box::new(|o| o.header = Some(on("/h", "/dev/disk/by-path/acpi-VMBUS:00-part1"))),
        ),
        ("header-policy=strict", Box::new(|o| o.header_policy = HeaderPolicy::Strict)),
        (&client, Box::new(|o| o.identity = Some(Identity::Client(uuid.to_owned())))),
        (&object, Box::new(|o| o.identity = Some(Identity::Object(uuid.to_owned())))),
        (
            "kek=https://v.vault.azure.net/keys/k/1",
            Box::new(|o| {
                o.kek = KeyId::parse("https://v.vault.azure.net/keys/k/1");
            }),
        ),
        ("kek-algorithm=A256KW", Box::new(|o| o.kek_algorithm = Some(KekAlgorithm::A256Kw))),
        ("kek-algorithm=RSA1_5", Box::new(|o| o.kek_algorithm = Some(KekAlgorithm::Rsa15))),
        ("kek-algorithm=RSA-OAEP", Box::new(|o| o.kek_algorithm = Some(KekAlgorithm::RsaOaep))),
        (
            "kek-algorithm=RSA-OAEP-256",
            Box::new(|o| o.kek_algorithm = Some(KekAlgorithm::RsaOaep256)),
        ),
        ("key-slot=0", Box::new(|o| o.key_slot = Some(0))),
        ("key-slot=31", Box::new(|o| o.key_slot = Some(31))),
        ("machine-name=vm\\040\\0541", Box::new(|o| o.machine_name = Some("vm ,1".to_owned()))),
        ("machine-name=v=m", Box::new(|o| o.machine_name = Some("v=m".to_owned()))),
        ("timeout=0", Box::new(|o| o.timeout = Limit(None))),
        ("timeout=60s", Box::new(|o| o.timeout = seconds(60))),
        ("timeout=1500000us", Box::new(|o| o.timeout = Limit(Some(Duration::from_millis(1500))))),
        (
            "vault=https://v.vault.azure.net",
            Box::new(|o| {
                o.vault = VaultUrl::parse("https://v.vault.azure.net/");
            }),
        ),
        (
            "vault-suffix=a.b,vault-suffix=c.d",
            Box::new(|o| {
                o.vault_suffixes =
                    ["a.b", "c.d"].iter().filter_map(|name| Host::parse(name)).collect();
            }),
        ),
        ("x-systemd.device-timeout=0", Box::new(|o| o.device_timeout = Some(Limit(None)))),
        ("x-systemd.device-timeout=90s", Box::new(|o| o.device_timeout = Some(seconds(90)))),
    ];
    let mut all = volume();
    for (text, set) in &cases {
        let mut one = volume();
        set(&mut one.options);
        set(&mut all.options);
        assert_eq!(round(&one), format!("data1 UUID=5f1e - {text}"));
    }
    let bitlk = Options { encryption: Some(Encryption::Bitlk), ..Options::default() };
    assert_eq!(round(&Volume { options: bitlk, ..volume() }), "data1 UUID=5f1e - bitlk");
    all.options.identity = Some(Identity::Resource(resource.to_owned()));
    // A resource id with a blank does not parse, so it is not written either.
    assert!(line(&all).is_err());
    all.options.identity = Some(Identity::Resource(resource.replace(", ", ",")));
    let text = round(&all);
    // Whatever the parser takes has been written at least once.
    for name in option_table::names().filter(|name| !matches!(*name, "bitlk" | "readonly")) {
        let found = text.contains(&format!("{name}=")) || text.split([' ', ',']).any(|w| w == name);
        assert!(found, "{name}: {text}");
    }
}

#[test]
fn every_field_is_written_and_read_back() {
    let name = |text| VolumeName::parse(text).unwrap();
    let file = |text| KeySpec::KeyFile(KeyFileName::parse(text).unwrap());
    let secret = |text| KeySpec::Secret(SecretId::parse(text).unwrap());
    for (field, volume) in [
        ("\\043data UUID=5f1e - -", Volume { name: name("#data"), ..volume() }),
        ("d=a#+-.:@_ UUID=5f1e - -", Volume { name: name("d=a#+-.:@_"), ..volume() }),
        ("data1 UUID=5F1E - -", Volume { device: DeviceSpec::Uuid("5F1E".into()), ..volume() }),
        (
            "data1 LABEL=my\\040disk - -",
            Volume { device: DeviceSpec::Label("my disk".into()), ..volume() },
        ),
        (
            "data1 PARTLABEL=a,b - -",
            Volume { device: DeviceSpec::PartLabel("a,b".into()), ..volume() },
        ),
        (
            "data1 PARTUUID=0c0a-02 - -",
            Volume { device: DeviceSpec::PartUuid("0c0a-02".into()), ..volume() },
        ),
        (
            "data1 /dev/disk/by-label/BEK\\x20VOLUME - -",
            Volume {
                device: DeviceSpec::Path("/dev/disk/by-label/BEK\\x20VOLUME".into()),
                ..volume()
            },
        ),
        (
            "data1 /srv/\\134040/\\134999\u{e4} - -",
            Volume { device: DeviceSpec::Path("/srv/\\040/\\999\u{e4}".into()), ..volume() },
        ),
        (
            "data1 UUID=5f1e LinuxPassPhraseFileName -",
            Volume { key: file("LinuxPassPhraseFileName"), ..volume() },
        ),
        ("data1 UUID=5f1e my\\040key,nofail -", Volume { key: file("my key,nofail"), ..volume() }),
        ("data1 UUID=5f1e nofail -", Volume { key: file("nofail"), ..volume() }),
        ("data1 UUID=5f1e /mnt/azure_bek_disk/none -", Volume { key: file("none"), ..volume() }),
        ("data1 UUID=5f1e /mnt/azure_bek_disk/- -", Volume { key: file("-"), ..volume() }),
        (
            "data1 UUID=5f1e /etc/keys/a\\040b:c -",
            Volume { key: KeySpec::Path("/etc/keys/a b:c".into()), ..volume() },
        ),
        (
            "data1 UUID=5f1e https://v.vault.azure.net/secrets/s -",
            Volume { key: secret("https://v.vault.azure.net/secrets/s"), ..volume() },
        ),
        (
            "data1 UUID=5f1e https://v.vault.azure.net/secrets/s/0a -",
            Volume { key: secret("https://v.vault.azure.net/secrets/s/0a"), ..volume() },
        ),
    ] {
        assert_eq!(round(&volume), field);
    }
}

#[test]
fn what_would_be_read_otherwise_is_not_written() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let refused = |change: &dyn Fn(&mut Volume)| {
        let mut volume = volume();
        change(&mut volume);
        let refusal = line(&volume).expect_err("written").to_string();
        assert!(refusal.starts_with("data1 cannot be written as a line of bektab: "), "{refusal}");
    };
    let bytes = || Path::new(OsStr::from_bytes(b"/etc/k\xff")).to_owned();
    refused(&|v| v.key = KeySpec::Path(bytes()));
    refused(&|v| v.device = DeviceSpec::Path(bytes()));
    refused(&|v| v.options.ca = Some(bytes()));
    refused(&|v| v.options.header = Some(HeaderSpec::Path(bytes())));
    refused(&|v| v.key = KeySpec::Path("/mnt/azure_bek_disk/k".into()));
    refused(&|v| v.key = KeySpec::Path("/a:UUID=1".into()));
    refused(&|v| v.key = KeySpec::Path("relative".into()));
    refused(&|v| v.device = DeviceSpec::Label("\"quoted\"".to_owned()));
    refused(&|v| v.device = DeviceSpec::Label("a\nb".to_owned()));
    refused(&|v| v.device = DeviceSpec::Uuid(String::new()));
    refused(&|v| v.options.header = Some(HeaderSpec::Path("/a:UUID=1".into())));
    refused(&|v| v.options.key_slot = Some(32));
    refused(&|v| v.options.timeout = Limit(Some(Duration::ZERO)));
    refused(&|v| v.options.timeout = Limit(Some(Duration::from_nanos(1_000_000_001))));
    refused(&|v| {
        v.key = KeySpec::Secret(SecretId::parse("https://v.vault.azure.net/secrets/s").unwrap());
        v.options.vault = VaultUrl::parse("https://v.vault.azure.net");
    });
}

/// The lines of the fixtures, ADE's too, are the same volumes after they were written.
#[test]
fn whatever_a_file_says_can_be_written() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/config");
    let mut count = 0;
    for case in ["ade", "bektab", "precedence", "broken"] {
        for entry in crate::config::load(&fixtures.join(case)).entries {
            round(&entry.volume);
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}
