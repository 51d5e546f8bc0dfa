//! 64 volumes of one VM that want their keys in the same second.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use azure_emulator::{Rule, Service};
use bek_unlock::edge::network::SOCKET;
use bek_unlock::key::frame;
use serde_json::{Value, json};

use crate::eventually;
use crate::world::{KEK, KEY, NEWER, VAULT, World, contoso, with_input};

const VOLUMES: usize = 64;
/// Debian's bundle, in an /etc that is thrown away.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// bek-unlock-network.service, as its socket unit starts it (sd_listen_fds(3)).
struct Shared(Child);

impl Shared {
    fn start() -> Self {
        let _ = fs::remove_file(SOCKET);
        let listener = UnixListener::bind(SOCKET).unwrap();
        let script = "exec 3<&0 </dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" network";
        let child = Command::new("sh")
            .args(["-c", script, env!("CARGO_BIN_EXE_bek-unlock")])
            .stdin(OwnedFd::from(listener))
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let _ = fs::remove_file(SOCKET);
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The world, and a LUKS2 token as `enroll --to-token` makes them.
fn world() -> (World, Value) {
    let mut scenario = contoso();
    scenario["vaults"][0]["permissions"][0]["keys"] = json!(["wrapKey", "unwrapKey"]);
    let world = World::with(scenario);
    fs::create_dir_all(Path::new(AUTHORITIES).parent().unwrap()).unwrap();
    fs::write(AUTHORITIES, world.emulator.ca_pem()).unwrap();
    // Whoever the machine looks names up with knows none of these.
    fs::write("/etc/hosts", "169.254.169.253 contoso-kv.vault.azure.net\n127.0.0.1 localhost\n")
        .unwrap();
    let image = world.volume("luks2", None);
    fs::write(world.path("key"), KEY).unwrap();
    let key = world.path("key");
    let words = ["enroll", image.to_str().unwrap(), "--key-file", key.to_str().unwrap()];
    let words = [&words[..], &["--kek", KEK, "--to-token", "--auth", "managed-identity"]].concat();
    world.run(&words, b"").good();
    let (_, json) = world.keyslots(&image);
    let tokens = json["tokens"].as_object().unwrap();
    let token = tokens.values().find(|token| token["type"] == "bek-unlock").unwrap().clone();
    assert!(token["kek"].as_str().unwrap().ends_with(NEWER) && VAULT.starts_with("https://"));
    world.requests();
    (world, token)
}

/// What the volumes get, all asked for at once.
fn open(volumes: usize, token: &Value) -> Vec<Vec<u8>> {
    let threads: Vec<_> = (0..volumes)
        .map(|_| {
            let token = token.to_string();
            thread::spawn(move || {
                let mut command = Command::new(env!("CARGO_BIN_EXE_bek-unlock"));
                command.args(["token-key", "open"]).env_clear().stderr(Stdio::inherit());
                let output = with_input(&mut command, token.as_bytes());
                let (head, key) = output.stdout.split_first_chunk().unwrap_or_else(|| {
                    panic!("no key: {}", String::from_utf8_lossy(&output.stderr))
                });
                assert_eq!(frame::length(*head), Some(key.len()));
                key.to_vec()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

fn asked(requests: &[String], path: &str) -> usize {
    requests.iter().filter(|request| request.contains(path)).count()
}

#[test]
#[ignore = "make check-root"]
fn sixty_four_volumes_ask_for_one_token_and_share_connections() {
    let (world, token) = world();
    let before = world.emulator.connections(Service::Vault).len();
    let asked_before = world.requests().len();
    let shared = Shared::start();
    let keys = open(VOLUMES, &token);
    assert_eq!(keys.len(), VOLUMES);
    assert!(keys.iter().all(|key| *key == keys[0] && key.len() == 172));
    let requests = world.requests().split_off(asked_before);
    assert_eq!(asked(&requests, "/oauth2/token"), 1, "{requests:#?}");
    assert_eq!(asked(&requests, "/unwrapkey 200"), VOLUMES, "{requests:#?}");
    assert_eq!(requests.len(), VOLUMES + 1, "{requests:#?}");
    let connections = world.emulator.connections(Service::Vault).len() - before;
    assert!(connections <= VOLUMES / 4, "{connections} connections");
    println!("{VOLUMES} volumes: {} requests, {connections} connections", requests.len());

    // They come back after a while: the token and a connection are still there.
    let again = open(1, &token);
    assert_eq!(again[0], keys[0]);
    let requests = world.requests().split_off(asked_before);
    assert_eq!(asked(&requests, "/oauth2/token"), 1, "{requests:#?}");
    assert_eq!(world.emulator.connections(Service::Vault).len() - before, connections);
    drop(shared);
}

/// The volume does not depend on the service: without it, or with one that ended, it asks itself.
#[test]
#[ignore = "make check-root"]
fn a_volume_opens_without_the_service_and_with_a_socket_that_nobody_listens_on() {
    let (world, token) = world();
    let before = world.requests().len();
    let alone = open(1, &token);
    drop(UnixListener::bind(SOCKET).unwrap());
    assert_eq!(open(1, &token), alone);
    fs::remove_file(SOCKET).unwrap();
    let requests = world.requests().split_off(before);
    assert_eq!(asked(&requests, "/oauth2/token"), 2, "{requests:#?}");
}

/// The handshake with the vault is done while the metadata service still thinks.
#[test]
#[ignore = "make check-root"]
fn the_vault_is_connected_to_while_the_token_is_awaited() {
    let (world, token) = world();
    let handshakes = world.emulator.handshakes().len();
    let requests = world.requests().len();
    let slow = json!({"match": {"service": "imds"}, "times": 1, "delay_ms": 5000});
    world.emulator.push_fault(serde_json::from_value::<Rule>(slow).unwrap());
    thread::scope(|scope| {
        let volume = scope.spawn(|| open(1, &token));
        // Of the five seconds that the token takes; nothing is sent to the vault without it.
        eventually("no handshake", || world.emulator.handshakes().len() > handshakes);
        assert!(!volume.is_finished());
        assert_eq!(asked(&world.requests()[requests..], "unwrapkey"), 0);
        volume.join().unwrap();
    });
    // And it is the same connection that carries the request.
    assert_eq!(asked(&world.requests()[requests..], "unwrapkey 200"), 1);
    assert_eq!(world.emulator.handshakes().len(), handshakes + 1);
}
