//! What is judged from facts that no test machine has: little memory, a lost resource disk, prompts.

use std::path::PathBuf;
use std::time::Duration;

use super::volume::{Looked, findings, is_opened_at_boot, without_network};
use super::{Checked, Finding, Level, Report, Topic};
use crate::config::{Entry, Origin};
use crate::error::Kind;
use crate::initramfs::fstab;
use crate::key::SourceName;
use crate::mapping::{Format, Header, Keyslot};
use crate::unlock::prove::{Asked, Content, Fits, Proof};
use crate::volume::{DeviceSpec, KeySpec, Options, Volume, VolumeName};

/// A line of bektab with these options.
pub fn entry(device: &str, change: impl FnOnce(&mut Options)) -> Entry {
    let mut options = Options::default();
    change(&mut options);
    let volume = Volume {
        name: VolumeName::parse("data1").unwrap(),
        device: DeviceSpec::parse(device).unwrap(),
        key: KeySpec::Find,
        options,
    };
    Entry { volume, origin: Origin::Bektab, file: "/etc/bektab".into(), line: 3 }
}

fn fits() -> Result<Fits, Kind> {
    Ok(Fits { keyslot: 1, origin: "key disk /dev/sdc1: k".to_owned(), trimmed: false })
}

fn missing() -> Result<Fits, Kind> {
    Err(Kind::KeyDiskMissing { waited: Duration::ZERO })
}

fn proof(keyslot_kib: u64, answers: Vec<(SourceName, Result<Fits, Kind>)>) -> Proof {
    let keyslots = vec![Keyslot { number: 0, memory_kib: keyslot_kib }];
    let (format, uuid) = (Format::Luks2, "5f1e".to_owned());
    let header = Header { format, uuid, detached: false, keyslots };
    let sources = answers.into_iter().map(|(source, answer)| Asked { source, answer }).collect();
    let content = Some(Ok(Content::Encrypted { header, detached: None }));
    Proof { device: Ok(PathBuf::from("/dev/sdd")), content, sources }
}

/// Level and text of each finding about this topic.
fn about(topic: Topic, entry: &Entry, proof: &Proof) -> Vec<(Level, String)> {
    let at_boot = !entry.volume.options.noauto;
    let looked =
        Looked { entry, at_boot, proof, answers: &[], unit: None, memory_kib: Some(1 << 20) };
    let found = findings(&looked).into_iter().filter(|finding| finding.topic == topic);
    found.map(|finding| (finding.level, finding.text)).collect()
}

#[test]
fn a_kdf_that_takes_nearly_all_memory_is_told_beforehand() {
    let entry = entry("/dev/disk/by-id/x", |_| {});
    let of = |kib| about(Topic::Memory, &entry, &proof(kib, vec![(SourceName::KeyDisk, fits())]));
    assert_eq!(of(0), []);
    assert_eq!(of(1 << 19), [(Level::Good, "the KDF needs 512 MiB of 1024 MiB".to_owned())]);
    assert_eq!(of((1 << 18) * 3)[0].0, Level::Good);
    let (level, text) = of((1 << 18) * 3 + 1).remove(0);
    assert_eq!(level, Level::Warning);
    assert!(text.starts_with("the KDF needs 768 MiB of 1024 MiB: little is left"), "{text}");
}

#[test]
fn a_name_that_the_kernel_gives_is_not_one_for_the_next_boot() {
    for (device, level) in [
        ("/dev/sdd", Level::Warning),
        ("/dev/nvme0n2", Level::Warning),
        ("/dev/vdb1", Level::Warning),
        ("/dev/disk/azure/scsi1/lun0", Level::Good),
        ("/dev/mapper/vg-lv", Level::Good),
        ("/srv/disk.img", Level::Good),
        ("UUID=5f1e", Level::Good),
    ] {
        let found = about(Topic::Device, &entry(device, |_| {}), &proof(0, vec![]));
        assert_eq!(found[0].0, level, "{device}");
        assert!(found[0].1.contains("/dev/sdd"), "{found:?}");
    }
}

