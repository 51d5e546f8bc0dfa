//! A failure of each kind, as it may be met: docs/troubleshooting.md quotes what is said of it.

use std::time::Duration;

use bek_unlock::azure::id::{Host, KeyName};
use bek_unlock::azure::way::Way;
use bek_unlock::config;
use bek_unlock::error::{
    Denied, Error, FileProblem, Goal, Kind, PassedOver, SecretProblem, Shortage, SignInRefusal,
    TransportProblem, TrustProblem, Unreachable,
};
use bek_unlock::recovery::no_target::{NoTarget, Why};
use bek_unlock::recovery::refusal::Refusal;
use bek_unlock::volume::{DeviceSpec, KeyFileName, VolumeName};

fn vault() -> Host {
    Host::parse("contoso-kv.vault.azure.net").unwrap()
}

fn name(name: &str) -> VolumeName {
    VolumeName::parse(name).unwrap()
}

fn unreachable(problem: TransportProblem) -> Unreachable {
    Unreachable { problem, tries: 9, elapsed: Duration::from_secs(60) }
}

fn sentence(text: &str) -> String {
    text.to_owned()
}

/// Unlocking data1 on /dev/sdc ended with `kind`.
fn unlocking(kind: Kind) -> Error {
    Error::new(Goal::Unlock, kind).volume(&name("data1")).device(Some("/dev/sdc".as_ref()))
}

/// The same before a device was looked for.
fn reading(kind: Kind) -> Error {
    Error::new(Goal::Unlock, kind).volume(&name("data1"))
}

fn recovering(kind: Kind) -> Error {
    Error::new(Goal::Recover, kind).device(Some("/dev/sdc".as_ref()))
}

fn listing(kind: Kind) -> Error {
    Error::new(Goal::List, kind)
}

/// One for each kind, in no order.
pub fn samples() -> Vec<Error> {
    [local(), azure(), signing_in()].into_iter().flatten().collect()
}

fn wrong_line() -> Kind {
    let parsed = config::Configuration::parse(
        config::Origin::Bektab,
        "/etc/bektab".as_ref(),
        b"data1 /dev/sdc - nofial\n",
    );
    parsed.problems.into_iter().next().unwrap()
}

fn local() -> Vec<Error> {
    let path = || "/dev/sdc".into();
    vec![
        Error::new(
            Goal::Check,
            Kind::BootNotReady {
                reason: sentence("unit: bek-unlock@data1.service is masked by /etc/systemd/system/bek-unlock@data1.service"),
                advice: sentence("systemctl unmask bek-unlock@data1.service"),
            },
        )
        .volume(&name("data1")),
        reading(wrong_line()),
        reading(Kind::ConfigurationUnreadable {
            path: "/etc/bektab".into(),
            reason: sentence("Permission denied"),
        }),
        unlocking(Kind::ContentUnrecognized),
        recovering(Kind::DeviceInUse {
            device: "/dev/sda".into(),
            holders: vec![sentence("mount /"), sentence("device osencrypt")],
        }),
        unlocking(Kind::HeaderRefused {
            path: path(),
            reason: sentence("the volume has the cipher cipher_null-ecb"),
        }),
        unlocking(Kind::HeaderUnusable {
            path: path(),
            reason: sentence("it is neither LUKS nor BitLocker, or damaged"),
        }),
        unlocking(Kind::Internal {
            call: "activating the volume",
            reason: sentence("Invalid exchange"),
        }),
        unlocking(Kind::KeyDiskMissing { waited: Duration::from_secs(10) }),
        unlocking(Kind::KeyDiskUnreadable {
            device: "/dev/sdb1".into(),
            reason: sentence("No such device"),
        }),
        unlocking(Kind::KeyFileUnusable {
            place: sentence("key disk /dev/sdb1"),
            file: KeyFileName::parse("LinuxPassPhraseFileName_1_0"),
            problem: FileProblem::Empty,
        }),
        unlocking(Kind::KeyMalformed {
            what: sentence("secret bek-data1"),
            reason: sentence("is wrapped and no tag names its KEK; kek= is missing"),
        }),
        unlocking(Kind::KeyRejected {
            place: sentence("key disk /dev/sdb1: LinuxPassPhraseFileName_1_0"),
            tried: 1,
            keyslots: 2,
        }),
        Error::new(
            Goal::Decode,
            Kind::MaterialRefused {
                what: sentence("standard input"),
                refusal: Refusal::StillWrapped { bytes: 256, kek: None },
            },
        ),
        unlocking(Kind::MemoryShort {
            needed_kib: 1 << 20,
            shortage: Shortage::Machine { kib: 955 << 10 },
        }),
        unlocking(Kind::NameInUse { name: name("data1"), device: sentence("/dev/sdd") }),
        recovering(Kind::NoTarget(Box::new(NoTarget {
            named: path(),
            why: Why::Several(Some("/dev/sdc2".into())),
            listed: vec![
                sentence("partition 2   40.0 GiB  crypto_LUKS"),
                sentence("partition 3   40.0 GiB  crypto_LUKS"),
            ],
        }))),
        Error::new(Goal::Unlock, Kind::NotConfigured { name: name("data9") })
            .volume(&name("data9")),
        reading(Kind::NotPermitted {
            action: "open devices and mappings",
            reason: sentence("not root"),
        }),
        Error::new(
            Goal::Rotate,
            Kind::NotRekeyable {
                reason: sentence("file /etc/data1.key is not wrapped: enroll it first"),
            },
        )
        .volume(&name("data1")),
        Error::new(
            Goal::Adopt,
            Kind::NotWritten {
                path: "/etc/bektab".into(),
                reason: sentence("Read-only file system"),
            },
        ),
        unlocking(Kind::PromptUnanswered { reason: sentence("nobody answered in time") }),
        Error::new(Goal::Run, Kind::Usage(sentence("there is no command \"open\""))),
        Error::new(Goal::Close, Kind::VolumeBusy { holders: vec![sentence("mount /mnt/data1")] })
            .volume(&name("data1")),
        reading(Kind::VolumeMissing {
            device: DeviceSpec::parse("UUID=5f1e8a52-0b7c-4c1e-9d35-1f2f6f6b8a10").unwrap(),
            waited: Duration::from_secs(90),
        }),
    ]
}

