//! The kernel modules of an image: dm-crypt, the key disk's file system, ciphers, drivers.
//!
//! Names are the kernel's, or aliases that modprobe(8) resolves. Required is what no volume opens
//! without; everything that depends on the machine, or is built into many kernels, is taken where
//! it is. An image that was built on one VM size must open the volume on another: Azure moves disks
//! from SCSI to NVMe and network cards from one driver to the next, so drivers do not follow the
//! machine that builds.

use super::host::{Host, ModuleState};
use super::{Plan, Warning};
use crate::header::identity::Needs;

/// Whatever the volumes are.
pub(super) fn always(plan: &mut Plan) {
    require(plan, &["dm_crypt", "dm_mod"]);
    maybe(plan, STORAGE);
}

/// To read the key disk.
pub(super) fn key_disk(plan: &mut Plan) {
    require(plan, &["vfat"]);
    maybe(plan, &["fat", "nls_ascii", "nls_cp437", "nls_iso8859-1", "nls_utf8"]);
}

/// To reach IMDS and Key Vault.
pub(super) fn network(plan: &mut Plan) {
    maybe(plan, NETWORK);
}

/// To mount the file system that holds a header; every likely one when its kind is not known.
pub(super) fn file_system(plan: &mut Plan, kind: Option<&str>) {
    match kind {
        Some("vfat") => key_disk(plan),
        Some("ext2" | "ext3" | "ext4") => maybe(plan, &["ext4", "crc32c_generic", "crc32c_intel"]),
        Some(kind @ ("btrfs" | "xfs")) => maybe(plan, &[kind, "crc32c_generic", "crc32c_intel"]),
        Some(kind) => maybe(plan, &[kind]),
        None => maybe(plan, &["btrfs", "crc32c_generic", "crc32c_intel", "ext4", "xfs"]),
    }
}

/// The ciphers of a header; those cryptsetup makes headers with when it cannot be read.
pub(super) fn ciphers(plan: &mut Plan, needs: Option<&Needs>) {
    // libcryptsetup reads keyslots with the kernel's ciphers, through AF_ALG or a mapping.
    maybe(plan, &["af_alg", "algif_skcipher"]);
    let Some(needs) = needs else {
        maybe(plan, &["ecb", "xts", "cbc", "essiv", "crypto-aes", "crypto-sha256"]);
        return;
    };
    for word in needs.ciphers.iter().flat_map(|cipher| cipher.split(|c: char| !is_name(c))) {
        for (known, required, optional) in CIPHERS {
            if *known == word {
                require(plan, required);
                maybe(plan, optional);
            }
        }
    }
    if !needs.integrity.is_empty() {
        require(plan, &["dm_integrity"]);
        maybe(plan, &["authenc", "hmac", "crypto-sha256", "crypto-poly1305", "aead", "gcm", "ccm"]);
    }
}

/// Warns of what the kernel lacks, or may not load.
pub(super) fn check(plan: &mut Plan, host: &dyn Host) {
    for name in plan.modules.clone() {
        let (closed, consequence) = match name.as_str() {
            "vfat" => (false, "the key disk is read without it, which takes longer"),
            _ => (true, "no volume opens without it"),
        };
        let text = match host.module(&name) {
            ModuleState::Available | ModuleState::Unknown => continue,
            ModuleState::Blocked(file) => format!(
                "{} keeps {name} from being loaded; {consequence}; allow it, then: {{rebuild}}",
                file.display()
            ),
            ModuleState::Missing => format!(
                "the kernel has no {name}; {consequence}; install the kernel's modules, then: \
                 {{rebuild}}"
            ),
        };
        plan.warnings.push(Warning { text, closed });
    }
}

/// Word of a cipher specification, what it requires, what it takes where it is.
const CIPHERS: &[(&str, &[&str], &[&str])] = &[
    ("adiantum", &["adiantum"], &["crypto-nhpoly1305", "crypto-xchacha12", "crypto-xchacha20"]),
    ("aes", &["crypto-aes"], &["aes_generic", "aesni_intel", "aes_ce_blk", "aes_neon_blk"]),
    ("camellia", &["crypto-camellia"], &["camellia_generic"]),
    ("cbc", &["cbc"], &[]),
    ("ctr", &["ctr"], &[]),
    ("eboiv", &["ecb"], &[]),
    ("ecb", &["ecb"], &[]),
    ("essiv", &["essiv"], &["authenc"]),
    ("lrw", &["lrw"], &["gf128mul"]),
    ("serpent", &["crypto-serpent"], &["serpent_generic"]),
    ("sha1", &["crypto-sha1"], &[]),
    ("sha256", &["crypto-sha256"], &[]),
    ("sha512", &["crypto-sha512"], &[]),
    ("sm4", &["crypto-sm4"], &[]),
    ("twofish", &["crypto-twofish"], &["twofish_generic"]),
    ("xchacha12", &["crypto-xchacha12"], &["crypto-chacha20"]),
    ("xchacha20", &["crypto-xchacha20"], &["crypto-chacha20"]),
    ("xts", &["xts"], &["ecb"]),
];

/// Where Azure has disks, and where one is looked at elsewhere: Hyper-V, NVMe, virtio, IDE.
const STORAGE: &[&str] = &[
    "ahci",
    "ata_generic",
    "ata_piix",
    "hv_storvsc",
    "hv_vmbus",
    "nvme",
    "pci_hyperv",
    "sd_mod",
    "virtio_blk",
    "virtio_pci",
    "virtio_scsi",
];

/// Azure's cards with and without accelerated networking, and virtio.
const NETWORK: &[&str] = &[
    "hv_netvsc",
    "hv_vmbus",
    "mana",
    "mlx4_core",
    "mlx4_en",
    "mlx5_core",
    "pci_hyperv",
    "virtio_net",
    "virtio_pci",
];

fn require(plan: &mut Plan, names: &[&str]) {
    for name in names {
        plan.modules_maybe.remove(*name);
        plan.modules.insert((*name).to_owned());
    }
}

fn maybe(plan: &mut Plan, names: &[&str]) {
    let new = names.iter().filter(|name| !plan.modules.contains(**name));
    plan.modules_maybe.extend(new.map(|name| (*name).to_owned()).collect::<Vec<_>>());
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
