//! Keeps a record of what was asked over the network and answered, for people.
//!
//! That a key came from Key Vault says that everything on the way was right. That none came says
//! what was wrong, but not how far it went before: whether the metadata service was there, and knew
//! the VM's identity. Neither a token nor a body is looked at.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::azure::http::{Http, HttpError, Method, Request, Response, Service};
use crate::azure::trust::TrustedHost;
use crate::error::short;

/// What was answered so far.
pub type Record = Rc<RefCell<Vec<String>>>;

/// The network, with somebody who looks on.
pub struct Witness {
    network: Box<dyn Http>,
    record: Record,
}

impl Witness {
    /// In front of `network`; what it sees goes into `record`.
    pub fn new(network: Box<dyn Http>, record: Record) -> Self {
        Self { network, record }
    }
}

impl Http for Witness {
    fn send(&mut self, request: &Request<'_>, timeout: Duration) -> Result<Response, HttpError> {
        let answer = self.network.send(request, timeout)?;
        if (200..300).contains(&answer.status) {
            let step = step(request);
            let mut record = self.record.borrow_mut();
            if !record.contains(&step) {
                record.push(step);
            }
        }
        Ok(answer)
    }

    fn expect(&mut self, host: &TrustedHost) {
        self.network.expect(host);
    }
}

/// What an answer to `request` means, in a few words.
fn step(request: &Request<'_>) -> String {
    let path = request.target.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    match (request.service, parts.as_slice()) {
        (Service::Metadata, ["metadata", "identity", ..]) => {
            "token of the VM's identity".to_owned()
        }
        (Service::Metadata, _) => "the VM's name".to_owned(),
        (Service::SignIn(authority), _) => format!("signed in at {}", authority.host()),
        (Service::Vault(host), ["secrets"]) => {
            format!("list of the secrets in {}", short(host.host()))
        }
        (Service::Vault(_), ["secrets", name, "versions"]) => format!("versions of {name}"),
        (Service::Vault(_), ["secrets", name, ..]) => format!("secret {name}"),
        (Service::Vault(_), ["keys", name, .., "unwrapkey"]) if request.method == Method::Post => {
            format!("unwrapKey by {name}")
        }
        (Service::Vault(host), _) => format!("answer of {}", short(host.host())),
    }
}
