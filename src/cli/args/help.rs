//! What `--help` prints.

/// `--help`. Kept within 79 columns; the manual says more.
pub const HELP: &str = "\
Usage: bek-unlock COMMAND [OPTIONS]

Opens dm-crypt volumes of Azure VMs, with the key from the key disk or from Key
Vault.

Commands:
  attach NAME [DEVICE [KEY [OPTIONS]]]
                   open a volume: the line NAME of /etc/bektab, or the fields
                   given here
  decode           the key in an answer of unwrapKey: standard input to
                   standard output; asks nobody
  detach NAME      close it
  initramfs plan [--tool TOOL] [--root DIR] [--kernel RELEASE]
      [--crypttab FILE]
                   what an image needs to open the root disk, for the TOOL that
                   builds it: dracut or initramfs-tools; FILE is the crypttab
                   inside the image
  initramfs names|network
                   what an image's scripts attach, and whether it can need Key
                   Vault
  keyscript        write the key of the volume in CRYPTTAB_* to a pipe, for
                   cryptsetup-initramfs
  status [NAME...] what is open, from which key source, since when

Options:
  --json           print the result as JSON
  -v, --verbose    say more on standard error
  -h, --help       show this help
  --version        show the version

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
