//! Advice about signing in: what each refusal of Entra means, and how each way is set up.

use crate::azure::way::Way;
use crate::error::{PassedOver, SignInRefusal, TransportProblem, TrustProblem};

/// A refusal by Entra, by its AADSTS number, else by its OAuth error.
///
/// Source: "Microsoft Entra authentication and authorization error codes". The numbers below are
/// the ones that wrong or old credentials and usual policies give.
pub fn refused(refusal: &SignInRefusal) -> &'static [&'static str] {
    match refusal.code {
        // The same number for a secret that is wrong and for its ID, which the portal shows, too.
        Some(7_000_215) => &["wrong client secret; the secret's value is needed, not its ID"],
        Some(7_000_222) => &[
            "the client secret has expired; make a new one:",
            "az ad app credential reset --id APPLICATION --append",
        ],
        Some(700_016) => {
            &["no such application in the tenant", "are AZURE_CLIENT_ID and AZURE_TENANT_ID right?"]
        }
        Some(90_002 | 900_023 | 50_059) => &[
            "no such tenant: is AZURE_TENANT_ID right?",
            "in another cloud set AZURE_AUTHORITY_HOST, too",
        ],
        Some(700_027) => &[
            "Entra does not know this certificate for the application; add it:",
            "az ad app credential reset --id APPLICATION --cert @FILE --append",
        ],
        Some(700_024) => &["the assertion's time is wrong; is the clock right? see: timedatectl"],
        Some(70_021 | 700_211 | 700_212 | 700_213) => &[
            "no federated credential has this issuer, subject and audience",
            "see: az ad app federated-credential list --id APPLICATION",
        ],
        Some(500_011 | 650_057) => {
            &["Key Vault is not known there: is AZURE_TENANT_ID the vault's tenant?"]
        }
        Some(50_076 | 50_079 | 50_158) => &[
            "a second factor is wanted; run:",
            "az login --scope https://vault.azure.net/.default",
        ],
        Some(53_000..=53_011 | 530_002..=530_036) => &[
            "Conditional Access blocks it; device codes are often blocked",
            "try az login on a managed device, or a service principal",
        ],
        Some(70_043 | 70_008 | 700_082 | 700_084 | 50_173) => {
            &["the login is too old: run az login again"]
        }
        Some(7_000_112 | 7_000_113) => &["the application is disabled in the tenant"],
        Some(50_020 | 50_034) => &[
            "this account is not in the vault's tenant",
            "set AZURE_TENANT_ID, or: az login --tenant TENANT",
        ],
        Some(50_105) => &["the account has to be assigned to the application by its owner"],
        Some(65_001) => &["an administrator of the tenant has to consent first"],
        _ => match (refusal.error.as_str(), refusal.way) {
            ("access_denied" | "authorization_declined", _) => {
                &["the sign-in was declined; try again to get a new code"]
            }
            (_, Way::Az) => &["run: az login"],
            _ => &["the number is explained at https://login.microsoftonline.com/error"],
        },
    }
}

/// The ways that could not be taken.
pub fn unavailable(ways: &[PassedOver]) -> &'static [&'static str] {
    let [only] = ways else {
        return &[
            "simplest: az login, then run this again",
            "or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
        ];
    };
    match only.way {
        Way::Az => &["as the same user run: az login", "see also: az account show"],
        Way::DeviceCode => &["a person at a terminal has to enter the code in time"],
        Way::ManagedIdentity => &["only Azure's machines have one; elsewhere: az login"],
        Way::ServicePrincipal => &[
            "set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET",
            "or AZURE_CLIENT_CERTIFICATE_PATH: PEM with certificate and plain key",
        ],
        Way::Token => &[
            "a new one for public vaults:",
            "az account get-access-token --resource https://vault.azure.net",
        ],
        Way::WorkloadIdentity => {
            &["set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_FEDERATED_TOKEN_FILE"]
        }
    }
}

