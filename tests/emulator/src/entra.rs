//! Microsoft Entra: tokens for applications and persons, as far as Key Vault's clients ask for them.
//!
//! Behaviour by "OAuth 2.0 client credentials flow", "certificate credentials", "Workload identity
//! federation", "device authorization grant" and "Microsoft Entra authentication and authorization
//! error codes". Numbers in answers are numbers here, where IMDS writes strings. Order of refusals:
//! request, tenant, application, proof, resource.

mod assertion;
mod device;
mod discovery;
mod refusal;

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

use rsa::{PublicKey, pkcs8::DecodePublicKey};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    server::ParsedCertificate,
};
use serde_json::{Map, Value, json};
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::{
    error::Error,
    http::{Request, Response, parse_query},
    imds,
    scenario::{Application, Entra, Identity, Scenario},
    world::World,
};

/// A scenario's Entra, made ready.
pub(crate) struct LiveEntra {
    applications: Vec<LiveApplication>,
    flows: HashMap<String, device::Flow>,
    refresh_tokens: HashMap<String, String>,
    pub(crate) spec: Entra,
}

struct LiveApplication {
    certificates: Vec<Registered>,
    spec: Application,
    tenant: String,
}

/// A registered certificate: how assertions name it, and what verifies them.
struct Registered {
    key: PublicKey,
    sha1: Vec<u8>,
    sha256: Vec<u8>,
}

/// A form, decoded.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        fields.find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }
}

impl LiveEntra {
    /// Reads every certificate.
    pub(crate) fn build(scenario: &Scenario, spec: &Entra) -> Result<Self, Error> {
        let mut applications = Vec::new();
        for application in &spec.applications {
            let tenant = application.tenant.as_ref().unwrap_or(&scenario.imds.tenant);
            applications.push(LiveApplication {
                certificates: registered(application, &scenario.folder)?,
                spec: application.clone(),
                tenant: tenant.clone(),
            });
        }
        Ok(Self {
            applications,
            flows: HashMap::new(),
            refresh_tokens: HashMap::new(),
            spec: spec.clone(),
        })
    }

    /// Whether requests with this Host header are for it.
    pub(crate) fn is_at(&self, host: &str) -> bool {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.spec.host.eq_ignore_ascii_case(name)
    }
}

fn registered(application: &Application, folder: &Path) -> Result<Vec<Registered>, Error> {
    let place = format!("application {}", application.client_id);
    let read = |file: &PathBuf| {
        let path = folder.join(file);
        fs::read_to_string(&path).map_err(|error| Error::new(path.display().to_string(), error))
    };
    let files = application.certificate_files.iter().map(read);
    let texts = application.certificates.iter().cloned().map(Ok);
    files
        .chain(texts)
        .map(|pem| Registered::parse(&pem?).map_err(|error| Error::new(&place, error)))
        .collect()
}

impl Registered {
    fn parse(pem: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let der =
            CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|error| error.to_string())?;
        let parsed = ParsedCertificate::try_from(&der)?;
        let key = PublicKey::from_public_key_der(parsed.subject_public_key_info().as_ref())
            .map_err(|error| error.to_string())?;
        Ok(Self { key, sha1: Sha1::digest(&der).to_vec(), sha256: Sha256::digest(&der).to_vec() })
    }
}

/// Answers one request.
pub(crate) fn answer(world: &mut World, request: &Request) -> Response {
    let path: Vec<&str> = request.path.split('/').skip(1).collect();
    let answer = match (request.method.as_str(), path.as_slice()) {
        ("GET", ["common", "discovery", "instance"]) => Ok(discovery::instances(world)),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"]) => {
            check_tenant(world, tenant).map(|()| discovery::configuration(world, tenant))
        }
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => form(request).and_then(|form| {
            check_tenant(world, tenant)?;
            token(world, tenant, &form)
        }),
        ("POST", [tenant, "oauth2", "v2.0", "devicecode"]) => form(request).and_then(|form| {
            check_tenant(world, tenant)?;
            device::begin(world, &form)
        }),
        _ => Ok(Response::text(404, "text/html", "<html>not found</html>")),
    };
    // The tokens of others are nobody's business: Entra forbids to keep them, as it does here.
    let response = answer.unwrap_or_else(|refusal| refusal);
    response.with("Cache-Control", "no-store, no-cache").with("Pragma", "no-cache")
}

fn form(request: &Request) -> Result<Form, Response> {
    let kind = request.header("content-type").unwrap_or_default();
    let body = std::str::from_utf8(&request.body).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(refusal::missing("grant_type"));
    }
    Ok(Form(parse_query(body)))
}

fn token(world: &mut World, tenant: &str, form: &Form) -> Result<Response, Response> {
    match form.get("grant_type") {
        Some("client_credentials") => application_token(world, tenant, form),
        Some("urn:ietf:params:oauth:grant-type:device_code") => device::poll(world, form),
        Some("refresh_token") => device::refresh(world, form),
        Some(other) => Err(refusal::of(
            400,
            "unsupported_grant_type",
            70_003,
            &format!("The app requested an unsupported grant type '{other}'."),
        )),
        None => Err(refusal::missing("grant_type")),
    }
}

