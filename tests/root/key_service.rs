//! The key for systemd-cryptsetup: over a socket as systemd passes it, tested against a real header,
//! or an empty answer.

use std::fs;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::unistd::{Uid, seteuid};

use crate::azure::{contoso, secret};
use crate::world::{KEY, Luks, Run, Volume, World};

/// Where systemd-cryptsetup looks, and so the socket unit listens.
const DIRECTORY: &str = "/run/cryptsetup-keys.d";

/// Debian's, in the package systemd or systemd-cryptsetup.
const SYSTEMD_CRYPTSETUP: &str = "/usr/lib/systemd/systemd-cryptsetup";

/// The socket unit of `data1`.
struct Socket {
    path: PathBuf,
    listener: UnixListener,
}

impl Socket {
    fn new(world: &World) -> Self {
        fs::create_dir_all(DIRECTORY).unwrap();
        world.undo(&["rm", "-r", DIRECTORY]);
        let path = Path::new(DIRECTORY).join("data1.key");
        Self { listener: UnixListener::bind(&path).unwrap(), path }
    }

    /// Waits until somebody asks, as systemd does.
    fn wait(&self) {
        let mut fds = [PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::from(30_000_u16)), Ok(1), "nobody asked");
    }

    /// Starts the service with this socket (sd_listen_fds(3)) and waits for its end.
    fn serve(&self) -> Run {
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; \
                      exec \"$0\" key-service -- data1";
        let output = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_bek-unlock")])
            .stdin(OwnedFd::from(self.listener.try_clone().unwrap()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .and_then(Child::wait_with_output)
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        assert!(stdout.is_empty() && !stderr.contains(&KEY[..40]), "the key was printed");
        Run { status: output.status.code(), stdout, stderr }
    }

    /// Asks as systemd-cryptsetup does: an abstract name, and not a byte.
    fn ask(&self, tag: &str, volume: &str) -> UnixStream {
        let kind = SockType::Stream;
        let fd = socket(AddressFamily::Unix, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
        // Unique as long as the socket is: abstract names are the whole machine's.
        let random = format!("{:x}", 0xb00 + fd.as_raw_fd());
        let name = UnixAddr::new_abstract(format!("{random}/{tag}/{volume}").as_bytes()).unwrap();
        bind(fd.as_raw_fd(), &name).unwrap();
        connect(fd.as_raw_fd(), &UnixAddr::new(&self.path).unwrap()).unwrap();
        UnixStream::from(fd)
    }
}

fn answer(mut stream: UnixStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

/// A line of crypttab with words of systemd's that we do not know.
fn crypttab(world: &World, volume: &Volume) {
    let header = match volume.header.as_str() {
        "" => String::new(),
        path => format!(",header={path}"),
    };
    let line = format!("data1 {} none luks,tries=1,token-timeout=5{header}\n", volume.device);
    fs::write("/etc/crypttab", line).unwrap();
    world.undo(&["rm", "-f", "/etc/crypttab"]);
}

fn bare(world: &World) -> Volume {
    world.luks("v", &Luks { filesystem: false, ..Luks::default() })
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_line_of_crypttab_is_enough_and_nothing_is_mapped() {
    let world = World::new();
    world.key_disk(&[
        ("LinuxPassPhraseFileName", b"the key of another disk"),
        ("LinuxPassPhraseFileName_1_0", KEY.as_bytes()),
    ]);
    let socket = Socket::new(&world);
    for (kind, detached) in [("luks1", false), ("luks2", false), ("luks2", true)] {
        let name = format!("{kind}{detached}");
        let volume =
            world.luks(&name, &Luks { kind, detached, filesystem: false, ..Luks::default() });
        crypttab(&world, &volume);
        let asker = socket.ask("cryptsetup", "data1");
        socket.serve().says("data1: key from the key disk handed over");
        assert_eq!(answer(asker), KEY);
        world.nothing_is_left();
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn systemd_cryptsetup_opens_the_volume_with_it() {
    let world = World::new();
    let Some(mut attach) = systemd_cryptsetup() else { return };
    let volume = world.luks("v", &Luks::default());
    let key = world.file("key", KEY.as_bytes());
    world.bektab(&format!("data1 {} {key} key-only,timeout=20\n", volume.device));
    let socket = Socket::new(&world);
    let child = attach.args(["attach", "data1", &volume.device, "none", "luks,headless=1"]);
    let child = child.spawn().unwrap();
    socket.wait();
    socket.serve().says("data1: key from a key file handed over");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(world.read_and_close(), "hello from v\n");
}

#[test]
#[ignore = "needs root: make check-root"]
fn an_empty_answer_takes_systemd_cryptsetup_to_its_prompt() {
    let world = World::new();
    let Some(mut attach) = systemd_cryptsetup() else { return };
    let volume = bare(&world);
    let key = world.file("key", b"wrong");
    world.bektab(&format!("data1 {} {key} key-only,timeout=20\n", volume.device));
    let socket = Socket::new(&world);
    let child = attach.args(["attach", "data1", &volume.device, "none", "luks,headless=1"]);
    let child = child.spawn().unwrap();
    socket.wait();
    socket.serve();
    let output = child.wait_with_output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    // What it says instead of asking, where nobody may be asked.
    assert!(!output.status.success() && stderr.contains("headless"), "{stderr}");
    world.nothing_is_left();
}

/// `None`, and said, where there is none: Debian 13 has it in a package of its own.
#[expect(clippy::print_stdout, reason = "said, not hidden")]
fn systemd_cryptsetup() -> Option<Command> {
    if !Path::new(SYSTEMD_CRYPTSETUP).exists() {
        println!("no {SYSTEMD_CRYPTSETUP} here: not run");
        return None;
    }
    let mut command = Command::new(SYSTEMD_CRYPTSETUP);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Some(command)
}

#[test]
#[ignore = "needs root: make check-root"]
fn everybody_who_waits_is_answered_in_one_run() {
    let world = World::new();
    let volume = bare(&world);
    let key = world.file("key", format!("{KEY}\n").as_bytes());
    world.bektab(&format!("data1 {} {key} key-only,timeout=20\n", volume.device));
    let socket = Socket::new(&world);
    let asks = [
        ("cryptsetup", "data1", KEY),
        ("cryptsetup-tpm2", "data1", ""),
        ("cryptsetup", "data2", ""),
        ("cryptsetup", "data1/x", ""),
        ("cryptsetup", "data1", KEY),
    ];
    let waiting: Vec<UnixStream> =
        asks.iter().map(|(tag, volume, _)| socket.ask(tag, volume)).collect();
    let run = socket.serve().says("systemd-cryptsetup asked for what its TPM2 needs");
    run.says("/cryptsetup/data2\" asked for a key and got none")
        .says("/cryptsetup/data1/x\" asked for a key and got none");
    for (stream, (_, _, expected)) in waiting.into_iter().zip(asks) {
        assert_eq!(answer(stream), expected);
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn another_user_gets_nothing() {
    let world = World::new();
    let volume = bare(&world);
    let key = world.file("key", KEY.as_bytes());
    world.bektab(&format!("data1 {} {key} key-only\n", volume.device));
    let socket = Socket::new(&world);
    // Opened up: what the unit's modes keep out is not what is tested here.
    for (path, mode) in [(Path::new(DIRECTORY), 0o755), (socket.path.as_path(), 0o666)] {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }
    seteuid(Uid::from_raw(65534)).unwrap();
    let stranger = socket.ask("cryptsetup", "data1");
    seteuid(Uid::from_raw(0)).unwrap();
    socket.serve().says("user 65534 asked for a key and got none");
    assert_eq!(answer(stranger), "");
}

#[test]
#[ignore = "needs root: make check-root"]
fn without_a_key_the_answer_is_empty_and_the_error_is_said() {
    let world = World::new();
    let volume = bare(&world);
    let socket = Socket::new(&world);
    let wrong = world.file("key", b"wrong");
    for (line, words) in [
        (format!("data1 {} - key-only,timeout=1", volume.device), "no key disk"),
        (format!("data1 {} {wrong} key-only", volume.device), "does not fit"),
        (format!("data1 {} - nofial", volume.device), "unknown option"),
        ("data1 /dev/none - key-only,timeout=1".to_owned(), "/dev/none"),
        ("data2 /dev/none".to_owned(), "no line for data1"),
    ] {
        world.bektab(&format!("{line}\n"));
        let asker = socket.ask("cryptsetup", "data1");
        let run = socket.serve();
        assert_eq!(answer(asker), "");
        // Answered is done; that it was in vain is an error of the volume's.
        assert_eq!(run.status, Some(0), "{run:#?}");
        assert!(run.stderr.contains("error: cannot unlock data1"), "{run:#?}");
        assert!(run.stderr.contains(words), "{words}: {run:#?}");
    }
}

#[test]
#[ignore = "needs root: make check-root"]
fn a_key_from_key_vault_for_a_line_that_stays_in_crypttab() {
    let world = World::with_azure(contoso());
    let volume = bare(&world);
    crypttab(&world, &volume);
    let line = format!(
        "data1 {} {} key-only,timeout=20,{}\n",
        volume.device,
        secret("wrapped"),
        world.ca()
    );
    world.bektab(&line);
    let socket = Socket::new(&world);
    let asker = socket.ask("cryptsetup", "data1");
    socket.serve().says("data1: key from Key Vault handed over");
    assert_eq!(answer(asker), KEY);
    assert_eq!(world.requests().len(), 3);
}

#[test]
#[ignore = "needs root: make check-root"]
fn only_systemd_starts_it() {
    let world = World::new();
    world.run(&["key-service", "data1"]).refuses(1, &["is started by bek-unlock-key@.socket"]);
    world.run(&["key-service"]).refuses(1, &["key-service takes one NAME"]);
}
