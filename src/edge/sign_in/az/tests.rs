use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;

/// A directory with an `az` of this text, and what PATH and the rest of an environment are then.
struct Installed {
    directory: tempfile::TempDir,
}

const LIMIT: Duration = Duration::from_secs(20);

impl Installed {
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("az");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory }
    }

    fn az(&self) -> Az {
        let path = self.directory.path().as_os_str().to_owned();
        Az::new(move |name| match name {
            "PATH" => Some(path.clone()),
            "HOME" => Some("/home/somebody".into()),
            "AZURE_CLIENT_SECRET" | "LD_PRELOAD" => Some("SENTINEL".into()),
            _ => None,
        })
    }

    fn run(&self, limit: Duration) -> Result<CliOutput, CliProblem> {
        self.az().access_token("https://vault.azure.net", limit)
    }
}

/// Waits until the process of this number is no more.
fn assert_gone(child: &str) {
    let gone = || {
        // A zombie until whoever adopted it has looked.
        let state = fs::read_to_string(format!("/proc/{}/stat", child.trim()));
        let alive = state.is_ok_and(|state| !state.contains(") Z "));
        Ok::<_, ()>((!alive).then_some(()))
    };
    let clock = SystemClock::new();
    let deadline = Deadline::start(&clock, Some(LIMIT));
    assert_eq!(deadline.poll(REAP, gone), Ok(Some(())));
}

fn text(secret: &Secret) -> String {
    String::from_utf8_lossy(secret.expose()).into_owned()
}

#[test]
fn it_gets_words_and_little_else() {
    let shell = Installed::new(
        "#!/bin/sh\nprintf '%s|' \"$@\"; printf '%s|%s|' \"$HOME\" \"$PWD\"\n\
         read -r x || echo no-input; export -p; echo e >&2\n",
    );
    let output = shell.run(LIMIT).unwrap();
    assert!(output.success);
    let words = text(&output.stdout);
    let (words, exported) = words.split_once('\n').unwrap();
    assert_eq!(
        words,
        "account|get-access-token|--output|json|--resource|https://vault.azure.net|\
         /home/somebody|/|no-input"
    );
    // cargo sets CARGO_MANIFEST_DIR for this test; it stands for all that is not passed on.
    assert!(exported.contains("HOME=") && exported.contains("AZURE_CORE_NO_COLOR"), "{exported}");
    for name in ["SENTINEL", "CARGO", "AZURE_CLIENT_SECRET"] {
        assert!(!exported.contains(name), "{exported}");
    }
    assert_eq!(text(&output.stderr), "e\n");
}

#[test]
fn its_exit_status_is_told() {
    let output = Installed::new("#!/bin/sh\necho 'Please run az login' >&2; exit 1\n").run(LIMIT);
    let output = output.unwrap();
    assert!(!output.success && output.stdout.is_empty());
    assert_eq!(text(&output.stderr), "Please run az login\n");
}

#[test]
fn one_that_hangs_is_ended_with_all_it_started() {
    let shell = Installed::new("#!/bin/sh\n/bin/sleep 600\n");
    assert_eq!(shell.run(Duration::from_secs(1)).unwrap_err(), CliProblem::TimedOut);
    // Ended for another reason, so that no time passes before there is a child to look for.
    let shell = Installed::new(
        "#!/bin/sh\n/bin/sleep 600 & echo $! >\"$0.child\"\nwhile :; do echo 0123456789; done\n",
    );
    assert_eq!(shell.run(LIMIT).unwrap_err(), CliProblem::TooMuch);
    let child = fs::read_to_string(shell.directory.path().join("az.child")).unwrap();
    assert_gone(&child);
}

#[test]
fn what_it_leaves_running_with_its_output_open_is_ended() {
    let shell = Installed::new("#!/bin/sh\n/bin/sleep 600 & echo $! >\"$0.child\"\n");
    // The shell itself has ended by then, or is ended with the rest.
    assert_eq!(shell.run(Duration::from_secs(1)).unwrap_err(), CliProblem::TimedOut);
    if let Ok(child) = fs::read_to_string(shell.directory.path().join("az.child")) {
        assert_gone(&child);
    }
}

#[test]
fn one_that_closes_its_output_and_stays_is_ended_too() {
    let shell = Installed::new("#!/bin/sh\nexec >&- 2>&-\n/bin/sleep 600\n");
    assert_eq!(shell.run(Duration::from_secs(1)).unwrap_err(), CliProblem::TimedOut);
}

#[test]
fn output_without_end_is_cut_off_and_words_without_end_are_dropped() {
    let shell = Installed::new(
        "#!/bin/sh\nwhile :; do echo 0123456789012345678901234567890123456789; done\n",
    );
    assert_eq!(shell.run(LIMIT).unwrap_err(), CliProblem::TooMuch);
    let shell = Installed::new(
        "#!/bin/sh\ni=0; while [ $i -lt 2000 ]; do echo 0123456789012345678901234567890123456789 >&2\n\
         i=$((i+1)); done; echo done\n",
    );
    let output = shell.run(LIMIT).unwrap();
    assert_eq!(text(&output.stdout), "done\n");
    assert_eq!(output.stderr.len(), STDERR_LIMIT);
}

#[test]
fn what_cannot_be_started_says_why() {
    let shell = Installed::new("#!/nonexistent/interpreter\n");
    assert_eq!(shell.run(LIMIT).unwrap_err(), CliProblem::Start("entity not found".to_owned()));
}

#[test]
fn only_absolute_directories_with_a_program_count() {
    let shell = Installed::new("#!/bin/sh\n");
    let path = shell.directory.path().join("az");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(shell.run(LIMIT).unwrap_err(), CliProblem::NotInstalled);
    for path in [None, Some(""), Some("."), Some(":bin:./"), Some("/nonexistent")] {
        let mut az = Az::new(|name| path.filter(|_| name == "PATH").map(OsString::from));
        let run = az.access_token("https://vault.azure.net", LIMIT);
        assert_eq!(run.unwrap_err(), CliProblem::NotInstalled, "{path:?}");
    }
}

#[test]
fn one_that_others_can_change_is_not_run() {
    let shell = Installed::new("#!/bin/sh\necho ran\n");
    let path = shell.directory.path().join("az");
    let set = |path: &Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    set(&path, 0o775);
    assert_eq!(shell.run(LIMIT).unwrap_err(), CliProblem::Unsafe(path.canonicalize().unwrap()));
    set(&path, 0o755);
    set(shell.directory.path(), 0o777);
    assert!(matches!(shell.run(LIMIT), Err(CliProblem::Unsafe(_))));
    set(shell.directory.path(), 0o755);
    assert!(shell.run(LIMIT).is_ok());
    // What a link leads to counts, and the directory that is in.
    let other = Installed::new("#!/bin/sh\n");
    fs::remove_file(&path).unwrap();
    symlink(other.directory.path().join("az"), &path).unwrap();
    assert!(shell.run(LIMIT).is_ok());
    set(other.directory.path(), 0o777);
    assert!(matches!(shell.run(LIMIT), Err(CliProblem::Unsafe(_))));
}
