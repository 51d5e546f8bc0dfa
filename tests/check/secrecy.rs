//! A check gets every key there is, and no system call carries one, or a token, out of the program.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::needles::Needles;
use crate::setup::{Setup, key};
use crate::trace::{Trace, strace};
use crate::world::{KEY, VAULT, contoso};

#[test]
#[ignore = "needs namespaces and strace: make check-root"]
fn no_system_call_carries_a_secret_out() {
    for (name, enabled, status) in [("KEK enabled", true, 4), ("KEK disabled", false, 77)] {
        let mut scenario = contoso();
        scenario["vaults"][0]["keys"][0]["versions"][0]["enabled"] = json!(enabled);
        let setup = Setup::with(scenario);
        let wrong = KEY.replace('c', "d");
        fs::write("/etc/wrong", &wrong).unwrap();
        setup.lines(&[
            &format!("data1 {} {VAULT}/secrets/ade nofail", setup.disk.display()),
            &format!("data2 {} /etc/wrong nofail,_netdev,vault={VAULT}", setup.disk.display()),
            &format!("data3 {} /etc/key nofail", setup.disk.display()),
        ]);
        fs::write("/etc/key", key()).unwrap();
        let log = setup.world.path("trace");
        let output = strace(&log, env!("CARGO_BIN_EXE_bek-unlock"))
            .args(["check", "-v", "--timeout", "10s"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout.as_slice(), &output.stderr].concat();
        let shown = String::from_utf8_lossy(&said);
        assert_eq!(output.status.code(), Some(status), "{name}: {shown}");
        let issued = setup.world.emulator.tokens();
        let mut known = vec![("passphrase", key()), ("wrong passphrase", wrong.as_bytes())];
        known.extend(issued.iter().map(|token| ("token", token.as_bytes())));
        let needles = Needles::new(&known);
        let trace = Trace::read(&log);
        // What came in is found, so what went out would be, too.
        let brought = trace.brought(&needles);
        for what in ["passphrase", "wrong passphrase", "token"] {
            assert!(brought.iter().any(|one| one.what.starts_with(what)), "{what}: {brought:?}");
        }
        assert_eq!(trace.carried(&needles).into_iter().collect::<Vec<_>>(), [], "{name}");
        assert_eq!(needles.find(&said), None, "{name}");
    }
}

#[test]
#[ignore = "needs namespaces: make check-root"]
fn whoever_is_not_root_is_told_so() {
    let setup = Setup::new();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args([env!("CARGO_BIN_EXE_bek-unlock"), "check"]);
    let run = setup.world.ran(command, b"").refuses(1, "run it as root");
    assert_eq!(run.stdout, "");
    assert_eq!(setup.world.requests(), [""; 0]);
}
