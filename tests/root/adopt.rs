//! ADE's lines moved to bektab by the real binary, opened from there, and put back as it says.

use std::fs;

use crate::world::{KEY, Luks, World, tool};

const CRYPTTAB: &str = "/etc/crypttab";
const BEKTAB: &str = "/etc/bektab";

#[test]
#[ignore = "needs root: make check-root"]
fn an_adopted_volume_opens_and_the_way_back_is_what_is_printed() {
    let world = World::new();
    world.key_disk(&[("LinuxPassPhraseFileName_1_0", KEY.as_bytes())]);
    let volume = world.luks("v", &Luks::default());
    let crypttab = format!(
        "# mine\nswap /dev/none /dev/urandom swap\ndata1 {} \
         /mnt/azure_bek_disk/LinuxPassPhraseFileName_1_0 luks,nofail",
        volume.device
    );
    fs::write(CRYPTTAB, &crypttab).unwrap();
    for file in [BEKTAB, CRYPTTAB] {
        world.undo(&["rm", "-f", file, &format!("{file}.before-bek-unlock")]);
    }

    let shown = world.run(&["adopt", "--dry-run"]);
    assert_eq!(shown.status, Some(0), "{shown:#?}");
    assert_eq!(fs::read_to_string(CRYPTTAB).unwrap(), crypttab);
    assert!(!fs::exists(BEKTAB).unwrap());

    let run = world.run(&["adopt"]).says("/etc/crypttab changed");
    let plan = shown.stdout.strip_suffix("nothing was changed: --dry-run\n").unwrap();
    assert!(plan.starts_with("/etc/crypttab:3: data1 moves to /etc/bektab\n"), "{plan}");
    assert!(run.stdout.starts_with(plan), "{run:#?}");
    assert_eq!(fs::read_to_string(CRYPTTAB).unwrap(), "# mine\nswap /dev/none /dev/urandom swap\n");
    world.run(&["attach", "data1"]).says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
    world.run(&["adopt"]).says("");

    // Without systemd there is nothing to reload.
    let (_, undo) = run.stdout.split_once("to undo it:\n").unwrap();
    let commands: Vec<&str> = undo.lines().filter(|line| !line.contains("systemctl")).collect();
    tool(&["sh", "-e", "-c", &commands.join("\n")], b"");
    assert_eq!(fs::read_to_string(CRYPTTAB).unwrap(), crypttab);
    assert!(!fs::exists(BEKTAB).unwrap());
    world.run(&["attach", "data1"]).says("data1 unlocked with the key disk");
    assert_eq!(world.read_and_close(), "hello from v\n");
}
