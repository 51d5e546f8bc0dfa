use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use super::ports::*;
use super::*;
use crate::azure::auth::credential;
use crate::azure::fake::{Fake, answer, token_named};
use crate::azure::http::{HttpError, Response};
use crate::azure::id::Host;
use crate::azure::trust::{Audience, Trust};
use crate::deadline::{Deadline, Pauses, VirtualClock};
use crate::error::FileProblem;
use crate::secret::Secret;

mod codes;
mod missing;
mod order;
mod refusals;
mod ways;

const NOW: u64 = 1_800_000_000;
const TENANT: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const CLIENT: &str = "66666666-6666-4666-8666-666666666666";
/// No error, log line or Debug text may hold it, nor any part of it this long.
const SENTINEL: &str = "SENTINEL-u0F.~secret";
const LOGIN: &str = "login.microsoftonline.com";

type Answer = Result<Response, HttpError>;

/// What the ports of a test give, and what was done with them; clones share it.
#[derive(Clone, Default)]
struct Desk(Rc<RefCell<Drawers>>);

#[derive(Default)]
struct Drawers {
    files: BTreeMap<PathBuf, (String, u32)>,
    stdin: Option<Result<String, String>>,
    az: VecDeque<Result<CliOutput, CliProblem>>,
    az_runs: Vec<(String, Duration)>,
    shown: Vec<UserCode>,
    broken_terminal: bool,
    certificate: Option<String>,
}

impl Files for Desk {
    fn read(&mut self, path: &Path) -> Result<(Secret, u32), FileProblem> {
        let drawers = self.0.borrow();
        let (text, mode) = drawers.files.get(path).ok_or(FileProblem::Missing)?;
        match text.as_str() {
            "TOO LARGE" => Err(FileProblem::TooLarge),
            "DIRECTORY" => Err(FileProblem::Unreadable("not a regular file".to_owned())),
            text => Ok((secret(text), *mode)),
        }
    }

    fn stdin(&mut self) -> Result<Secret, String> {
        let taken = self.0.borrow_mut().stdin.take();
        taken.unwrap_or(Ok(String::new())).map(|text| secret(&text))
    }
}

impl AzureCli for Desk {
    fn access_token(&mut self, resource: &str, limit: Duration) -> Result<CliOutput, CliProblem> {
        let mut drawers = self.0.borrow_mut();
        drawers.az_runs.push((resource.to_owned(), limit));
        drawers.az.pop_front().unwrap_or(Err(CliProblem::NotInstalled))
    }
}

impl Certificates for Desk {
    fn load(&self, _: &Secret) -> Result<Box<dyn ClientCertificate>, String> {
        match &self.0.borrow().certificate {
            Some(reason) => Err(reason.clone()),
            None => Ok(Box::new(Paper)),
        }
    }

    fn unique(&self) -> Result<[u8; 16], String> {
        Ok([0; 16])
    }
}

struct Paper;

impl ClientCertificate for Paper {
    fn thumbprint(&self) -> [u8; 32] {
        [1; 32]
    }

    fn chain(&self) -> Vec<Vec<u8>> {
        vec![vec![1]]
    }

    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, String> {
        Ok(SENTINEL.as_bytes().to_vec())
    }
}

impl Person for Desk {
    fn show(&mut self, code: &UserCode) -> Result<(), String> {
        let mut drawers = self.0.borrow_mut();
        if drawers.broken_terminal {
            return Err("broken pipe".to_owned());
        }
        drawers.shown.push(code.clone());
        Ok(())
    }
}

impl Desk {
    fn file(self, path: &str, text: &str) -> Self {
        self.0.borrow_mut().files.insert(path.into(), (text.to_owned(), 0o600));
        self
    }

    fn stdin(self, text: &str) -> Self {
        self.0.borrow_mut().stdin = Some(Ok(text.to_owned()));
        self
    }

    fn az(self, outcomes: impl IntoIterator<Item = Result<CliOutput, CliProblem>>) -> Self {
        self.0.borrow_mut().az.extend(outcomes);
        self
    }

