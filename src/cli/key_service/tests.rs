//! The loop over real sockets; the client binds a name and reads to the end, as systemd's does.

use std::io::Read;
use std::net::Shutdown;
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, bind, connect, socket};
use nix::unistd::geteuid;
use tempfile::TempDir;

use super::*;
use crate::edge::file::SystemFiles;
use crate::key::file::KeyFiles;
use crate::mapping::{Header, Luks, LuksDevice, OpenFailure};
use crate::secret::Secret;
use crate::volume::Options;

/// A socket below a directory of its own.
struct Service {
    directory: TempDir,
    socket: KeySocket,
}

impl Service {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixListener::bind(directory.path().join("key")).unwrap();
        Self { socket: KeySocket::new(socket).unwrap(), directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("key")
    }

    /// Serves everybody who is there; answers with what is in the file `key`.
    fn serve(&self, owner: u32) -> usize {
        let mut asked = 0;
        let key = self.directory.path().join("passphrase");
        std::fs::write(&key, b"key\n\0\xff").unwrap();
        let answered = serve(&self.socket, &name(), owner, |pipe| {
            asked += 1;
            write(&pipe, &key);
            Ok(())
        });
        answered.unwrap();
        asked
    }
}

/// Writes through what stands for libcryptsetup, as an unlock does.
fn write(pipe: &KeyPipe, key: &Path) {
    let (key, _) = SystemFiles.read(key).unwrap();
    let mut device = pipe.behind(AnyKeyFits).load(Path::new("/dev/x"), None).unwrap();
    assert_eq!(device.open(&name(), &key, &Options::default()), Ok(3));
}

struct AnyKeyFits;

impl Luks for AnyKeyFits {
    fn load(
        &mut self,
        _: &Path,
        _: Option<&crate::header::DetachedHeader>,
    ) -> Result<Box<dyn LuksDevice>, Kind> {
        Ok(Box::new(AnyKeyFits))
    }

    fn close(&mut self, _: &VolumeName) -> Result<(), Kind> {
        unreachable!("nothing is opened")
    }
}

impl LuksDevice for AnyKeyFits {
    fn header(&self) -> &Header {
        unreachable!("nobody reads it here")
    }

    fn open(&mut self, _: &VolumeName, _: &Secret, _: &Options) -> Result<u32, OpenFailure> {
        unreachable!("the key is handed over, and nothing opened")
    }

    fn test(&mut self, _: &Secret, _: &Options) -> Result<u32, OpenFailure> {
        Ok(3)
    }
}

fn name() -> VolumeName {
    VolumeName::parse("data1").unwrap()
}

fn own() -> u32 {
    geteuid().as_raw()
}

/// Connects as systemd-cryptsetup does (`connect_unix_harder` behind `make_bindname`); the random
/// part is this test process's, because abstract names are the whole machine's.
fn ask(path: &Path, tag: &str, volume: &str) -> UnixStream {
    let fd = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    let random = fastrand::u64(..);
    let bound = UnixAddr::new_abstract(format!("{random:x}/{tag}/{volume}").as_bytes()).unwrap();
    bind(fd.as_raw_fd(), &bound).unwrap();
    connect(fd.as_raw_fd(), &UnixAddr::new(path).unwrap()).unwrap();
    UnixStream::from(fd)
}

fn answer_to(mut stream: UnixStream) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn everybody_who_waits_gets_the_key_and_then_it_ends() {
    let service = Service::new();
    let path = service.path();
    let askers: Vec<UnixStream> = (0..3).map(|_| ask(&path, "cryptsetup", "data1")).collect();
    assert_eq!(service.serve(own()), 3);
    for asker in askers {
        assert_eq!(answer_to(asker), b"key\n\0\xff");
    }
    // systemd listens on, and starts the service for the next one.
    let late = ask(&path, "cryptsetup", "data1");
    assert_eq!(service.serve(own()), 1);
    assert_eq!(answer_to(late), b"key\n\0\xff");
    assert_eq!(service.serve(own()), 0);
}

#[test]
fn others_get_an_empty_answer_and_no_key_is_looked_for() {
    let service = Service::new();
    let path = service.path();
    let askers = vec![
        ask(&path, "cryptsetup", "data2"),
        ask(&path, "cryptsetup-tpm2", "data1"),
        ask(&path, "cryptsetup,", "data1"),
        // Without a name of its own.
        UnixStream::connect(&path).unwrap(),
    ];
    assert_eq!(service.serve(own()), 0);
    for asker in askers {
        assert_eq!(answer_to(asker), b"");
    }
    let stranger = ask(&path, "cryptsetup", "data1");
    assert_eq!(service.serve(own() + 1), 0);
    assert_eq!(answer_to(stranger), b"");
}

#[test]
fn a_failure_and_a_panic_are_empty_answers_and_the_next_one_is_served() {
    let service = Service::new();
    let path = service.path();
    let askers: Vec<UnixStream> = (0..3).map(|_| ask(&path, "cryptsetup", "data1")).collect();
    let key = service.directory.path().join("passphrase");
    std::fs::write(&key, b"k").unwrap();
    let mut asked = 0;
    let answered = serve(&service.socket, &name(), own(), |pipe| {
        asked += 1;
        match asked {
            1 => Err(Error::new(Goal::Unlock, Kind::NotConfigured { name: name() })),
            2 => panic!("in the middle of it"),
            _ => {
                write(&pipe, &key);
                Ok(())
            }
        }
    });
    assert_eq!(answered, Ok(()));
    let answers: Vec<Vec<u8>> = askers.into_iter().map(answer_to).collect();
    assert_eq!(answers, [&b""[..], b"", b"k"]);
}

#[test]
fn whoever_went_away_does_not_keep_the_next_one_waiting() {
    let service = Service::new();
    let path = service.path();
    let gone = ask(&path, "cryptsetup", "data1");
    gone.shutdown(Shutdown::Both).unwrap();
    drop(gone);
    let waiting = ask(&path, "cryptsetup", "data1");
    let mut asked = 0;
    let answered = serve(&service.socket, &name(), own(), |pipe| {
        asked += 1;
        let mut device = pipe.behind(AnyKeyFits).load(Path::new("/dev/x"), None).unwrap();
        let key = Secret::new(b"k".to_vec());
        let written = device.open(&name(), &key, &Options::default());
        assert_eq!(written.is_err(), asked == 1, "{written:?}");
        Ok(())
    });
    assert_eq!((answered, asked), (Ok(()), 2));
    assert_eq!(answer_to(waiting), b"k");
}
