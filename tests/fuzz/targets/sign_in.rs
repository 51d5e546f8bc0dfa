//! Everything that a sign-in reads: tokens that were handed over, the Azure CLI's words, Entra's
//! answers, certificates.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bek_unlock::azure::auth::{Auth, Exchange, TokenSource, credential};
use bek_unlock::azure::id::Host;
use bek_unlock::azure::sign_in::environment::Environment;
use bek_unlock::azure::sign_in::ports::{
    AzureCli, Certificates, CliOutput, CliProblem, Files, Person, Ports, UserCode,
};
use bek_unlock::azure::trust::Trust;
use bek_unlock::edge::sign_in::certificate::PemCertificates;
use bek_unlock::error::FileProblem;
use bek_unlock::secret::Secret;

use super::network::{Network, Place, may_be_shown, within};
use super::{SENTINEL, Target, file_of_tests, plain, said, texts};

/// One way to sign in, by the first byte; then answers, or what is read.
pub const SIGN_IN: Target = Target {
    name: "sign-in",
    run: sign_in,
    seeds: || {
        texts(&[
            "0Bearer eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCIsImV4cCI6MTcwMDAwMTAwMH0.x\n",
            "0eyJhbGciOiJub25lIn0.eyJhdWQiOiJodHRwczovL21hbmFnZW1lbnQuYXp1cmUuY29tIiwiZXhwIjoiMSJ9.x",
            "0{\"accessToken\":\"SENTINELbase64SENTINEL00\",\"expires_on\":1700000600}",
            "1{\"accessToken\":\"SENTINELbase64SENTINEL00\",\"expires_on\":\"1\"}",
            "2ERROR: AADSTS700082: The refresh token has expired. Please run az login",
            "3200 \n\n{\"access_token\":\"SENTINELbase64SENTINEL00\",\"expires_in\":3599,\"token_type\":\"Bearer\"}",
            "3401 \n\n{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client secret provided. Ensure x Trace ID: y\",\"error_codes\":[7000215]}",
            "4200 \n\n{\"device_code\":\"SENTINELbase64SENTINEL00\",\"user_code\":\"ABCD\",\"verification_uri\":\"https://microsoft.com/devicelogin\",\"expires_in\":900,\"interval\":5}\u{1e}400 \n\n{\"error\":\"authorization_pending\"}\u{1e}200 \n\n{\"access_token\":\"a\",\"refresh_token\":\"b\"}",
            "5200 \n\n{\"access_token\":\"a\"}",
        ])
    },
    words: &[
        "\u{1e}",
        "200 \n\n",
        "400 \n\n",
        "\"error\":\"temporarily_unavailable\"",
        "\"error\":\"slow_down\"",
        "\"error_description\":\"AADSTS",
        "\"error_codes\":[",
        "SENTINELbase64SENTINEL00",
        "eyJhdWQiOiJodHRwczovL3ZhdWx0LmF6dXJlLm5ldCJ9",
        "\"expires_in\":18446744073709551615",
        "\"interval\":",
    ],
};

/// A client certificate and its key in PEM.
pub const CERTIFICATE: Target = Target {
    name: "certificate",
    run: certificate,
    seeds: || {
        ["client", "client-ec", "client-encrypted", "client-other", "client-pkcs1"]
            .map(|name| file_of_tests(&format!("emulator/keys/TEST-ONLY-{name}.pem")))
            .into()
    },
    words: &["-----BEGIN CERTIFICATE-----\n", "-----BEGIN RSA PRIVATE KEY-----\n", "-----END "],
};

fn sign_in(data: &[u8]) {
    let Some((way, data)) = data.split_first() else { return };
    let file = PathBuf::from("/file");
    let auth = match way {
        b'0' => Auth::Token(TokenSource::Stdin),
        b'1' | b'2' => Auth::Az,
        b'3' => Auth::ServicePrincipal(None),
        b'4' => Auth::DeviceCode,
        b'5' => Auth::WorkloadIdentity,
        _ => Auth::ServicePrincipal(Some(file)),
    };
    let environment = Environment {
        client_id: Some("client".to_owned()),
        client_secret: Some(Secret::new(SENTINEL.into())),
        federated_token_file: Some(PathBuf::from("/file")),
        tenant_id: Some("tenant".to_owned()),
        ..Environment::default()
    };
    let ports = Ports {
        files: Box::new(Given(data.to_vec())),
        az: Box::new(Given([&[*way], data].concat())),
        certificates: Box::new(PemCertificates),
        person: Some(Box::new(Given(Vec::new()))),
        now: || 1_700_000_000,
    };
    let host = Host::parse("contoso-kv.vault.azure.net").unwrap();
    let trusted = Trust::new(&[]).check(&host).unwrap();
    let mut network = Network::new(Place::SignIn, data);
    let mut credential = credential(Some(&auth), environment, None, ports);
    for _ in 0..2 {
        let token = within(|deadline| {
            credential.token(&mut Exchange {
                http: &mut network,
                audience: trusted.audience(),
                random: || 0.5,
                deadline,
            })
        });
        match token {
            Ok(token) => {
                assert!(!token.secret.is_empty());
                assert!(token.secret.expose().iter().all(u8::is_ascii_graphic));
                assert!(!format!("{token:?}").contains(SENTINEL));
            }
            Err(kind) => kept(*way, data, &said(&kind)),
        }
    }
}

/// Neither the client secret nor a token is in what is said, whatever Entra echoes; but a code
/// that was not sent by us may be echoed in words of Entra's own.
fn kept(way: u8, data: &[u8], said: &str) {
    let may = way != b'3' && data.split(|byte| *byte == 0x1e).any(may_be_shown);
    assert!(may || !said.contains(SENTINEL), "{said}");
}

/// The machine: each of its parts gives the same bytes.
struct Given(Vec<u8>);

impl Files for Given {
    fn read(&mut self, _: &Path) -> Result<(Secret, u32), FileProblem> {
        Ok((Secret::new(SENTINEL.into()), 0o600))
    }

    fn stdin(&mut self) -> Result<Secret, String> {
        Ok(Secret::new(self.0.clone()))
    }
}

impl AzureCli for Given {
    fn access_token(&mut self, resource: &str, _: Duration) -> Result<CliOutput, CliProblem> {
        assert_eq!(resource, "https://vault.azure.net");
        let (way, words) = self.0.split_first().unwrap();
        let words = || Secret::new(words.to_vec());
        Ok(CliOutput { success: *way == b'1', stdout: words(), stderr: words() })
    }
}

impl Person for Given {
    fn show(&mut self, code: &UserCode) -> Result<(), String> {
        plain(&code.code);
        plain(&code.url);
        assert!(code.url.starts_with("https://"));
        Ok(())
    }
}

fn certificate(data: &[u8]) {
    match PemCertificates.load(&Secret::new(data.to_vec())) {
        Ok(certificate) => {
            assert!(!certificate.chain().is_empty());
            // A key that was damaged may be found out when it is used.
            match certificate.sign(b"message") {
                Ok(signature) => assert!(matches!(signature.len(), 256..=1024)),
                Err(reason) => plain(&reason),
            }
        }
        Err(reason) => plain(&reason),
    }
}
