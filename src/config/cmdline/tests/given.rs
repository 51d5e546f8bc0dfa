use super::check;

#[test]
fn fields_make_a_volume() {
    check(
        "",
        &[
            ("", &[]),
            ("BOOT_IMAGE=/vmlinuz root=/dev/mapper/root ro quiet rd.luks.uuid=5f1e", &[]),
            ("rd.bek.device=data1=/dev/sdc", &["+ data1 /dev/sdc - x-initrd.attach"]),
            ("rd.bek.device=data1=UUID={P}", &["+ data1 UUID={P} - x-initrd.attach"]),
            ("rd.bek.device=data1=PARTUUID={P}", &["+ data1 PARTUUID={P} - x-initrd.attach"]),
            (
                "rd.bek.device=data1=PARTUUID=0c0a6a60-02",
                &["+ data1 PARTUUID=0c0a6a60-02 - x-initrd.attach"],
            ),
            (
                "rd.bek.device=data1=LABEL=my\\040disk",
                &["+ data1 LABEL=my\\040disk - x-initrd.attach"],
            ),
            ("rd.bek.device=d\\075a=/dev/sdc", &["+ d=a /dev/sdc - x-initrd.attach"]),
            (
                "rd.bek.key=data1=- rd.bek.device=data1=/dev/sdc rd.bek.options=data1=-",
                &["+ data1 /dev/sdc - x-initrd.attach"],
            ),
            (
                "rd.bek.device=data1=/dev/sdc rd.bek.key=data1=LinuxPassPhraseFileName_1_0",
                &["+ data1 /dev/sdc LinuxPassPhraseFileName_1_0 x-initrd.attach"],
            ),
            (
                "rd.bek.device=b=/dev/sdc rd.bek.key=b=https://v.vault.azure.net/secrets/s \
             rd.bek.device=a=/dev/sdd rd.bek.options=a=nofail,vault=https://v.vault.azure.net",
                &[
                    "+ b /dev/sdc https://v.vault.azure.net/secrets/s x-initrd.attach",
                    "+ a /dev/sdd - nofail,x-initrd.attach,vault=https://v.vault.azure.net",
                ],
            ),
        ],
    );
}

#[test]
fn the_command_line_goes_before_the_image() {
    let bektab = "root PARTUUID={P} - header=/luks/h:UUID={B},vault=https://v.vault.azure.net\n\
                  data1 /dev/sdc k nofail,timeout=30s,vault-suffix=a.b\n";
    let root = "  root PARTUUID={P} - header=/luks/h:UUID={B},vault=https://v.vault.azure.net";
    let data = "  data1 /dev/sdc k nofail,timeout=30s,vault-suffix=a.b";
    check(
        bektab,
        &[
            ("quiet", &[root, data]),
            (
                "rd.bek.device=data1=/dev/sdd",
                &["+ data1 /dev/sdd k nofail,timeout=30s,vault-suffix=a.b", root],
            ),
            (
                "rd.bek.key=data1=none",
                &["+ data1 /dev/sdc - nofail,timeout=30s,vault-suffix=a.b", root],
            ),
            (
                "rd.bek.options=data1=nofail,timeout=2min,vault-suffix=c.d,prompt",
                &[
                    "+ data1 /dev/sdc k nofail,prompt,timeout=120s,vault-suffix=a.b,vault-suffix=c.d",
                    root,
                ],
            ),
            (
                "rd.bek.options=root=header=/new:UUID=1A2B-3C4D",
                &[
                    "+ root PARTUUID={P} - header=/new:UUID=1A2B-3C4D,vault=https://v.vault.azure.net",
                    data,
                ],
            ),
            // The secret is named now: where to look for it has no meaning any more.
            (
                "rd.bek.key=root=https://v.vault.azure.net/secrets/s",
                &[
                    "+ root PARTUUID={P} https://v.vault.azure.net/secrets/s header=/luks/h:UUID={B}",
                    data,
                ],
            ),
            (
                "rd.bek.key=root=https://v.vault.azure.net/secrets/s \
             rd.bek.options=root=vault=https://w.vault.azure.net",
                &[
                    &root.replacen(' ', "!", 1),
                    data,
                    "refused root",
                    "73: vault=https://w.vault.azure.net: vault= is for finding a secret; the key names it",
                ],
            ),
        ],
    );
}