#[test]
fn who_opens_the_line_is_said() {
    let of = |entry: &Entry| about(Topic::Line, entry, &proof(0, vec![])).remove(0);
    assert_eq!(of(&entry("UUID=1", |_| {})), (Level::Good, "/etc/bektab:3".to_owned()));
    assert!(of(&entry("UUID=1", |o| o.initrd = true)).1.ends_with("opened in the initramfs"));
    assert!(of(&entry("UUID=1", |o| o.noauto = true)).1.ends_with("at need only (noauto)"));
    assert!(of(&entry("UUID=1", |o| o.key_only = true)).1.contains("systemd-cryptsetup"));
    let of_ade = Entry { origin: Origin::Crypttab, ..entry("UUID=1", |_| {}) };
    assert_eq!(of(&of_ade).0, Level::Warning);
    let unit = Some("bek-unlock@2f5e\\x2d8c0a.service");
    let proof = proof(0, vec![]);
    let looked = Looked {
        entry: &of_ade,
        at_boot: false,
        proof: &proof,
        answers: &[],
        unit,
        memory_kib: None,
    };
    let advice = findings(&looked).remove(0).advice.unwrap();
    assert!(advice.ends_with("systemctl start 'bek-unlock@2f5e\\x2d8c0a.service'"), "{advice}");
}

#[test]
fn a_source_that_fails_is_bad_only_where_none_fits() {
    let entry = entry("UUID=1", |_| {});
    let key_disk = Topic::Key(SourceName::KeyDisk);
    let of = |answers| about(key_disk, &entry, &proof(0, answers)).remove(0);
    assert_eq!(of(vec![(SourceName::KeyDisk, missing())]).0, Level::Bad);
    let beside = |other| of(vec![(SourceName::KeyDisk, missing()), (other, fits())]);
    assert_eq!(beside(SourceName::KeyVault).0, Level::Warning);
    // Where the header has a token, an unlock does not wait for the key disk.
    assert_eq!(beside(SourceName::Token).0, Level::Good);
}

#[test]
fn a_volume_whose_key_only_comes_over_the_network_is_closed_without_one() {
    let entry = entry("UUID=1", |options| options.netdev = true);
    let of = |sources: &[(SourceName, Option<&str>)]| {
        let answers = sources.iter().map(|(_, said)| said.iter().map(|one| one.to_string()));
        let answers: Vec<Vec<String>> = answers.map(Iterator::collect).collect();
        let fitting = sources.iter().map(|(source, _)| (*source, fits())).collect();
        without_network(&entry.volume, &proof(0, fitting), &answers)
    };
    let (disk, token, vault) = (SourceName::KeyDisk, SourceName::Token, SourceName::KeyVault);
    assert_eq!(of(&[(disk, None)]), Some(Level::Warning));
    assert_eq!(of(&[(disk, None), (vault, Some("secret x"))]), Some(Level::Warning));
    assert_eq!(of(&[(disk, Some("unwrapKey by kek"))]), Some(Level::Bad));
    // The second was told by the first one's answers.
    assert_eq!(of(&[(disk, Some("unwrapKey by kek")), (token, None)]), Some(Level::Bad));
    assert_eq!(of(&[]), Some(Level::Warning));
}

#[test]
fn keys_of_other_volumes_cost_each_boot_time() {
    let rejected =
        || Err(Kind::KeyRejected { place: "key disk /dev/sdc1".to_owned(), tried: 3, keyslots: 1 });
    let entry = entry("UUID=1", |_| {});
    let beside = |other| {
        let proof = proof(0, vec![(SourceName::KeyDisk, rejected()), (other, fits())]);
        about(Topic::Key(SourceName::KeyDisk), &entry, &proof).remove(0)
    };
    let (level, text) = beside(SourceName::KeyVault);
    assert_eq!(level, Level::Warning);
    assert!(text.ends_with("and each boot tries that first"), "{text}");
    assert!(!beside(SourceName::Token).1.contains("each boot"));
}

#[test]
fn a_volume_that_only_a_person_opens_is_no_failure_where_its_line_asks_for_one() {
    let asked = || vec![(SourceName::KeyDisk, missing())];
    let with_prompt = entry("UUID=1", |options| options.prompt = true);
    let prompt = about(Topic::Key(SourceName::Prompt), &with_prompt, &proof(0, asked()));
    assert_eq!(prompt[0].0, Level::Warning);
    let disk = about(Topic::Key(SourceName::KeyDisk), &with_prompt, &proof(0, asked()));
    assert_eq!(disk[0].0, Level::Warning);
}

#[test]
fn a_new_resource_disk_is_as_it_should_be() {
    let proof = Proof { content: Some(Ok(Content::NewResourceDisk)), ..proof(0, vec![]) };
    let found = about(Topic::Header, &entry("UUID=1", |_| {}), &proof);
    assert_eq!(found[0].0, Level::Good);
    assert!(proof.content.unwrap().unwrap().format().is_none());
}

