use super::check;

#[test]
fn ade_parameters_are_osencrypt() {
    let whole = "+ osencrypt PARTUUID={P} LinuxPassPhraseFileName \
                 discard,x-initrd.attach,header=/luks/osluksheader:UUID={B}";
    let image = "+ osencrypt PARTUUID={P} LinuxPassPhraseFileName \
                 discard,x-initrd.attach,header=/boot/luks/osluksheader";
    let mbr = &whole.replace("{P}", "0c0a6a60-02");
    check(
        "",
        &[
            ("rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid={B} rd.debug", &[whole]),
            ("rd_LUKS_PARTUUID={P} rd_LUKS_BOOTUUID={B}", &[whole]),
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid={B}",
                &[whole],
            ),
            ("rd.luks.ade.partuuid={P} rd_LUKS_PARTUUID={P} rd.luks.ade.bootuuid={B}", &[whole]),
            ("rd.luks.ade.partuuid=0c0a6a60-02 rd.luks.ade.bootuuid={B}", &[mbr]),
            ("rd.luks.ade.partuuid={P}", &[image]),
            ("rd.luks.ade.partuuid={P} rd.ade=1", &[image]),
            ("rd.luks.ade.partuuid={P} rd.ade=0", &[]),
            ("rd.luks.ade.partuuid={P} rd_NO_ADE", &[]),
            ("rd.luks.ade.partuuid= rd.ade=no", &[]),
            ("rd.luks.ade.partuuid={P} rd.bek=0", &[image, "off"]),
            (
                "rd.luks.ade.partuuid={P} rd.ade=maybe",
                &[image, "59: rd.ade=maybe: rd.ade is 0 or 1, not \"maybe\""],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.bek.key=osencrypt=- rd.bek.options=osencrypt=timeout=5min",
                &["+ osencrypt PARTUUID={P} - \
             discard,x-initrd.attach,header=/boot/luks/osluksheader,timeout=300s"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.bek.device=osencrypt=/dev/sda2",
                &["+ osencrypt /dev/sda2 LinuxPassPhraseFileName \
             discard,x-initrd.attach,header=/boot/luks/osluksheader"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.bek.device=data1=/dev/sdc",
                &[image, "+ data1 /dev/sdc - x-initrd.attach"],
            ),
        ],
    );
}

#[test]
fn what_ades_script_matched_with_everything_matches_nothing() {
    let refused = "refused osencrypt";
    check(
        "",
        &[
            (
                "rd.luks.ade.partuuid=",
                &[refused, "1: rd.luks.ade.partuuid=: rd.luks.ade.partuuid= has no value"],
            ),
            (
                "rd.luks.ade.partuuid",
                &[refused, "1: rd.luks.ade.partuuid: rd.luks.ade.partuuid= has no value"],
            ),
            (
                "rd.luks.ade.partuuid=\"\"",
                &[refused, "1: rd.luks.ade.partuuid=\"\": rd.luks.ade.partuuid= has no value"],
            ),
            (
                "rd_LUKS_PARTUUID=",
                &[refused, "1: rd_LUKS_PARTUUID=: rd_LUKS_PARTUUID= has no value"],
            ),
            (
                "rd.luks.ade.partuuid=* rd.luks.ade.bootuuid={B}",
                &[refused, "22: *: not the UUID of a partition"],
            ),
            ("rd.luks.ade.partuuid=8e9f", &[refused, "22: 8e9f: not the UUID of a partition"]),
            (
                "rd.luks.ade.partuuid=PARTUUID={P}",
                &[refused, "22: PARTUUID={P}: not the UUID of a partition"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid=",
                &[refused, "59: rd.luks.ade.bootuuid=: rd.luks.ade.bootuuid= has no value"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid=/dev/sda1",
                &[refused, "80: /dev/sda1: not the UUID of a file system"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.partuuid={B}",
                &[refused, "59: rd.luks.ade.partuuid={B}: column 22 says otherwise: {P}"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd_LUKS_PARTUUID={B}",
                &[refused, "59: rd_LUKS_PARTUUID={B}: column 22 says otherwise: {P}"],
            ),
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.partuuid=",
                &[refused, "59: rd.luks.ade.partuuid=: rd.luks.ade.partuuid= has no value"],
            ),
            (
                "rd.luks.ade.bootuuid={B}",
                &[refused, "22: {B}: osencrypt has no device here and no line in /etc/bektab"],
            ),
        ],
    );
}

#[test]
fn a_disk_that_has_another_name_now_is_opened_once() {
    let lines = ["  root PARTUUID={P} - -", "  root /dev/disk/by-partuuid/{P} - -"];
    for line in lines {
        check(line, &[("rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid={B}", &[line])]);
    }
    check(
        "other PARTUUID={B} - -",
        &[(
            "rd.luks.ade.partuuid={P}",
            &[
                "+ osencrypt PARTUUID={P} LinuxPassPhraseFileName \
             discard,x-initrd.attach,header=/boot/luks/osluksheader",
                "  other PARTUUID={B} - -",
            ],
        )],
    );
    let both = "osencrypt PARTUUID={P} - -\nroot PARTUUID={P} - -";
    check(
        both,
        &[(
            "rd.luks.ade.partuuid={P}",
            &["+ osencrypt PARTUUID={P} - x-initrd.attach", "  root PARTUUID={P} - -"],
        )],
    );
}

#[test]
fn slips_in_its_words_are_named() {
    check(
        "",
        &[
            (
                "rd.luks.ade.partuid={P}",
                &["1: rd.luks.ade.partuid: unknown parameter \"rd.luks.ade.partuid\" \
             (rd.luks.ade.partuuid?)"],
            ),
            (
                "rd.luks.ade.header=/x",
                &["1: rd.luks.ade.header: unknown parameter \"rd.luks.ade.header\""],
            ),
            ("rd.luks.ade.partuid={P} rd.ade=0", &[]),
            ("rd.luks.uuid={P}", &[]),
        ],
    );
}

#[test]
fn ade_parameters_replace_what_they_name_in_bektab_and_no_more() {
    let bektab = "osencrypt UUID=5f1e - header=/h,vault=https://v.vault.azure.net\n";
    let options = "x-initrd.attach,header=/luks/osluksheader:UUID={B},\
                   vault=https://v.vault.azure.net";
    check(
        bektab,
        &[
            (
                "rd.luks.ade.partuuid={P} rd.luks.ade.bootuuid={B}",
                &[&format!("+ osencrypt PARTUUID={{P}} - {options}")],
            ),
            ("rd.luks.ade.bootuuid={B}", &[&format!("+ osencrypt UUID=5f1e - {options}")]),
            (
                "rd.luks.ade.partuuid={P}",
                &[
                    "+ osencrypt PARTUUID={P} - x-initrd.attach,header=/h,vault=https://v.vault.azure.net",
                ],
            ),
            (
                "rd.luks.ade.partuuid= rd.luks.ade.bootuuid={B}",
                &[
                    "! osencrypt UUID=5f1e - header=/h,vault=https://v.vault.azure.net",
                    "refused osencrypt",
                    "1: rd.luks.ade.partuuid=: rd.luks.ade.partuuid= has no value",
                ],
            ),
            (
                "rd.luks.ade.partuuid={P} rd_NO_ADE",
                &["  osencrypt UUID=5f1e - header=/h,vault=https://v.vault.azure.net"],
            ),
        ],
    );
}
