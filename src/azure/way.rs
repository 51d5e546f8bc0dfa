//! The ways to sign in by their names: for errors and hints, which know nothing of how they go.

use std::fmt;

/// A way to sign in, without its details; named in errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Way {
    /// The Azure CLI's login.
    Az,
    /// A code that a person enters in a browser elsewhere.
    DeviceCode,
    /// The VM's own identity, from IMDS.
    ManagedIdentity,
    /// An application with a secret or a certificate.
    ServicePrincipal,
    /// An access token that was handed over.
    Token,
    /// An application that trusts another issuer's token.
    WorkloadIdentity,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Az => "az",
            Self::DeviceCode => "device code",
            Self::ManagedIdentity => "managed identity",
            Self::ServicePrincipal => "service principal",
            Self::Token => "token",
            Self::WorkloadIdentity => "workload identity",
        })
    }
}