#[test]
fn the_first_bad_finding_decides_and_the_worst_one_counts() {
    let good = || Finding::good(Topic::Line, "x");
    let warning = || Finding::warning(Topic::Fstab, "x", "y");
    let bad = || Finding::bad(Topic::Unit, "masked", "unmask it");
    let checked = |name: &str, findings| Checked { name: name.to_owned(), at_boot: true, findings };
    let report = |volumes| Report { machine: vec![good()], volumes };
    assert_eq!(report(vec![]).level(), Level::Good);
    let fine = report(vec![checked("a", vec![good(), warning()])]);
    assert_eq!((fine.level(), fine.failure()), (Level::Warning, None));
    let failed = Finding::failure(
        Topic::Device,
        Level::Bad,
        Kind::KeyRejected { place: "x".to_owned(), tried: 1, keyslots: 1 },
    );
    let spoilt = report(vec![checked("a", vec![good()]), checked("b", vec![failed, bad()])]);
    let error = spoilt.failure().unwrap();
    assert_eq!((error.kind.exit_status(), error.volume.unwrap().as_str()), (2, "b"));
    let error = report(vec![checked("/", vec![bad()])]).failure().unwrap();
    assert_eq!((error.kind.exit_status(), error.volume), (1, None));
    assert_eq!(error.kind.to_string(), "unit: masked");
    assert_eq!(crate::hint::for_kind(&error.kind), ["unmask it"]);
}

#[test]
fn of_sources_that_all_fail_the_one_decides_that_does_at_boot() {
    let key = |source, kind| Finding::failure(Topic::Key(source), Level::Bad, kind);
    let rejected = Kind::KeyRejected { place: "x".to_owned(), tried: 1, keyslots: 1 };
    let findings = vec![
        key(SourceName::KeyDisk, rejected),
        Finding::bad(Topic::Unit, "masked", "unmask it"),
        key(SourceName::KeyVault, Kind::KeyDiskMissing { waited: Duration::ZERO }),
    ];
    let volumes = vec![Checked { name: "a".to_owned(), at_boot: true, findings }];
    let error = Report { machine: vec![], volumes }.failure().unwrap();
    assert_eq!((error.kind.exit_status(), error.others.len()), (4, 1));
}

#[test]
fn what_an_image_says_moves_no_cursor() {
    let finding = Finding::bad(Topic::Image, "a line of \x1b[2J", "x\ny");
    assert!(!finding.text.contains('\x1b') && !finding.advice.unwrap().contains('\n'));
}

#[test]
fn a_disk_that_is_not_attached_is_missed_at_boot_only() {
    let device = DeviceSpec::Uuid("1".to_owned());
    let missing = Kind::VolumeMissing { device, waited: Duration::ZERO };
    let of = |kind: &Kind, at_boot, entry: &Entry| {
        let proof = Proof { device: Err(kind.clone()), ..proof(0, vec![]) };
        let looked =
            Looked { entry, at_boot, proof: &proof, answers: &[], unit: None, memory_kib: None };
        findings(&looked).into_iter().map(|finding| finding.level).max()
    };
    let (line, at_need) = (entry("UUID=1", |_| {}), entry("UUID=1", |o| o.noauto = true));
    assert_eq!(of(&missing, true, &line), Some(Level::Bad));
    assert_eq!(of(&missing, false, &at_need), Some(Level::Warning));
    // A mount at boot needs it all the same.
    assert_eq!(of(&missing, true, &at_need), Some(Level::Bad));
    assert_eq!(of(&Kind::ContentUnrecognized, false, &at_need), Some(Level::Bad));
    // ADE's own boot needs it.
    let of_ade = Entry { origin: Origin::Crypttab, ..entry("UUID=1", |_| {}) };
    assert_eq!(of(&missing, false, &of_ade), Some(Level::Bad));
}

#[test]
fn what_a_boot_opens_is_told_from_what_is_opened_at_need() {
    let is = |entry: &Entry, text: &str| is_opened_at_boot(entry, &fstab::parse(text));
    let mount = "/dev/mapper/data1 /srv ext4 nofail\n";
    assert!(is(&entry("UUID=1", |_| {}), ""));
    assert!(!is(&entry("UUID=1", |options| options.noauto = true), ""));
    assert!(is(&entry("UUID=1", |options| options.noauto = true), mount));
    let in_image = |options: &mut Options| (options.noauto, options.initrd) = (true, true);
    assert!(is(&entry("UUID=1", in_image), ""));
    let of_ade =
        |change: fn(&mut Options)| Entry { origin: Origin::Crypttab, ..entry("UUID=1", change) };
    assert!(!is(&of_ade(|_| {}), mount));
    assert!(is(&of_ade(|options| options.initrd = true), ""));
}
