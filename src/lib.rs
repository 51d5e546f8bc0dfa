//! Opens dm-crypt volumes on Azure Linux VMs.

pub mod azure;
pub mod config;
pub mod deadline;
pub mod edge;
pub mod error;
pub mod generator;
pub mod key;
pub mod message_id;
pub mod secret;
pub mod volume;
