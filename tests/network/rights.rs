//! What the process has given up: by its own account of it in /proc, and by trying.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use bek_unlock::edge::network::restrict::{USER, restrict};
use landlock::{AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};

use crate::eventually;

fn status(process: u32) -> String {
    fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default()
}

/// The words behind `name:` in that.
fn field(status: &str, name: &str) -> Vec<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
}

#[test]
#[ignore = "make check-root"]
fn the_process_for_the_network_has_no_rights_left() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let leaked = File::open("/etc/hosts").unwrap();
    let mut child = Command::new("sh")
        // A descriptor that some library left open across exec(3).
        .args(["-c", "exec \"$0\" network 7<&1 >/dev/null", env!("CARGO_BIN_EXE_bek-unlock")])
        .stdin(OwnedFd::from(theirs))
        .stdout(OwnedFd::from(leaked))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let process = child.id();
    // A container may have put filters around both.
    let filters =
        |process| -> usize { field(&status(process), "Seccomp_filters")[0].parse().unwrap() };
    let around = filters(std::process::id());
    eventually("the filters were not installed", || filters(process) == around + 2);
    let status = status(process);
    let user = USER.to_string();
    for ids in ["Uid", "Gid"] {
        assert_eq!(field(&status, ids), [&*user, &*user, &*user, &*user], "{status}");
    }
    assert_eq!(field(&status, "Groups"), [""; 0], "{status}");
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(field(&status, set), ["0000000000000000"], "{status}");
    }
    assert_eq!(field(&status, "NoNewPrivs"), ["1"], "{status}");
    assert_eq!(field(&status, "Seccomp"), ["2"], "{status}");

    // The authorities are open, the descriptor that came along is not.
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let open: Vec<_> = open.map(|entry| fs::read_link(entry.unwrap().path()).unwrap()).collect();
    assert!(!open.contains(&"/etc/hosts".into()), "{open:?}");
    for file in open.iter().filter(|path| path.is_absolute() && !path.starts_with("/dev")) {
        assert!(file.starts_with("/etc") || file.starts_with("/usr"), "{open:?}");
    }

    // It ends with the socket.
    drop(ours);
    assert!(child.wait().unwrap().success());
}

