//! KDFs that do not fit into memory together.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::world::{KEY, Luks, World, tool};

/// Where control groups are mounted, by the case where nobody did.
const GROUPS: &str = "/sys/fs/cgroup";

const GROUP: &str = "/sys/fs/cgroup/bek-unlock-kdf";

/// Two KDFs of 64 MiB and what two runs have besides do not fit into it; one does.
const LIMIT: &str = "134217728";

/// Not even one fits.
const LOWER: &str = "33554432";

/// A control group with [`LIMIT`]; false where this kernel lets nobody make one.
#[expect(clippy::print_stdout, reason = "what was left out is to be seen")]
fn limited(world: &World) -> bool {
    if !Path::new(GROUPS).join("cgroup.controllers").exists() {
        tool(&["mount", "-t", "cgroup2", "none", GROUPS], b"");
        world.undo(&["umount", GROUPS]);
    }
    let made = fs::write(Path::new(GROUPS).join("cgroup.subtree_control"), "+memory")
        .and_then(|()| fs::create_dir(GROUP))
        .and_then(|()| fs::write(Path::new(GROUP).join("memory.max"), LIMIT));
    match &made {
        Ok(()) => world.undo(&["rmdir", GROUP]),
        Err(error) => println!("left out: no control group with a limit: {error}"),
    }
    made.is_ok()
}

fn start(name: &str, device: &str, key: &str) -> Child {
    let script = format!("echo $$ >{GROUP}/cgroup.procs && exec \"$0\" \"$@\"");
    Command::new("/bin/sh")
        .args(["-c", &script, env!("CARGO_BIN_EXE_bek-unlock"), "attach"])
        .args([name, device, key, "timeout=120"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "needs root: make check-root"]
fn volumes_whose_kdfs_do_not_fit_together_all_open_one_after_the_other() {
    let world = World::new();
    if !limited(&world) {
        return;
    }
    let arguments =
        ["--pbkdf", "argon2id", "--pbkdf-memory", "65536", "--pbkdf-force-iterations", "4"];
    let luks = Luks { filesystem: false, arguments: &arguments, ..Luks::default() };
    let key = world.file("key", KEY.as_bytes());
    let names = ["data1", "data2"];
    let devices = names.map(|name| world.luks(name, &luks).device);
    let runs: Vec<Child> =
        names.iter().zip(&devices).map(|(name, device)| start(name, device, &key)).collect();
    let mut words = String::new();
    for run in runs {
        let output = run.wait_with_output().unwrap();
        words.push_str(&String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(0), "{words}");
    }
    // Both would have been killed, or one of them, had they run together.
    let events = fs::read_to_string(Path::new(GROUP).join("memory.events")).unwrap();
    assert!(events.contains("\noom_kill 0\n"), "{events}");
    assert!(words.contains("waiting for memory: the keyslot's KDF needs 64 MiB"), "{words}");
    for name in names {
        tool(&["cryptsetup", "close", name], b"");
    }
    assert_eq!(fs::read_dir("/run/bek-unlock/kdf").unwrap().count(), 1, "only the lock is left");
    // What it may never have is not waited for.
    fs::write(Path::new(GROUP).join("memory.max"), LOWER).unwrap();
    let output = start("data1", &devices[0], &key).wait_with_output().unwrap();
    let words = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{words}");
    assert!(words.contains("its control group\nbek-unlock:        may have 32 MiB"), "{words}");
    assert!(words.contains("raise MemoryMax= of its unit"), "{words}");
    world.nothing_is_left();
}