/// Entra was not reached.
pub fn unreachable(problem: &TransportProblem) -> &'static [&'static str] {
    match problem {
        TransportProblem::Resolve(_) => &["is there a network? see: resolvectl query HOST"],
        TransportProblem::Status(_) => &["the sign-in service is busy; try again later"],
        _ => &["is port 443 to that host open? a private link does not lead there"],
    }
}

/// What answered is not trusted.
pub fn untrusted(problem: &TrustProblem) -> &'static [&'static str] {
    match problem {
        TrustProblem::Answer(_) | TrustProblem::Redirect => {
            &["is a proxy between here and Azure? no secret is sent elsewhere"]
        }
        TrustProblem::Certificate(_) => {
            &["is a proxy between here and Azure? ca=FILE trusts a private CA"]
        }
        TrustProblem::CertificateTime(_) => {
            &["is the clock right? see: timedatectl; TLS needs the right time"]
        }
        TrustProblem::HostNotAllowed => {
            &["unset AZURE_AUTHORITY_HOST; the vault's cloud says where to sign in"]
        }
        TrustProblem::NoAuthorities(_) => &["install the package ca-certificates"],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::hint::for_kind;

    fn refusal(code: Option<u32>, error: &str, way: Way) -> Kind {
        Kind::SignInRefused(Box::new(SignInRefusal {
            way,
            authority: None,
            status: Some(400),
            code,
            error: error.to_owned(),
            text: String::new(),
        }))
    }

    #[test]
    fn the_usual_numbers_have_their_own_advice() {
        let mut seen = std::collections::BTreeSet::new();
        for code in [
            7_000_215, 7_000_222, 700_016, 90_002, 700_027, 700_024, 70_021, 500_011, 50_076,
            53_003, 700_082, 7_000_112, 50_020, 50_105, 65_001, 1,
        ] {
            let lines = for_kind(&refusal(Some(code), "x", Way::ServicePrincipal));
            assert!(seen.insert(lines), "{code}");
        }
        assert!(seen.insert(for_kind(&refusal(None, "access_denied", Way::DeviceCode))));
        assert!(seen.insert(for_kind(&refusal(Some(1), "x", Way::Az))));
    }

    #[test]
    fn every_way_and_problem_has_advice_that_fits_a_console() {
        let ways = [
            Way::Az,
            Way::DeviceCode,
            Way::ManagedIdentity,
            Way::ServicePrincipal,
            Way::Token,
            Way::WorkloadIdentity,
        ];
        let one = |way| vec![PassedOver { way, reason: String::new() }];
        let mut all: Vec<&[&str]> = ways.into_iter().map(|way| unavailable(&one(way))).collect();
        all.push(unavailable(&[one(Way::Az), one(Way::DeviceCode)].concat()));
        let text = String::new;
        for problem in [
            TrustProblem::Answer(text()),
            TrustProblem::Certificate(text()),
            TrustProblem::CertificateTime(text()),
            TrustProblem::HostNotAllowed,
            TrustProblem::NoAuthorities("/ca".into()),
        ] {
            all.push(untrusted(&problem));
        }
        for problem in [
            TransportProblem::Resolve(text()),
            TransportProblem::Status(503),
            TransportProblem::TimedOut,
        ] {
            all.push(unreachable(&problem));
        }
        let thousands = [50, 51, 52, 53, 65, 70, 90, 500, 530, 650, 700, 900, 7_000];
        for code in
            thousands.into_iter().flat_map(|thousand| thousand * 1000..(thousand + 1) * 1000)
        {
            let Kind::SignInRefused(refusal) = refusal(Some(code), "x", Way::Token) else {
                continue;
            };
            let lines = refused(&refusal);
            if all.last() != Some(&lines) {
                all.push(lines);
            }
        }
        assert!(all.len() > 30);
        for line in all.concat() {
            assert!(line.is_ascii() && line.len() + "hint: ".len() <= 79, "{line}");
            assert!(!line.ends_with('.'), "{line}");
        }
    }
}
