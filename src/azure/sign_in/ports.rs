//! What signing in needs of the machine: files, the Azure CLI, a certificate's key, a person.
//!
//! edge/sign_in.rs implements all of it. No port takes a secret as an argument of a command.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::FileProblem;
use crate::secret::Secret;

/// The ports together.
pub struct Ports {
    /// Files and standard input.
    pub files: Box<dyn Files>,
    /// The Azure CLI.
    pub az: Box<dyn AzureCli>,
    /// Client certificates.
    pub certificates: Box<dyn Certificates>,
    /// Somebody at a terminal; `None` where there is no terminal.
    pub person: Option<Box<dyn Person>>,
    /// The wall clock in seconds since 1970: assertions carry it, tokens end by it.
    pub now: fn() -> u64,
}

/// Reads the files a user names.
pub trait Files {
    /// A regular file of at most 64 KiB, and its permission bits.
    fn read(&mut self, path: &Path) -> Result<(Secret, u32), FileProblem>;

    /// Standard input to its end, at most 64 KiB; the system's words when it cannot be read.
    fn stdin(&mut self) -> Result<Secret, String>;
}

/// Runs `az account get-access-token`.
pub trait AzureCli {
    /// Runs it for `resource`, without a shell, at most for `limit`.
    ///
    /// Errors: it did not come to an end of its own; see [`CliProblem`].
    fn access_token(&mut self, resource: &str, limit: Duration) -> Result<CliOutput, CliProblem>;
}

/// What the Azure CLI said; both may hold a token.
#[derive(Debug)]
pub struct CliOutput {
    /// Whether its exit status was 0.
    pub success: bool,
    /// JSON.
    pub stdout: Secret,
    /// The beginning of its own words; decided upon, never shown.
    pub stderr: Secret,
}

/// Why the Azure CLI said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CliProblem {
    /// There is no `az` in PATH.
    NotInstalled,
    /// The system did not start it; its words.
    Start(String),
    /// No answer in time; it was ended.
    TimedOut,
    /// More output than a token has; it was ended.
    TooMuch,
    /// This one is not run: others could have changed it.
    Unsafe(PathBuf),
}

/// Reads certificates with their keys, and makes what only has to be unique.
pub trait Certificates {
    /// The certificate and key in `pem`; the reason when there is no usable pair.
    fn load(&self, pem: &Secret) -> Result<Box<dyn ClientCertificate>, String>;

    /// 16 random bytes.
    ///
    /// Errors: the system has none to give; its words.
    fn unique(&self) -> Result<[u8; 16], String>;
}

/// A client certificate that can sign.
pub trait ClientCertificate {
    /// SHA-256 of the certificate.
    fn thumbprint(&self) -> [u8; 32];

    /// The certificates of the file in DER, the client's own first.
    fn chain(&self) -> Vec<Vec<u8>>;

    /// The signature PS256 of `message` (RFC 7518, 3.5).
    ///
    /// Errors: the key cannot; its words.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// Somebody who can use a browser.
pub trait Person {
    /// Shows the code and where to enter it; returns at once.
    ///
    /// Errors: it could not be shown; the system's words.
    fn show(&mut self, code: &UserCode) -> Result<(), String>;
}

/// What a person has to know for the device-code way. All printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserCode {
    /// To be typed in, `ABCD1234`.
    pub code: String,
    /// Where, `https://microsoft.com/devicelogin`.
    pub url: String,
    /// How long the code is good.
    pub expires: Duration,
}