fn application_token(world: &mut World, tenant: &str, form: &Form) -> Result<Response, Response> {
    let endpoint = |host: &str| format!("https://{host}/{tenant}/oauth2/v2.0/token");
    let Some(entra) = &world.entra else { return Err(refusal::missing("grant_type")) };
    let client = form.get("client_id").ok_or_else(|| refusal::missing("client_id"))?;
    let same = |one: &&LiveApplication| {
        one.spec.client_id.eq_ignore_ascii_case(client) && one.tenant.eq_ignore_ascii_case(tenant)
    };
    let Some(application) = entra.applications.iter().find(same) else {
        let text = format!(
            "Application with identifier '{client}' was not found in the directory '{tenant}'. \
             This can happen if the application has not been installed by the administrator of \
             the tenant."
        );
        return Err(refusal::of(400, "unauthorized_client", 700_016, &text));
    };
    if !application.spec.enabled {
        let text = format!("Application '{client}' is disabled.");
        return Err(refusal::of(401, "unauthorized_client", 7_000_112, &text));
    }
    match (form.get("client_secret"), form.get("client_assertion")) {
        (Some(secret), None) => check_secret(application, secret)?,
        (None, Some(jwt)) => {
            let kind = form.get("client_assertion_type");
            if kind != Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer") {
                return Err(refusal::missing("client_assertion_type"));
            }
            assertion::check(application, jwt, &endpoint(&entra.spec.host))?;
        }
        _ => {
            let text = "The request body must contain the following parameter: \
                        'client_assertion' or 'client_secret'.";
            return Err(refusal::of(401, "invalid_client", 7_000_218, text));
        }
    }
    let identity = Identity {
        client_id: application.spec.client_id.clone(),
        name: application.spec.name.clone(),
        object_id: application.spec.object_id.clone(),
        ..Identity::default()
    };
    let tenant = application.tenant.clone();
    let answer = issue(world, &identity, &tenant, form.get("scope").unwrap_or_default())?;
    Ok(Response::json(200, &json!(answer)))
}

fn check_secret(application: &LiveApplication, secret: &str) -> Result<(), Response> {
    let client = &application.spec.client_id;
    match application.spec.secrets.iter().find(|known| known.value == secret) {
        Some(known) if known.expired => {
            let text = format!("The provided client secret keys for app '{client}' are expired.");
            Err(refusal::of(401, "invalid_client", 7_000_222, &text))
        }
        Some(_) => Ok(()),
        None => {
            let text = format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is \
                 the client secret value, not the client secret ID, for a secret added to app \
                 '{client}'."
            );
            Err(refusal::of(401, "invalid_client", 7_000_215, &text))
        }
    }
}

/// An access token for the resource that `scope` names, as the fields of an answer.
fn issue(
    world: &mut World,
    identity: &Identity,
    tenant: &str,
    scope: &str,
) -> Result<Map<String, Value>, Response> {
    let resource = scope.split(' ').find_map(|word| word.strip_suffix("/.default"));
    let Some(resource) = resource else {
        let text = format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {scope} \
             is not valid."
        );
        return Err(refusal::of(400, "invalid_scope", 70_011, &text));
    };
    if !imds::is_known(world, resource) {
        let text = format!(
            "The resource principal named {resource} was not found in the tenant named {tenant}."
        );
        return Err(refusal::of(400, "invalid_resource", 500_011, &text));
    }
    let policy = match &world.entra {
        Some(entra) => entra.spec.token.clone(),
        None => world.imds.token.clone(),
    };
    let (text, token) = world.tokens.issue(identity, tenant, resource, &policy, false);
    let left = token.seconds_left();
    Ok(Map::from_iter([
        ("access_token".to_owned(), json!(text)),
        ("expires_in".to_owned(), json!(left)),
        ("ext_expires_in".to_owned(), json!(left)),
        ("token_type".to_owned(), json!("Bearer")),
    ]))
}

/// A tenant is known when anything in the scenario is in it.
fn check_tenant(world: &World, tenant: &str) -> Result<(), Response> {
    let Some(entra) = &world.entra else { return Err(refusal::missing("tenant")) };
    let applications = entra.applications.iter().map(|application| &application.tenant);
    let vaults = world.vaults.iter().map(|vault| &vault.tenant);
    let known =
        applications.chain(vaults).chain([&world.imds.tenant]).chain(&entra.spec.person.tenant);
    let any = ["common", "organizations"].contains(&tenant);
    if any || known.into_iter().any(|known| known.eq_ignore_ascii_case(tenant)) {
        return Ok(());
    }
    let text = format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are \
         signing into the correct cloud."
    );
    Err(refusal::of(400, "invalid_request", 90_002, &text))
}