fn azure() -> Vec<Error> {
    vec![
        unlocking(Kind::IdentityMissing { status: 400, text: sentence("Identity not found") }),
        unlocking(Kind::KekMissing {
            kek: KeyName::parse("https://contoso-kv.vault.azure.net/keys/kek/89abcdef").unwrap(),
        }),
        unlocking(Kind::MetadataUnreachable(unreachable(TransportProblem::Connect(sentence(
            "Network is unreachable",
        ))))),
        unlocking(Kind::MetadataUntrusted { reason: sentence("answer holds no token") }),
        unlocking(Kind::SecretMissing {
            vault: vault(),
            what: sentence("bek-data1"),
            problem: SecretProblem::NotFound,
        }),
        unlocking(Kind::VaultDenied(Box::new(Denied {
            vault: vault(),
            status: 403,
            code: sentence("KeyDisabled"),
            permission: "keys/unwrapKey",
            way: Way::ManagedIdentity,
            object_id: None,
            address: None,
            text: sentence("Operation unwrapKey is not allowed on a disabled key"),
            request_id: None,
        }))),
        unlocking(Kind::VaultUnreachable {
            vault: vault(),
            unreachable: unreachable(TransportProblem::Resolve(sentence(
                "Name or service not known",
            ))),
        }),
        unlocking(Kind::VaultUntrusted {
            host: vault(),
            problem: TrustProblem::CertificateTime(sentence("certificate not yet valid")),
        }),
    ]
}

fn signing_in() -> Vec<Error> {
    vec![
        listing(Kind::SignInRefused(Box::new(SignInRefusal {
            way: Way::ServicePrincipal,
            authority: Host::parse("login.microsoftonline.com"),
            status: Some(401),
            code: Some(7_000_215),
            error: sentence("invalid_client"),
            text: sentence("Invalid client secret provided"),
        }))),
        listing(Kind::SignInUnavailable(vec![
            PassedOver {
                way: Way::ManagedIdentity,
                reason: sentence("no metadata service here; not an Azure VM"),
            },
            PassedOver { way: Way::Az, reason: sentence("nobody is logged in") },
        ])),
        listing(Kind::SignInUnreachable {
            authority: Host::parse("login.microsoftonline.com").unwrap(),
            unreachable: unreachable(TransportProblem::TimedOut),
        }),
        listing(Kind::SignInUntrusted {
            place: sentence("AZURE_AUTHORITY_HOST=login.example"),
            problem: TrustProblem::HostNotAllowed,
        }),
    ]
}