    fn ports(&self) -> Ports {
        Ports {
            files: Box::new(self.clone()),
            az: Box::new(self.clone()),
            certificates: Box::new(self.clone()),
            person: Some(Box::new(self.clone())),
            now: || NOW,
        }
    }

    fn shown(&self) -> Vec<UserCode> {
        self.0.borrow().shown.clone()
    }
}

/// One sign-in with its network, ports and clock.
struct Try {
    credential: Box<dyn Credential>,
    fake: Fake,
    clock: VirtualClock,
    limit: Option<Duration>,
}

impl Try {
    fn new(
        auth: Option<&str>,
        environment: Environment,
        desk: &Desk,
        answers: impl IntoIterator<Item = Answer>,
    ) -> Self {
        let auth = auth.map(|word| Auth::parse(word).unwrap());
        Self {
            credential: credential(auth.as_ref(), environment, None, desk.ports()),
            fake: Fake::new(answers),
            clock: VirtualClock::default(),
            limit: Some(Duration::from_secs(90)),
        }
    }

    fn token(&mut self) -> Result<Token, Kind> {
        self.token_for("kv.vault.azure.net")
    }

    fn token_for(&mut self, vault: &str) -> Result<Token, Kind> {
        let deadline = Deadline::start(&self.clock, self.limit);
        self.credential.token(&mut Exchange {
            http: &mut self.fake.clone(),
            audience: &audience(vault),
            random: || 0.5,
            deadline: &deadline,
        })
    }
}

fn audience(vault: &str) -> Audience {
    Trust::new(&[]).check(&Host::parse(vault).unwrap()).unwrap().audience().clone()
}

fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

fn text(token: &Token) -> String {
    String::from_utf8(token.secret.expose().to_vec()).unwrap()
}

/// Tenant and client, nothing to prove them with.
fn half() -> Environment {
    Environment {
        tenant_id: Some(TENANT.to_owned()),
        client_id: Some(CLIENT.to_owned()),
        ..Environment::default()
    }
}

fn with_secret() -> Environment {
    Environment { client_secret: Some(secret(SENTINEL)), ..half() }
}

/// Entra's answer with this token.
fn good(token: &str) -> Answer {
    let body = format!(
        r#"{{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"{token}"}}"#
    );
    answer(200, &body)
}

/// A refusal of Entra's.
fn no(status: u16, error: &str, code: u32, words: &str) -> Answer {
    let body = format!(
        r#"{{"error":"{error}","error_description":"AADSTS{code}: {words} Trace ID: 1 Correlation ID: 2","error_codes":[{code}]}}"#
    );
    answer(status, &body)
}

fn az_says(success: bool, stdout: &str, stderr: &str) -> Result<CliOutput, CliProblem> {
    Ok(CliOutput { success, stdout: secret(stdout), stderr: secret(stderr) })
}

/// A device code that is asked about every 5 s, for 15 minutes.
fn code() -> Answer {
    answer(
        200,
        &format!(
            r#"{{"user_code":"ABCD12345","device_code":"{SENTINEL}","expires_in":900,
            "verification_uri":"https://microsoft.com/devicelogin","interval":5,"message":"m"}}"#
        ),
    )
}

/// What a failure says, everywhere; never the sentinel.
fn said(kind: &Kind) -> String {
    let hints = crate::hint::for_kind(kind).join("\n");
    let all = format!("{kind}\n{hints}\n{kind:?}");
    for part in [SENTINEL, "SENTINEL-u0F", "SENTINEL"] {
        assert!(!all.contains(part), "{all}");
    }
    assert!(kind.to_string().chars().all(|c| (' '..='~').contains(&c)), "{kind}");
    kind.to_string()
}

/// Kind, exit status, words and requests of a sign-in that fails.
fn fails(mut attempt: Try) -> (&'static str, u8, String, usize) {
    let kind = attempt.token().unwrap_err();
    (kind.name(), kind.exit_status(), said(&kind), attempt.fake.requests().len())
}

#[test]
fn debug_shows_no_secret() {
    let environment = with_secret();
    assert!(!format!("{environment:?}").contains("SENTINEL"));
}