#[test]
fn what_cannot_be_obeyed_refuses_its_volume_and_no_other() {
    let bektab = "data1 /dev/sdc - -\nother /dev/sdd - -\n";
    let (bad, other) = ("! data1 /dev/sdc - -", "  other /dev/sdd - -");
    let good = "  data1 /dev/sdc - -";
    let refused = "refused data1";
    check(
        bektab,
        &[
            ("rd.bek.device=data1=", &[bad, other, refused, "15: data1=: the device is missing"]),
            (
                "rd.bek.device=data1=\"\"",
                &[bad, other, refused, "15: data1=\"\": the device is missing"],
            ),
            ("rd.bek.device=data1", &[bad, other, refused, "15: data1: NAME=DEVICE is needed"]),
            (
                "rd.bek.key=data1=",
                &[bad, other, refused, "12: data1=: the key is missing; write - for none"],
            ),
            (
                "rd.bek.options=data1=",
                &[bad, other, refused, "16: data1=: the options are missing; write - for none"],
            ),
            ("rd.bek.device=data1=UUID=", &[bad, other, refused, "21: UUID=: UUID= has no value"]),
            ("rd.bek.device=data1=UUID=5f1e", &[bad, other, refused, "21: UUID=5f1e: not a UUID"]),
            (
                "rd.bek.device=data1=PARTUUID=*",
                &[bad, other, refused, "21: PARTUUID=*: not the UUID of a partition"],
            ),
            (
                "rd.bek.device=data1=PARTUID={P}",
                &[bad, other, refused, "21: PARTUID: unknown tag \"PARTUID\" (PARTUUID=?)"],
            ),
            (
                "rd.bek.device=data1=sdc",
                &[
                    bad,
                    other,
                    refused,
                    "21: sdc: a device is an absolute path or a tag such as UUID=",
                ],
            ),
            (
                "rd.bek.key=data1=nofail",
                &[bad, other, refused, "18: nofail: these are options; a key is needed, or -"],
            ),
            (
                "rd.bek.key=data1=http://v.vault.azure.net/secrets/s",
                &[
                    bad,
                    other,
                    refused,
                    "18: http: \"http\" is not allowed, https is needed (https?)",
                ],
            ),
            (
                "rd.bek.options=data1=nofial",
                &[bad, other, refused, "22: nofial: unknown option \"nofial\" (nofail?)"],
            ),
            (
                "rd.bek.options=data1=nofail,",
                &[bad, other, refused, "29: : an option is missing beside this comma"],
            ),
            (
                "rd.bek.options=data1=header=/h:UUID=5f1e",
                &[bad, other, refused, "22: header=/h:UUID=5f1e: not a UUID"],
            ),
            (
                "rd.bek.options=data1=nofail\u{fffd}",
                &[bad, other, refused, "28: \u{fffd}: not UTF-8 text"],
            ),
            (
                "rd.bek.device=data1=/dev/sde rd.bek.device=data1=/dev/sdf",
                &[
                    bad,
                    other,
                    refused,
                    "30: rd.bek.device=data1=/dev/sdf: column 21 says otherwise: /dev/sde",
                ],
            ),
            (
                "rd.bek.options=data1=nofail rd.bek.options=data1=discard",
                &[
                    bad,
                    other,
                    refused,
                    "29: rd.bek.options=data1=discard: column 22 says otherwise: nofail",
                ],
            ),
            // Each problem is named, and the first one is the answer.
            (
                "rd.bek.device=data1= rd.bek.key=data1=",
                &[
                    bad,
                    other,
                    refused,
                    "15: data1=: the device is missing",
                    "33: data1=: the key is missing; write - for none",
                ],
            ),
            // Nothing that names nobody refuses anybody.
            ("rd.bek.device=", &[good, other, "1: rd.bek.device=: NAME=DEVICE is needed"]),
            ("rd.bek.key", &[good, other, "1: rd.bek.key: NAME=KEY is needed"]),
            ("rd.bek.device=/dev/sdc", &[good, other, "15: /dev/sdc: NAME=DEVICE is needed"]),
            (
                "rd.bek.device==/dev/sdc",
                &[good, other, "15: =: a volume name must not be empty, \".\" or \"..\""],
            ),
            (
                "rd.bek.device=da/ta=/dev/sdc",
                &[good, other, "17: /: '/' is not allowed in a volume name"],
            ),
            // The same said twice is said once.
            ("rd.bek.key=data1=- rd.bek.key=data1=-", &["+ data1 /dev/sdc - -", other]),
        ],
    );
}

#[test]
fn a_volume_needs_a_device_from_somewhere() {
    check(
        "data1 /dev/sdc - -\nbroken /dev/sdd - nofial\n",
        &[
            (
                "rd.bek.key=data2=-",
                &[
                    "  data1 /dev/sdc - -",
                    "refused data2",
                    "1: rd.bek.key=data2=-: data2 has no device here and no line in /etc/bektab",
                    "/etc/bektab:2:19: unknown option \"nofial\"",
                ],
            ),
            (
                "rd.bek.options=data2=nofail rd.bek.device=data2=/dev/sde",
                &[
                    "+ data2 /dev/sde - nofail,x-initrd.attach",
                    "  data1 /dev/sdc - -",
                    "/etc/bektab:2:19: unknown option \"nofial\"",
                ],
            ),
            // Options are added to a line; to one that does not parse nothing can be.
            (
                "rd.bek.device=broken=/dev/sde",
                &["  data1 /dev/sdc - -", "/etc/bektab:2:19: unknown option \"nofial\""],
            ),
        ],
    );
}

#[test]
fn slips_in_our_words_are_named() {
    let line = "  data1 /dev/sdc - -";
    check(
        "data1 /dev/sdc - -",
        &[
            (
                "rd.bek.devcie=data1=/dev/sdd",
                &[line, "1: rd.bek.devcie: unknown parameter \"rd.bek.devcie\" (rd.bek.device?)"],
            ),
            (
                "rd.bek.option=data1=nofail",
                &[line, "1: rd.bek.option: unknown parameter \"rd.bek.option\" (rd.bek.options?)"],
            ),
            ("rd_bek_key=data1=-", &[line]),
            (
                "rd.bek_key=data1=-",
                &[line, "1: rd.bek_key: unknown parameter \"rd.bek_key\" (rd.bek.key?)"],
            ),
            (
                "RD.BEK.KEY=data1=-",
                &[line, "1: RD.BEK.KEY: unknown parameter \"RD.BEK.KEY\" (rd.bek.key?)"],
            ),
            (
                "rd.bek.header=data1=/h",
                &[
                    line,
                    "1: rd.bek.header: unknown parameter \"rd.bek.header\" \
             (rd.bek.options=NAME=header?)",
                ],
            ),
            ("rd.bek.", &[line, "1: rd.bek.: unknown parameter \"rd.bek.\""]),
            ("rd.beken=1 rd.bekdevice=x", &[line]),
        ],
    );
}