/// Nobody is left behind when the program is killed in the middle of a request.
#[test]
#[ignore = "make check-root"]
fn it_ends_with_the_program_that_started_it() {
    // Takes the request and says nothing.
    let silent = TcpListener::bind("169.254.169.254:80").unwrap();
    let mut program = Command::new(env!("CARGO_BIN_EXE_bek-unlock"))
        .args(["secrets", "--vault", "https://contoso-kv.vault.azure.net"])
        .args(["--auth", "managed-identity"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let (mut asked, _) = silent.accept().unwrap();
    let children = format!("/proc/{0}/task/{0}/children", program.id());
    let children = fs::read_to_string(children).unwrap();
    let child: u32 = children.trim().parse().unwrap();
    assert_eq!(field(&status(child), "Uid")[0], USER.to_string());
    program.kill().unwrap();
    program.wait().unwrap();
    eventually("the process for the network is still there", || {
        matches!(field(&status(child), "State").first().map(String::as_str), None | Some("Z" | "X"))
    });
    assert!(asked.read_to_end(&mut Vec::new()).is_ok());
}

/// This test's own program, which gives up what the real one does and tries what it may not.
const ATTEMPTS: &str = "rights::attempts";

#[test]
#[ignore = "make check-root"]
fn it_can_neither_read_the_disk_nor_a_secret_nor_write_anywhere() {
    let directory = tempfile::tempdir().unwrap();
    // Open to everybody but for the layers.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let disk = directory.path().join("disk.img");
    for (name, mode) in [("disk.img", 0o600), ("everybodys", 0o666), ("program", 0o777)] {
        fs::write(directory.path().join(name), "#!/bin/sh\n").unwrap();
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(directory.path().join(name), mode).unwrap();
    }
    let _listening = ["127.0.0.1:443", "127.0.0.1:22"].map(|to| TcpListener::bind(to).unwrap());
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", ATTEMPTS, "--nocapture", "--test-threads=1"])
        .env("ATTEMPTS_IN", directory.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let outcome = |what: &str| {
        let line = said.lines().find_map(|line| line.split_once(&format!("attempt {what}: ")));
        line.unwrap_or_else(|| panic!("{what} is missing in {said}")).1.to_owned()
    };
    for refused in [
        "read /etc/shadow",
        "read the disk",
        "read a device",
        "read the memory of the program",
        "write to a file of everybody's",
        "make a file",
        "make a file in /run",
        "make a file in /dev/shm",
        "remove a file",
        "run a program",
        "end the program",
        "listen",
        "open a packet socket",
        "become root",
    ] {
        assert!(outcome(refused).starts_with("refused"), "{refused}: {said}");
    }
    for works in ["read /etc/hosts", "look up a name", "connect to 443", "start a thread"] {
        assert_eq!(outcome(works), "done", "{works}: {said}");
    }
    if landlock().handle_access(AccessFs::ReadFile).and_then(Ruleset::create).is_ok() {
        assert!(outcome("read what is outside").starts_with("refused"), "{said}");
    }
    // Ports are Landlock's since 6.7.
    if landlock().handle_access(AccessNet::ConnectTcp).and_then(Ruleset::create).is_ok() {
        assert!(outcome("connect to 22").starts_with("refused"), "{said}");
    }
    assert_eq!(fs::read_to_string(disk).unwrap(), "#!/bin/sh\n");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 3);
}

/// What is to be asked of this kernel's Landlock, and nothing less.
fn landlock() -> Ruleset {
    Ruleset::default().set_compatibility(CompatLevel::HardRequirement)
}

/// Not a test by itself: run by the one above, in a process of its own.
#[test]
#[ignore = "run by another test"]
fn attempts() {
    let Some(directory) = std::env::var_os("ATTEMPTS_IN") else { return };
    let inside = |name: &str| Path::new(&directory).join(name);
    // The test runs in a thread, whose leader keeps its rights: everything is tried from here.
    let parent = getppid();
    restrict(true).unwrap();
    attempt("read /etc/shadow", File::open("/etc/shadow"));
    attempt("read /etc/hosts", File::open("/etc/hosts"));
    attempt("read the disk", File::open(inside("disk.img")));
    let device = fs::read_dir("/sys/block").into_iter().flatten().flatten().next();
    let device =
        device.map_or("/dev/kmsg".into(), |device| Path::new("/dev").join(device.file_name()));
    attempt("read a device", File::open(device));
    attempt("read the memory of the program", File::open(format!("/proc/{parent}/mem")));
    attempt("read what is outside", File::open(inside("everybodys")));
    attempt(
        "write to a file of everybody's",
        File::options().write(true).open(inside("everybodys")),
    );
    attempt("make a file", File::create(inside("new")));
    attempt("make a file in /run", File::create("/run/new"));
    attempt("make a file in /dev/shm", File::create("/dev/shm/new"));
    attempt("remove a file", fs::remove_file(inside("everybodys")));
    attempt("run a program", Command::new("/bin/true").status());
    attempt("end the program", kill(Pid::from_raw(parent.as_raw()), Signal::SIGCONT));
    attempt("listen", TcpListener::bind("127.0.0.1:8443"));
    attempt("open a packet socket", packet_socket());
    attempt("become root", nix::unistd::setuid(nix::unistd::Uid::from_raw(0)));
    attempt("look up a name", "localhost:443".to_socket_addrs());
    attempt("connect to 443", TcpStream::connect("127.0.0.1:443"));
    attempt("connect to 22", TcpStream::connect("127.0.0.1:22"));
    attempt("start a thread", thread::Builder::new().spawn(|| UdpSocket::bind("127.0.0.1:0")));
    std::io::stdout().flush().unwrap();
}

fn packet_socket() -> nix::Result<OwnedFd> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None)
}

fn attempt<T, E: std::fmt::Display>(what: &str, outcome: Result<T, E>) {
    match outcome {
        Ok(_) => println!("attempt {what}: done"),
        Err(error) => println!("attempt {what}: refused, {error}"),
    }
}
