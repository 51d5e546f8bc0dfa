//! Azure as the unlock sees it: the instance metadata service and Key Vault.

pub mod id;
