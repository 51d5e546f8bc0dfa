//! What `--help` prints.

/// `--help`. Kept within 79 columns; the manual says more.
pub const HELP: &str = "\
Usage: bek-unlock COMMAND [OPTIONS]

Opens dm-crypt volumes of Azure VMs, with the key from the key disk or from Key
Vault.

Commands:
  adopt [--dry-run]
                   take over the lines of Azure Disk Encryption's crypttab into
                   /etc/bektab; with --dry-run show what would be done
  attach NAME [DEVICE [KEY [OPTIONS]]]
                   open a volume: the line NAME of /etc/bektab, or the fields
                   given here
  check [NAME...] [--initrd IMAGE] [--timeout TIME]
                   whether the next boot opens the volumes; opens nothing
  decode           the key in an answer of unwrapKey: standard input to
                   standard output; asks nobody
  detach NAME      close it
  enroll DEVICE --kek URL [OPTIONS]
                   give a volume, or a new one, a key of its own, wrapped by
                   the KEK; see bek-unlock-enroll(8)
  initramfs plan [--tool TOOL] [--root DIR] [--kernel RELEASE]
      [--crypttab FILE]
                   what an image needs to open the root disk, for the TOOL that
                   builds it: dracut or initramfs-tools; FILE is the crypttab
                   inside the image
  initramfs names|network
                   what an image's scripts attach, and whether it can need Key
                   Vault
  key-service NAME answer systemd-cryptsetup's questions for the key of a line
                   of crypttab; started by bek-unlock-key@NAME.socket
  keyscript        write the key of the volume in CRYPTTAB_* to a pipe, for
                   cryptsetup-initramfs
  network          talk to the network for other runs, without rights; started
                   by them and by bek-unlock-network.socket
  recover DEVICE [OPTIONS]
                   open a disk of another machine, or an image of one, with
                   the first key that fits
  rotate NAME|--all [OPTIONS]
                   give volumes new keys where the old ones are
  secrets --vault URL [OPTIONS]
                   the disk secrets of a vault by their tags; no values
  status [--last-boot] [NAME...]
                   what is open, from which key source, since when; with
                   --last-boot, what this boot's time went into
  token show|assign|import|remove DEVICE [OPTIONS]
                   the wrapped keys in a LUKS2 header: which there are, and
                   changing them
  token-key open [DEVICE]|validate|dump
                   answer the plugin that cryptsetup loads for LUKS2 tokens

Options:
  --json           print the result as JSON
  -v, --verbose    say more on standard error
  -h, --help       show this help
  --version        show the version

Options of check:
  --initrd IMAGE          this image instead of those in /boot
  --timeout TIME          how long each key source is waited for; else 15s

Options of secrets:
  --vault URL             the vault
  --machine-name NAME     only secrets of this machine
  --file NAME             only secrets of this key file

Options of enroll, and keys as for recover:
  --kek URL               the key-encryption key, with or without version
  --kek-algorithm NAME    RSA-OAEP, RSA-OAEP-256, RSA1_5 or A256KW
  --to-vault URL          put the wrapped key into a secret of this vault,
  --secret-name NAME      called so, with these tags:
  --machine-name NAME     MachineName
  --file NAME             DiskEncryptionKeyFileName
  --to-token              put it into a LUKS2 token
  --to-file FILE          put it into a file
  --name NAME             the volume's name
  --write                 write its line to /etc/bektab
  --header WHERE          its detached header
  --format                make a new volume; what is on the device is lost
  --yes                   and nobody has to be asked about that
  --timeout TIME          one deadline for everything; else 90s
  --dry-run               prove that it can be done, change nothing

Options of rotate:
  --all                   every volume of bektab that has a wrapped key
  --kek URL               another key-encryption key
  --kek-algorithm NAME    another algorithm
  --keep-kek              no newer version of the KEK
  --keep-passphrase       no new passphrase
  --dry-run               prove that it can be done, change nothing

Options of recover:
  --name NAME             the name to open it as
  --header WHERE          its detached header: FILE, DEVICE or PATH:DEVICE
  --read-write            not read-only
  --save-key FILE         put the key that fits into a file
  --dry-run               find the key and open nothing
  --timeout TIME          one deadline for everything; else 90s
  --kek URL               the key-encryption key, with its version
  --kek-algorithm NAME    RSA-OAEP, RSA-OAEP-256, RSA1_5 or A256KW
  --machine-name NAME     of the machine, for --vault

Keys of recover, tried in this order; FILE may be - for standard input:
  --key-file FILE         the key byte for byte
  --unwrapped FILE        an answer of unwrapKey, or what else decode takes
  --wrapped FILE          a wrapped key, or a secret that holds one
  --backup-json FILE      Azure Backup's file
  --key-disk DISK         a key disk, or an image of one
  --token                 the LUKS2 token in the header
  --secret URL            a secret in Key Vault
  --vault URL             the secrets there that fit by their tags
  --prompt                a passphrase, asked for on the terminal
Without any: attached key disks, then the token.

Options of token:
  --header WHERE          its detached header: FILE, DEVICE or PATH:DEVICE
  --token NUMBER          the token to assign or remove; else the only one
  --key-slot NUMBER       the keyslot that its key opens; else the only one

Options of enroll, recover, rotate and secrets, to sign in to Azure:
  --auth WAY              managed-identity, az, service-principal[:FILE],
                          workload-identity, device-code or token:FILE
  --identity ID           client-id:UUID, object-id:UUID or resource-id:/...
  --vault-suffix DNS      another suffix of vaults, of a private cloud
  --ca FILE               the authorities to trust instead of the system's

Exit status: 0 done or already open, 1 usage or configuration, 2 no key fits,
4 something named is missing or unusable, 5 name in use, 69 unreachable in
time, 76 an answer could not be trusted, 77 refused by Azure.

See bek-unlock(8), bektab(5), bek-unlock-messages(7).
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_fits_the_console() {
        assert!(HELP.lines().all(|line| line.len() <= 79 && line.is_ascii()));
    }
}
